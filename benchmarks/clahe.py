"""CLAHE of a whole CT: seconds beside OpenCV and scikit-image, and how far they differ.

    python benchmarks/clahe.py [--slices 300] [--rounds 5]

A phantom, laid onto 512 x 512 pixels. All have eight tiles a side, 256 levels and the same limit,
OpenCV is called slice by slice on levels made beforehand, and gives levels; ours starts from HU
and gives HU. Rounds alternate; medians and shortest times are told. In space and diffusion are
timed too, the latter beside SimpleITK's on a part.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import SimpleITK as sitk
from skimage.exposure import equalize_adapthist

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.clahe import Clahe, EqualisedPlanes, Region, clahe
from napari_vaemed.preprocessing.diffusion import Diffusion, diffuse
from napari_vaemed.preprocessing.intensity import WINDOWS, window
from napari_vaemed.preprocessing.threads import MOST_THREADS

LUNG, TILES, SIDE = WINDOWS["lung"], 8, 512
HOW = Clahe(LUNG, 2.56, SIDE / TILES)
"""On pixels of 1 mm."""
THREADS = min(MOST_THREADS, os.cpu_count() or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(THREADS)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    volume = stretched(options.slices)
    levels = np.stack([np.rint(window(hu, *LUNG) * 255).astype(np.uint8) for hu in volume.hu])
    print(f"{options.slices} slices of {SIDE}x{SIDE}, {THREADS} threads each")
    scikit_image(volume, in_slices(volume, levels, options.rounds))
    bits(volume)
    in_space(volume, options.rounds)
    diffusion(volume)


def stretched(slices: int) -> Volume:
    """A phantom on so many slices of 512 x 512 voxels of 1 mm, with noise of its own."""
    small = chest_phantom(seed=1).volume.hu
    at = [np.arange(n) * m // n for n, m in zip((slices, SIDE, SIDE), small.shape, strict=True)]
    hu = small[np.ix_(*at)]
    rng = np.random.default_rng(0)
    for plane in hu:
        plane += rng.integers(-12, 13, plane.shape, np.int16)
    return Volume(hu, (1.0, 1.0, 1.0))


def in_slices(volume: Volume, levels: np.ndarray, rounds: int) -> float:
    """Seconds a slice takes."""
    peer = cv2.createCLAHE(HOW.clip_limit, (TILES, TILES))
    everything = Region.everything()
    ours, theirs, body = alternately(
        rounds,
        lambda: finish(clahe(volume, HOW, inside=everything)),
        lambda: [peer.apply(plane) for plane in levels],
        lambda: finish(clahe(volume, HOW)),
    )
    made = finish(clahe(volume, HOW, inside=everything))
    low, width = LUNG[0] - LUNG[1] / 2, LUNG[1]
    apart = max(
        np.abs((hu - low) * 255 / width - peer.apply(plane)).max()
        for hu, plane in zip(made, levels, strict=True)
    )
    print(f"ours, HU to HU:             {told(ours)}")
    print(f"ours, histograms of body:   {told(body)}")
    print(f"OpenCV, 8-bit:              {told(theirs)}")
    print(
        f"ours / OpenCV: {statistics.median(ours) / statistics.median(theirs):.2f} by medians, "
        f"{min(ours) / min(theirs):.2f} by shortest; apart by {apart:.2f} levels at most, "
        "whole HU included"
    )
    return statistics.median(ours) / len(levels)


def scikit_image(volume: Volume, whole: float, slices: int = 8) -> None:
    """Of single slices, both in one thread."""
    chosen = np.linspace(0, len(volume.hu) - 1, slices).astype(int)
    shown = [window(volume.hu[z], *LUNG).astype(float) for z in chosen]
    share = HOW.clip_limit / HOW.levels
    planes = EqualisedPlanes(volume, HOW, Region.everything())
    made = np.empty(volume.shape[1:], np.int16)
    ours, theirs = alternately(
        3,
        lambda: [planes.fill(z, made) for z in chosen],
        lambda: [equalize_adapthist(one, SIDE // TILES, share) for one in shown],
    )
    mine, peer = (1000 * statistics.median(took) / slices for took in (ours, theirs))
    print(
        f"a slice in one thread: ours {mine:.2f} ms, scikit-image {peer:.0f} ms, "
        f"{peer / mine:.0f} times ours; {peer / (1000 * whole):.0f} times ours in the whole volume"
    )


def bits(volume: Volume) -> None:
    """OpenCV against itself: how far 8 and 16 bits differ in levels of 255."""
    shown = np.clip((volume.hu[len(volume.hu) // 2] - (LUNG[0] - LUNG[1] / 2)) / LUNG[1], 0, 1)
    air = (shown > 0.25) & (shown < 0.5)  # -975 to -600 HU
    for limit in (2.0, 2.56, 4.0, 8.0):
        peer = cv2.createCLAHE(limit, (TILES, TILES))
        eight = peer.apply(np.rint(shown * 255).astype(np.uint8))
        sixteen = peer.apply(np.rint(shown * 65535).astype(np.uint16)) / 257
        apart = np.abs(eight - sixteen)
        print(
            f"OpenCV's 8 and 16 bits, limit {limit:g}: apart by {apart.max():.0f} levels at most, "
            f"{apart.mean():.1f} in the mean; inside the lungs sd {eight[air].std():.1f} and "
            f"{sixteen[air].std():.1f}, before {(255 * shown)[air].std():.1f}"
        )


def in_space(volume: Volume, rounds: int) -> None:
    how = Clahe(LUNG, HOW.clip_limit, HOW.tile_mm, three_d=True)
    everything = Region.everything()
    (ours,) = alternately(rounds, lambda: finish(clahe(volume, how, inside=everything)))
    part = Volume(volume.hu[:48, :160, :160], volume.spacing)
    shown = window(part.hu, *LUNG).astype(float)
    mine, peer = alternately(
        1,
        lambda: finish(clahe(part, how, inside=everything)),
        lambda: equalize_adapthist(shown, int(HOW.tile_mm), HOW.clip_limit / HOW.levels),
    )
    print(f"in space:                   {told(ours)}")
    print(f"in space, {part.shape}: ours {mine[0]:.3f} s, scikit-image {peer[0]:.1f} s")


def diffusion(volume: Volume) -> None:
    part = Volume(np.ascontiguousarray(volume.hu[:24]), volume.spacing)
    how = Diffusion()
    count, _ = how.steps(part.spacing)
    image = sitk.GetImageFromArray(part.hu.astype(np.float32))
    ours, peer = alternately(
        1,
        lambda: finish(diffuse(part, how)),
        lambda: sitk.GradientAnisotropicDiffusion(image, 0.06, 1.0, 1, count),
    )
    print(
        f"diffusion of {len(part.hu)} slices, {count} steps: ours {ours[0]:.2f} s, "
        f"SimpleITK {peer[0]:.2f} s, {peer[0] / ours[0]:.1f} times ours"
    )


def alternately(rounds: int, *runs: Callable[[], Any]) -> list[list[float]]:
    """Seconds of each run, one after another in every round; the first of each is not counted."""
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for took, run in zip(seconds, runs, strict=True):
            start = time.perf_counter()
            run()
            if number:
                took.append(time.perf_counter() - start)
    return seconds


def told(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.3f} s, shortest {min(seconds):.3f} s"


if __name__ == "__main__":
    main()
