"""CLAHE: seconds beside ``skimage.exposure.equalize_adapthist`` on the same slices.

    python benchmarks/clahe.py [--data DICOM_FOLDER] [--slices N]

Without a folder a phantom is used. With OpenCV installed its 8-bit CLAHE is timed and compared
too: same tiles, same limit, largest difference in grey levels.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from skimage.exposure import equalize_adapthist

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.intensity import clahe, window

LUNG = (-600, 1500)
CLIP_LIMIT = 0.01


def read(folder: Path) -> Volume:
    first = next(folder.rglob("*.dcm"), None)
    if first is None:
        raise SystemExit(f"No .dcm file below {folder}; give a folder that holds one CT series.")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(first.parent))
    image = sitk.DICOMOrient(sitk.ReadImage(names), "LPS")
    return Volume(sitk.GetArrayFromImage(image).astype(np.int16), image.GetSpacing()[::-1])


def timed(run):
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def opencv(levels, tiles):
    import cv2

    peer = cv2.createCLAHE(CLIP_LIMIT * 256, tiles)
    return np.stack([peer.apply(level) for level in levels])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of one DICOM series")
    parser.add_argument("--slices", type=int, default=16, help="for the slow peers (default 16)")
    arguments = parser.parse_args()
    volume = read(arguments.data) if arguments.data else chest_phantom(seed=1).volume
    depth, ny, nx = volume.shape
    whole = min(timed(lambda: finish(clahe(volume)))[0] for _ in range(3))
    print(f"{depth} slices of {ny}x{nx}: {whole:.2f} s, {1000 * whole / depth:.1f} ms a slice")

    chosen = slice(depth // 2 - arguments.slices // 2, None)
    hu = np.ascontiguousarray(volume.hu[chosen][: arguments.slices])
    part = Volume(hu, volume.spacing)
    everywhere = np.ones(part.shape, bool)
    tile_mm = nx * volume.spacing[2] / 8
    mine, ours = timed(
        lambda: finish(clahe(part, clip_limit=CLIP_LIMIT, tile_mm=tile_mm, inside=everywhere))
    )
    theirs, peer = timed(
        lambda: [
            equalize_adapthist(window(s, *LUNG), kernel_size=nx // 8, clip_limit=CLIP_LIMIT)
            for s in hu
        ]
    )
    alike = np.mean(
        [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(ours, peer, strict=True)]
    )
    print(
        f"scikit-image, {len(hu)} slices: {theirs:.2f} s against {mine:.2f} s, "
        f"{theirs / mine:.1f}x; correlation {alike:.3f}"
    )
    try:
        levels = np.rint(window(hu, *LUNG) * 255).astype(np.uint8)
        theirs, peer = timed(lambda: opencv(levels, (8, round(ny * volume.spacing[1] / tile_mm))))
    except ImportError:
        print("OpenCV is not installed; not compared.")
        return
    mine_levels = (ours.astype(float) - (LUNG[0] - LUNG[1] / 2)) * 255 / LUNG[1]
    print(
        f"OpenCV: {theirs:.2f} s, {theirs / mine:.2f}x; largest difference "
        f"{np.abs(mine_levels - peer).max():.2f} grey levels"
    )


if __name__ == "__main__":
    main()
