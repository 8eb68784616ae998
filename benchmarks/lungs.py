"""Lung mask: seconds and Dice beside the plain threshold-and-morphology recipe.

The peer is the usual COVID-pipeline recipe written plainly with scipy.ndimage: HU window, closing
with the 3-D cross, opening with its second iterate, the two largest inner components. Both run in
the same process on the same volumes.

    python benchmarks/lungs.py [--data FOLDER]

FOLDER holds ``small_ct/`` (with its published mask), ``lidc_scans/`` and ``covid_ct_md/``;
without it a phantom with known lungs is used.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.cells import LUNG_HU, PADDING_HU
from napari_vaemed.segmentation.lungs import lung_ml, segment_lungs

SERIES = {
    "small_ct/cip_ct64_dicom": "small_ct/wholeLung-64.nrrd",
    "lidc_scans/LIDC-IDRI-0001": None,
    "covid_ct_md/covid-P002": None,
    "covid_ct_md/cap-cap002": None,
    "covid_ct_md/normal-normal001": None,
}


def seed_recipe(hu):
    """Threshold, closing, opening, the largest components that do not touch the frame."""
    cross = ndimage.generate_binary_structure(3, 1)
    air = np.pad((hu > PADDING_HU) & (hu < LUNG_HU), 4, mode="edge")
    air = ndimage.binary_closing(air, cross)
    air = ndimage.binary_opening(air, ndimage.iterate_structure(cross, 2))
    pieces, count = ndimage.label(air, cross)
    size = np.bincount(pieces.ravel(), minlength=count + 1)
    size[0] = 0
    size[np.unique(np.concatenate([pieces[:, (4, -5)].ravel(), pieces[:, :, (4, -5)].ravel()]))] = 0
    largest = [i for i in np.argsort(-size)[:2] if size[i] > 0.1 * size.max()]
    return np.isin(pieces, largest)[4:-4, 4:-4, 4:-4]


def real(folder: Path) -> Iterator[tuple[str, Volume, np.ndarray | None]]:
    for name, mask in SERIES.items():
        first = next((folder / name).rglob("*.dcm"), None)
        if first is None:
            continue
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(first.parent))
        image = sitk.DICOMOrient(sitk.ReadImage(names), "LPS")
        truth = None
        if mask is not None:
            lungs = sitk.DICOMOrient(sitk.ReadImage(str(folder / mask)), "LPS")
            truth = sitk.GetArrayFromImage(lungs) > 0
        hu = sitk.GetArrayFromImage(image).astype(np.int16)
        yield name, Volume(hu, image.GetSpacing()[::-1], image.GetOrigin()), truth


def phantom() -> Iterator[tuple[str, Volume, np.ndarray | None]]:
    made = chest_phantom(seed=1)
    yield "phantom", made.volume, np.isin(made.lungs, (1, 2))


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def seconds(run, repeats):
    best, result = np.inf, None
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return best, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of real scans; a phantom without it")
    parser.add_argument("--repeats", type=int, default=3, help="best of so many runs (default 3)")
    arguments = parser.parse_args()
    cases = real(arguments.data) if arguments.data else phantom()
    print(f"{'volume':32s}{'shape':>16s}{'ours s':>8s}{'peer s':>8s}{'ratio':>7s}", end="")
    print(f"{'ours Dice':>11s}{'peer Dice':>11s}{'agree':>8s}{'left ml':>9s}{'right ml':>9s}")
    for name, volume, truth in cases:
        mine, labels = seconds(lambda v=volume: finish(segment_lungs(v)), arguments.repeats)
        theirs, plain = seconds(lambda v=volume: seed_recipe(v.hu), 1)
        lungs = (labels == 1) | (labels == 2)
        scores = ["-", "-"] if truth is None else [f"{dice(m, truth):.4f}" for m in (lungs, plain)]
        ml = lung_ml(labels, volume.spacing)
        shape = "x".join(map(str, volume.shape))
        print(
            f"{name:32s}{shape:>16s}{mine:8.2f}{theirs:8.2f}{theirs / mine:6.1f}x"
            f"{scores[0]:>11s}{scores[1]:>11s}{dice(lungs, plain):8.4f}"
            f"{ml['left']:9.0f}{ml['right']:9.0f}"
        )


if __name__ == "__main__":
    main()
