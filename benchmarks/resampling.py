"""Resampling to cubes: seconds and HU beside SimpleITK's, and masks by distance beside nearest.

    python benchmarks/resampling.py [--slices 133]

A phantom on 512 x 512 pixels of 0.7 mm in slices of 2.5 mm goes onto cubes of 0.7 mm and of
2.5 mm. SimpleITK has as many threads as there are processors. The Dice of balls in slices of 4 mm
is told against the balls themselves on cubes of 0.8 mm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.geometry import Lattice, isotropic
from napari_vaemed.preprocessing.resampling import INTERPOLATIONS, resample, resample_labels

PEERS = {
    "nearest": sitk.sitkNearestNeighbor,
    "linear": sitk.sitkLinear,
    "cubic": sitk.sitkBSpline,
}
SPACING = (2.5, 0.7, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=133)
    shape = (parser.parse_args().slices, 512, 512)
    small = chest_phantom(shape=(96, 160, 160), spacing=(3.0, 2.2, 2.2), seed=7).volume.hu
    at = [np.arange(n) * m // n for n, m in zip(shape, small.shape, strict=True)]
    volume = Volume(small[np.ix_(*at)], SPACING)
    for to in ("finest", "coarsest"):
        lattice = isotropic(volume, to)
        print(f"{shape} to {lattice.shape}:")
        for by in INTERPOLATIONS:
            compare(volume, lattice, by)
    for radius in (6.0, 11.0, 18.0):
        balls(radius)


def compare(volume: Volume, lattice: Lattice, by: str) -> None:
    ours, made = timed(lambda: finish(resample(volume, lattice, by)).hu)
    if by not in PEERS:
        print(f"  {by}: ours {ours:.2f} s")
        return
    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.spacing[::-1])
    theirs, peer = timed(
        lambda: sitk.GetArrayFromImage(
            sitk.Resample(
                image, lattice.shape[::-1], sitk.Transform(), PEERS[by], lattice.origin,
                lattice.spacing[::-1], np.eye(3).ravel().tolist(), 0.0, sitk.sitkInt16, True,
            )
        )
    )  # fmt: skip
    apart = np.abs(made.astype(int) - peer)
    print(
        f"  {by}: ours {ours:.2f} s, SimpleITK {theirs:.2f} s; apart by {apart.max()} HU at most, "
        f"{apart.mean():.3f} in the mean"
    )


def balls(radius: float) -> None:
    coarse = Volume(np.zeros((16, 60, 60), np.int16), (4.0, 0.8, 0.8))
    lattice = isotropic(coarse, "finest")
    fine = Volume(np.zeros(lattice.shape, np.int16), lattice.spacing, lattice.origin)
    scores: dict[str, list[float]] = {"nearest": [], "distance": []}
    for shift in np.random.default_rng(0).uniform(-2, 2, (20, 3)):
        middle = coarse.to_world((np.array(coarse.shape) - 1) / 2) + shift
        mask, truth = ball(coarse, middle, radius), ball(fine, middle, radius)
        for by, found in scores.items():
            made = finish(resample_labels(mask, coarse, lattice, by))
            found.append(2 * (made & truth).sum() / (made.sum() + truth.sum()))
    told = ", ".join(f"{by} {np.mean(found):.3f}" for by, found in scores.items())
    print(f"Dice of balls of {radius:g} mm radius, 20 places: {told}")


def ball(volume: Volume, middle: np.ndarray, radius: float) -> np.ndarray:
    world = volume.to_world(np.moveaxis(np.indices(volume.shape), 0, -1))
    return (np.linalg.norm(world - middle, axis=-1) < radius).astype(np.uint8)


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
