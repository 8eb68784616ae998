"""Spots in the lungs that look most like nodules, for when nobody has marked one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.nodules import NoNodule, segment_nodule

Voxel = tuple[float, float, float]

STEP_MM = 2.0
SCALES_MM = (2.0, 3.2, 5.0, 7.5)
FAINTEST_HU, DENSEST_HU = -900.0, 100.0
TRIED = 20


def most_nodule_like(
    volume: Volume, lungs: NDArray[np.uint8], most: int = 8
) -> Work[tuple[Voxel, ...]]:
    """Rank up to ``most`` spots (z, y, x) that a click would accept, the likeliest first.

    The lungs, at 2 mm, are searched at four scales for places that are brighter than their
    surroundings in every direction (the weakest of the Hessian's three curvatures, Frangi 1998:
    near zero in a vessel); `segment_nodule` then has to accept the spot.

    Parameters
    ----------
    volume : Volume
    lungs : (z, y, x) uint8
        Lung labels of the volume.
    """
    yield Progress("Looking for round spots", 0, TRIED)
    spots = round_spots(volume, lungs)[:TRIED]
    found: list[tuple[float, Voxel]] = []
    taken: list[NDArray[np.float64]] = []
    for done, (score, voxel) in enumerate(spots):
        if done % 5 == 0:
            yield Progress("Trying round spots", done, len(spots))
        if any(np.all(np.abs(voxel - t) * volume.spacing < 5) for t in taken):
            continue
        try:
            mask = segment_nodule(volume, voxel, lungs)
        except NoNodule:
            continue
        centre = np.argwhere(mask.voxels).mean(0) + mask.start
        if any(np.linalg.norm((centre - t) * volume.spacing) < 5 for t in taken):
            continue
        taken.append(centre)
        z, y, x = (float(c) for c in voxel)
        millimetres = (6 / np.pi * mask.voxels.sum() * volume.voxel_mm3) ** (1 / 3)
        found.append((score * _fullness(mask.voxels, volume) * min(millimetres, 12.0), (z, y, x)))
    found.sort(key=lambda pair: -pair[0])
    return tuple(voxel for _, voxel in found[:most])


def _fullness(mask: NDArray[np.bool_], volume: Volume) -> float:
    """How much of the ball as long as the mask's longest side the mask fills."""
    longest = max(n * s for n, s in zip(mask.shape, volume.spacing, strict=True))
    return float(min(mask.sum() * volume.voxel_mm3 / (np.pi / 6 * longest**3), 1.0))


def round_spots(
    volume: Volume, lungs: NDArray[np.uint8]
) -> list[tuple[float, NDArray[np.float64]]]:
    """Blobness peaks and their voxel index, the highest first."""
    inside = (lungs == RIGHT_LUNG) | (lungs == LEFT_LUNG)
    if not inside.any():
        return []
    box = tuple(
        slice(int(line[0]), int(line[-1]) + 1)
        for line in (np.flatnonzero(inside.any(axis=a)) for a in ((1, 2), (0, 2), (0, 1)))
    )
    every = [max(1, round(STEP_MM / s)) for s in volume.spacing]
    coarse = tuple(slice(b.start, b.stop, e) for b, e in zip(box, every, strict=True))
    spacing = np.multiply(every, volume.spacing)
    blur = [0.4 * e if e > 1 else 0 for e in every]
    hu = ndimage.gaussian_filter(volume.hu[box].astype(np.float32), blur)
    hu = hu[tuple(slice(None, None, e) for e in every)].clip(FAINTEST_HU, DENSEST_HU)
    lung = ndimage.binary_dilation(inside[coarse])
    hu[~lung] = FAINTEST_HU  # else the chest wall outshines what touches it
    best = np.max([_blobness(hu, scale / spacing) for scale in SCALES_MM], axis=0)
    best[~lung] = 0
    peaks = np.argwhere((best == ndimage.maximum_filter(best, 3)) & (best > 20))
    order = np.argsort(-best[tuple(peaks.T)], kind="stable")
    first = np.array([b.start for b in box], float)
    return [(float(best[tuple(p)]), p * np.array(every, float) + first) for p in peaks[order]]


def _blobness(hu: NDArray[np.float32], sigma: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale-normalised least curvature of a bright spot, (z, y, x); 0 where it is not one."""
    smooth = ndimage.gaussian_filter(hu, sigma)
    hessian = np.zeros((*hu.shape, 3, 3), np.float32)
    for i in range(3):
        slope = np.gradient(smooth, axis=i)
        for j in range(i, 3):
            hessian[..., i, j] = np.gradient(slope, axis=j) * sigma[i] * sigma[j]
            hessian[..., j, i] = hessian[..., i, j]
    bright = np.trace(hessian, axis1=-2, axis2=-1) < -30
    least = np.zeros(hu.shape, np.float32)
    least[bright] = np.linalg.eigvalsh(hessian[bright])[:, -1]
    return np.maximum(-least, 0)
