"""Lines of sight through a volume: what a click on a picture of it in 3-D means."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.volume import Volume

STEP_MM = 0.5
"""Between two samples along a line of sight."""
OUTSIDE_HU = -1024.0
"""What counts as being around a nodule outside of the lungs."""
BODY_MM = 3.0
"""Radius of the ball that tells a nodule from a vessel: a vessel fills little of it."""


def nodule_on_ray(
    volume: Volume, start: ArrayLike, end: ArrayLike, lung_labels: NDArray[np.uint8] | None = None
) -> NDArray[np.float64] | None:
    """The voxel that is meant by whoever points along a line of sight, (z, y, x).

    Places count that are brighter than everything in front of them, and what lies right behind
    them. Of those, the one in the densest surroundings is taken: the inside of a nodule rather
    than the vessels that cross the line before or behind it.

    Parameters
    ----------
    start, end : (z, y, x)
        Fractional voxels where the line begins, in front, and ends.
    lung_labels : (z, y, x) or None
        Only the lungs count, so that ribs do not hide what is meant.

    Returns
    -------
    (z, y, x) or None
        None when the line misses the lungs.
    """
    ends = np.asarray(start, float), np.asarray(end, float)
    length_mm = float(np.linalg.norm((ends[1] - ends[0]) * volume.spacing))
    points = np.linspace(*ends, int(length_mm / STEP_MM) + 2)
    values, counts = _sampled(volume, points, lung_labels)
    if not counts.any():
        return None
    values[~counts] = -np.inf
    in_front = np.concatenate([[-np.inf], np.maximum.accumulate(values)[:-1]])
    falls = np.concatenate([values[:-1] >= values[1:], [True]])
    meant = falls & (values > in_front)
    behind = np.convolve(meant, np.ones(int(BODY_MM / STEP_MM) + 1))[: len(meant)] > 0
    candidates = points[behind]
    around, _ = _sampled(volume, candidates[:, None] + _ball() / volume.spacing, lung_labels)
    return candidates[int(np.argmax(around.mean(axis=1)))]


def _sampled(
    volume: Volume, points: NDArray[np.float64], lung_labels: NDArray[np.uint8] | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """HU at points (..., 3), `OUTSIDE_HU` where none count, and which count."""
    nearest = np.clip(np.rint(points).astype(int), 0, np.array(volume.shape) - 1)
    z, y, x = np.moveaxis(nearest, -1, 0)
    values = volume.hu[z, y, x].astype(np.float32)
    if lung_labels is None:
        return values, np.ones(values.shape, bool)
    inside = in_lungs(lung_labels[z, y, x])
    return np.where(inside, values, np.float32(OUTSIDE_HU)), inside


def _ball() -> NDArray[np.float64]:
    """Points (n, 3) a millimetre apart in a ball around (0, 0, 0)."""
    steps = np.arange(-BODY_MM, BODY_MM + 1)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[np.linalg.norm(grid, axis=1) <= BODY_MM]
