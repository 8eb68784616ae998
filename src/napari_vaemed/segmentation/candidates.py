"""Round places in the lungs: where nodules may be, before anything looks closer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.geometry import Lattice
from napari_vaemed.preprocessing.resampling import NEAREST, resample, resample_labels
from napari_vaemed.preprocessing.threads import MOST_THREADS, working_threads
from napari_vaemed.segmentation.morphology import PackedMask, close

GRIDS = ((1.0, (1.2, 1.8, 2.6)), (2.0, (3.8, 5.4, 7.6)))
"""Millimetres of a cubic grid, no finer than the scan, and the scales (sigma, mm) searched on it;
the ball that answers best to a scale has a radius of sigma · √3."""

CLOSING_MM, ROOM_MM = 15.0, 20.0
FAINTEST_HU, DENSEST_HU = -950, 100
SLAB_PLANES = 32
REACH = 3.0
"""Where the blur ends, in sigmas."""

MOST_SPOTS, LEAST_HU = 400, 13.0
APART_MM = 2.0
"""Of spots nearer to each other than this, or than the larger one's sigma, the roundest stays."""


@dataclass(frozen=True, eq=False)
class Spot:
    """A place brighter than its surroundings in every direction.

    Parameters
    ----------
    voxel : (z, y, x)
        Fractional index in the volume.
    radius_mm : float
        Of the ball that would answer best to the scale it was found at.
    roundness : float
        HU; see `round_spots`.
    """

    voxel: NDArray[np.float64]
    radius_mm: float
    roundness: float


def round_spots(
    volume: Volume, lungs: NDArray[np.uint8], most: int = MOST_SPOTS
) -> Work[list[Spot]]:
    """Places brighter than their surroundings in every direction, the roundest first.

    Spots are maxima of the Laplacian of Gaussian at several scales; they are ranked by the weakest
    of the Hessian's three curvatures (Frangi 1998), which is near zero in a vessel, times its
    share of the strongest, so that a faint ball stands before the fork of a bright vessel. What
    lies outside the lungs counts as lung, so that a nodule at the wall stands out of it.

    Parameters
    ----------
    volume : Volume
    lungs : (z, y, x) uint8
        Lung labels of the volume.
    most : int
        So many are given at most.
    """
    box = _box(lungs, volume.spacing)
    if box is None:
        return []
    x, y, z = volume.to_world([b.start for b in box]).tolist()
    part = replace(volume, hu=volume.hu[box], origin=(x, y, z), source=None, stored=None)
    found = [np.zeros((0, 5))]
    for finest, scales in GRIDS:
        mm = max(finest, min(volume.spacing))
        sigmas = np.array([scale / mm for scale in scales if scale >= mm])
        if not len(sigmas):
            continue
        lattice = Lattice.of_spacing(part, (mm, mm, mm))
        on_grid = yield from resample(part, lattice)
        labels = yield from resample_labels(lungs[box], part, lattice, NEAREST)
        inside = _closed(labels, mm)
        lung_hu = np.median(on_grid.hu[labels > 0][::50])
        hu = np.where(inside, on_grid.hu.clip(FAINTEST_HU, DENSEST_HU), lung_hu).astype(np.float32)
        spots = yield from _maxima(hu, inside, sigmas)
        world = on_grid.to_world(spots[:, 2:])
        found.append(np.column_stack([spots[:, 0], spots[:, 1] * mm, world]))
    spots = _distinct(np.concatenate(found), most)
    return [
        Spot(volume.to_voxel(place), float(np.sqrt(3) * scale), float(roundness))
        for roundness, scale, *place in spots
    ]


def _box(
    lungs: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> tuple[slice, slice, slice] | None:
    """Around both lungs with room for the closing; None without lungs."""
    inside = (lungs == RIGHT_LUNG) | (lungs == LEFT_LUNG)
    if not inside.any():
        return None
    lines = [np.flatnonzero(inside.any(axis=a)) for a in ((1, 2), (0, 2), (0, 1))]
    room = [round(ROOM_MM / s) for s in spacing]
    z, y, x = (
        slice(max(int(line[0]) - r, 0), int(line[-1]) + 1 + r)
        for line, r in zip(lines, room, strict=True)
    )
    return z, y, x


def _closed(labels: NDArray[np.integer], mm: float) -> NDArray[np.bool_]:
    """Each lung with its dents filled: a nodule at the wall may have been left out of it."""
    right, left = (
        close(PackedMask.of(labels == side), CLOSING_MM, (mm, mm, mm))
        for side in (RIGHT_LUNG, LEFT_LUNG)
    )
    return (right | left).unpack()


def _maxima(
    hu: NDArray[np.float32], inside: NDArray[np.bool_], sigmas: NDArray[np.float64]
) -> Work[NDArray[np.float64]]:
    """Roundness, scale and index, (n, 5), of the round spots at scales in voxels."""
    further = np.sqrt(np.diff(sigmas**2, prepend=0))  # a blur of a blur
    margin = int(np.ceil(REACH * further).sum()) + 2 * len(sigmas)
    starts = range(0, len(hu), SLAB_PLANES)

    def search(start: int) -> NDArray[np.float64]:
        first, stop = max(start - margin, 0), min(start + SLAB_PLANES, len(hu))
        smooth, found = hu[first : stop + margin], []
        for sigma, more in zip(sigmas, further, strict=True):
            smooth = ndimage.gaussian_filter(smooth, more, truncate=REACH)
            spots = _spots(smooth, inside[start:stop], slice(start - first, stop - first))
            spots = np.insert(spots, 1, sigma, axis=1)
            found.append(spots * [sigma**2, 1, 1, 1, 1] + [0, 0, start, 0, 0])
        return np.concatenate(found)

    parts: list[NDArray[np.float64]] = []
    with working_threads() as pool:
        for at in range(0, len(starts), MOST_THREADS):
            yield Progress("Looking for round spots", at, len(starts))
            parts += pool.map(search, starts[at : at + MOST_THREADS])
    return np.concatenate(parts)


def _spots(
    smooth: NDArray[np.float32], inside: NDArray[np.bool_], mine: slice
) -> NDArray[np.float64]:
    """Spots of the planes ``mine`` of a blurred slab, (n, 4), counted from the first of them."""
    bright = -ndimage.laplace(smooth)
    peak = (bright == ndimage.maximum_filter(bright, 3))[mine]
    index = np.argwhere(peak & inside & (bright[mine] > 0))
    return np.column_stack([_roundness(smooth, index + np.array((mine.start, 0, 0))), index])


def _roundness(smooth: NDArray[np.float32], index: NDArray[np.int_]) -> NDArray[np.float64]:
    """Of bright spots at (n, 3), HU a voxel squared; 0 where there is none."""
    last = np.array(smooth.shape) - 1

    def at(step: NDArray[np.int_]) -> NDArray[np.float64]:
        return smooth[tuple(np.clip(index + step, 0, last).T)].astype(float)

    hessian = np.empty((len(index), 3, 3))
    axes = np.eye(3, dtype=int)
    for i, a in enumerate(axes):
        hessian[:, i, i] = at(a) + at(-a) - 2 * at(0 * a)
        for j, b in enumerate(axes[:i]):
            mixed = at(a + b) + at(-a - b) - at(a - b) - at(b - a)
            hessian[:, i, j] = hessian[:, j, i] = mixed / 4
    strongest, _, weakest = np.minimum(np.linalg.eigvalsh(hessian), 0).T
    return weakest**2 / np.maximum(-strongest, 1e-6)


def _distinct(spots: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Of spots (n, 5) of roundness, scale and place those that are no other's, roundest first."""
    spots = spots[spots[:, 0] >= LEAST_HU]
    spots = spots[np.argsort(-spots[:, 0], kind="stable")]
    kept: list[int] = []
    for n, (_, scale, *place) in enumerate(spots):
        others = spots[kept]
        apart = np.sqrt(np.square(others[:, 2:] - place).sum(axis=1))
        if np.all(apart > np.maximum(APART_MM, np.maximum(scale, others[:, 1]))):
            kept.append(n)
            if len(kept) == most:
                break
    return spots[kept]
