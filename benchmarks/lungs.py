"""Lung mask: seconds, memory and Dice beside the plain threshold-and-morphology recipe.

The peer is the usual COVID-pipeline recipe written plainly with scipy.ndimage: HU window, closing
with the 3-D cross, opening with its second iterate, the two largest inner components. Both run in
the same process on the same volumes.

    python benchmarks/lungs.py --speed       300 x 512 x 512: seconds, peak memory, first use
    python benchmarks/lungs.py --phantoms    Dice and airway leak by disease and view
    python benchmarks/lungs.py --data FOLDER real scans

FOLDER holds ``small_ct/`` (with its published masks), ``lidc_scans/`` and ``covid_ct_md/``.
Without any of the three, speed and phantoms are shown.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG, in_lungs
from napari_vaemed.data.phantom_views import cut_on_the_left, dressed, through_circle
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.cells import LUNG_HU, PADDING_HU
from napari_vaemed.segmentation.lungs import lung_ml, segment_lungs

SERIES = (
    "small_ct/cip_ct64_dicom",
    "lidc_scans/LIDC-IDRI-0001",
    "covid_ct_md/covid-P002",
    "covid_ct_md/cap-cap002",
    "covid_ct_md/normal-normal001",
)
MASKED, LUNGS, REGIONS = SERIES[0], "small_ct/wholeLung-64.nrrd", "small_ct/lm-64.nrrd"
LARGE = {"shape": (300, 512, 512), "spacing": (1.1, 0.7, 0.7)}
USUAL = {"shape": (120, 256, 256), "spacing": (2.5, 1.4, 1.4)}
SEEDS = (11, 12, 13)


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


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1)


def seconds(run, repeats):
    best, result = np.inf, None
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return best, result


# Speed


def show_speed(repeats: int) -> None:
    made = chest_phantom(**LARGE, seed=3)
    hu = made.volume.hu
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "hu.npy", hu)
        for line in fresh_process(Path(folder)):
            print(line)
    mine, labels = seconds(lambda: finish(segment_lungs(made.volume)), repeats)
    theirs, plain = seconds(lambda: seed_recipe(hu), 1)
    print(
        f"{'x'.join(map(str, hu.shape))}: ours {mine:.3f} s, plain recipe {theirs:.2f} s: "
        f"{theirs / mine:.1f}x; the two agree to Dice {dice(in_lungs(labels), plain):.4f}"
    )
    for side, name in ((RIGHT_LUNG, "right"), (LEFT_LUNG, "left")):
        print(f"  Dice of the {name} lung {dice(labels == side, made.lungs == side):.4f}")


def fresh_process(folder: Path) -> Iterator[str]:
    """First use, with an empty kernel cache and then a full one, and peak memory."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    returned = {"MALLOC_MMAP_THRESHOLD_": "1000000"}  # what is freed goes back at once
    for name, extra in (("kernels compiled", {}), ("kernels from disk", returned)):
        command = [sys.executable, __file__, "--child", str(folder / "hu.npy")]
        told = subprocess.run(
            command, env=environment | extra, check=True, capture_output=True, text=True
        )
        first, volume, beyond = map(float, told.stdout.split())
        kept = "in use" if extra else "in use or kept by malloc for later"
        yield (
            f"first use, {name}: {first:.2f} s; peak {kept}, volume and labels included: "
            f"{volume + beyond:.0f} MB = {1 + beyond / volume:.2f} volumes of {volume:.0f} MB"
        )


def child(path: Path) -> None:
    """Seconds of the first mask, and MB: the volume, what the second needs beyond it."""
    volume = Volume(np.load(path), LARGE["spacing"])
    start = time.perf_counter()
    finish(segment_lungs(volume))
    took = time.perf_counter() - start
    ctypes.CDLL(None).malloc_trim(0)  # what malloc kept so far, too, will count as the second's
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
    before = resident_mb("VmRSS")
    finish(segment_lungs(volume))
    print(took, volume.hu.nbytes / 2**20, resident_mb("VmHWM") - before)


def resident_mb(which: str) -> float:
    """Memory of this process as Linux tells it."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if which in s)
    return int(line.split()[1]) / 1024


# Phantoms


def usual(**disease: bool) -> Callable[[int], Phantom]:
    return lambda seed: chest_phantom(**USUAL, seed=seed, **disease)


def thick(seed: int) -> Phantom:
    return chest_phantom(shape=(60, 256, 256), spacing=(5.0, 1.4, 1.4), seed=seed)


def thin(seed: int) -> Phantom:
    """Few of them: the phantom makes its patient short enough."""
    return chest_phantom(shape=(240, 256, 256), spacing=(0.5, 1.4, 1.4), seed=seed, nodules=())


def feet_first(seed: int) -> Phantom:
    """Written with its slices and columns the other way round, and read again."""
    from napari_vaemed.io.volumes import read_volume

    made = usual()(seed)
    image = sitk.GetImageFromArray(made.volume.hu)
    image.SetSpacing(made.volume.spacing[::-1])
    image.SetOrigin(made.volume.origin)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chest.nii.gz"
        sitk.WriteImage(sitk.Flip(image, (True, False, True)), str(path))
        return replace(made, volume=read_volume(path))


PHANTOMS: dict[str, Callable[[int], Phantom]] = {
    "healthy, 2.5 mm": usual(),
    "5 mm slices": thick,
    "0.5 mm slices, 120 mm": thin,
    "contrast medium": usual(contrast=True),
    "ground glass": usual(ground_glass=True),
    "emphysema": usual(emphysema=True),
    "lungs that touch": usual(touching=True),
    "consolidation": usual(consolidation=True),
    "effusion, collapsed lung": usual(effusion=True),
    "large mass": usual(mass=True),
    "clothes and blanket": lambda seed: dressed(usual()(seed)),
    "cut on the left": lambda seed: cut_on_the_left(usual()(seed)),
    "small view, padding -3024": lambda seed: through_circle(usual()(seed), -3024),
    "small view, padding -2048": lambda seed: through_circle(usual()(seed), -2048),
    "small view, padding -1024": lambda seed: through_circle(usual()(seed), -1024),
    "stored feet first": feet_first,
}


def airway_leak(labels, truth) -> float:
    """Share of the true lungs, two voxels from their edge on, that became airway."""
    lung = in_lungs(truth)
    deep = ndimage.binary_erosion(lung, iterations=2)
    return np.count_nonzero((labels == AIRWAYS) & deep) / np.count_nonzero(lung)


def show_phantoms() -> None:
    print(f"worst of seeds {SEEDS}")
    print(f"{'phantom':28s}{'right':>8s}{'left':>8s}{'both':>8s}{'agree':>8s}{'leak %':>8s}")
    for name, make in PHANTOMS.items():
        rows = []
        for seed in SEEDS:
            made = make(seed)
            labels, truth = finish(segment_lungs(made.volume)), made.lungs
            scores = [dice(labels == side, truth == side) for side in (RIGHT_LUNG, LEFT_LUNG)]
            scores.append(dice(in_lungs(labels), in_lungs(truth)))
            scores.append(dice(in_lungs(labels), seed_recipe(made.volume.hu)))
            rows.append((*scores, -100 * airway_leak(labels, truth)))
        *scores, leak = np.min(rows, axis=0)
        print(f"{name:28s}" + "".join(f"{score:8.4f}" for score in scores) + f"{-leak:8.3f}")


# Real scans


def read_series(folder: Path) -> Volume:
    first = next(folder.rglob("*.dcm"))
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(first.parent))
    image = sitk.DICOMOrient(sitk.ReadImage(names), "LPS")
    hu = sitk.GetArrayFromImage(image).astype(np.int16)
    return Volume(hu, image.GetSpacing()[::-1], image.GetOrigin())


def read_mask(path: Path):
    return sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"))


def show_real(folder: Path, repeats: int) -> None:
    print(f"{'volume':30s}{'shape':>14s}{'ours s':>8s}{'peer s':>8s}{'ratio':>7s}", end="")
    print(f"{'agree':>8s}{'left ml':>9s}{'right ml':>9s}")
    for name in SERIES:
        if not (folder / name).is_dir():
            continue
        volume = read_series(folder / name)
        mine, labels = seconds(lambda v=volume: finish(segment_lungs(v)), repeats)
        theirs, plain = seconds(lambda v=volume: seed_recipe(v.hu), 1)
        ml = lung_ml(labels, volume.spacing)
        print(
            f"{name:30s}{'x'.join(map(str, volume.shape)):>14s}{mine:8.3f}{theirs:8.2f}"
            f"{theirs / mine:6.1f}x{dice(in_lungs(labels), plain):8.4f}"
            f"{ml['left']:9.0f}{ml['right']:9.0f}"
        )
        if name == MASKED:
            region = read_mask(folder / REGIONS) & 255
            lungs = read_mask(folder / LUNGS) > 0
            left, right = (region >= 9) & (region <= 11), (region >= 12) & (region <= 14)
            print(
                f"  against its published masks: both {dice(in_lungs(labels), lungs):.4f} "
                f"(peer {dice(plain, lungs):.4f}), right {dice(labels == RIGHT_LUNG, right):.4f}, "
                f"left {dice(labels == LEFT_LUNG, left):.4f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speed", action="store_true", help="seconds and memory, 300 slices")
    parser.add_argument("--phantoms", action="store_true", help="Dice by disease and view")
    parser.add_argument("--data", type=Path, help="folder of real scans")
    parser.add_argument("--repeats", type=int, default=5, help="best of so many runs (default 5)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    everything = not (arguments.speed or arguments.phantoms or arguments.data)
    if arguments.speed or everything:
        show_speed(arguments.repeats)
    if arguments.phantoms or everything:
        show_phantoms()
    if arguments.data:
        show_real(arguments.data, arguments.repeats)


if __name__ == "__main__":
    main()
