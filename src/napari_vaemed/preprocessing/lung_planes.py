"""The grid a lung network sees: slabs of about 3 mm, samples of about 1.5 mm, whatever the scan.

Every axis is divided into equal steps that fit the scan's extent, so that what is found there can
be put back on the voxels without a shift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PLANE_MM, SAMPLE_MM = 3.0, 1.5
"""Step between planes, at least, and between the samples of a plane, about."""

HU_RANGE = (-1024.0, 600.0)
"""What is beyond says nothing about lungs; padding lies far below."""

NEIGHBOUR_MM = 5.0
"""So far from a plane, about, are those that are seen beside it."""

Counts = tuple[int, int, int]
Spacing = tuple[float, float, float]


def plane_counts(shape: Counts, spacing: Spacing) -> Counts:
    """How many planes, rows and columns a scan of that shape and spacing (mm) gets."""
    planes = min(shape[0], max(1, round(shape[0] * spacing[0] / PLANE_MM)))
    rows, columns = (
        max(1, round(n * mm / SAMPLE_MM)) for n, mm in zip(shape[1:], spacing[1:], strict=True)
    )
    return planes, rows, columns


def plane_spacing(shape: Counts, spacing: Spacing) -> Spacing:
    """Millimetres between the samples of that grid, (z, y, x)."""
    counts = plane_counts(shape, spacing)
    z, y, x = (n * mm / m for n, mm, m in zip(shape, spacing, counts, strict=True))
    return z, y, x


def with_neighbours(count: int, step_mm: float, only: slice = slice(None)) -> NDArray[np.int64]:
    """Indices (n, 3) of planes between their neighbours; at the ends the last stands for more."""
    apart = max(1, round(NEIGHBOUR_MM / step_mm))
    plane = np.arange(count)[only]
    around = np.stack([plane - apart, plane, plane + apart], axis=1)
    return around.clip(0, count - 1)


def lung_planes(
    hu: NDArray[np.int16], spacing: Spacing, only: slice = slice(None)
) -> NDArray[np.float32]:
    """Average a scan onto that grid, in HU.

    Parameters
    ----------
    hu : (z, y, x)
    spacing : (z, y, x) mm
    only : slice
        The planes wanted; no more of the scan than they cover is touched.

    Returns
    -------
    (planes, rows, columns) float32
        Within `HU_RANGE`.
    """
    z, y, x = (
        _weights(n, m) for n, m in zip(hu.shape, plane_counts(hu.shape, spacing), strict=True)
    )
    planes = []
    for row in z[only]:
        (slices,) = np.nonzero(row)
        slab = sum(
            row[i] * np.clip(hu[i], *HU_RANGE, dtype=np.float32, casting="unsafe") for i in slices
        )
        planes.append(y @ slab @ x.T)
    return np.stack(planes) if planes else np.zeros((0, len(y), len(x)), np.float32)


def lung_label_planes(labels: NDArray[np.uint8], spacing: Spacing) -> NDArray[np.uint8]:
    """Give every sample of that grid the label, 0 to 3, that covers most of it."""
    counts = plane_counts(labels.shape, spacing)
    z, y, x = (_weights(n, m) for n, m in zip(labels.shape, counts, strict=True))
    found = np.zeros(counts, np.uint8)
    for plane, row in enumerate(z):
        (slices,) = np.nonzero(row)
        most = np.full(counts[1:], 0.5, np.float32)
        for label in range(1, 4):
            slab = sum(row[i] * (labels[i] == label).astype(np.float32) for i in slices)
            share = y @ slab @ x.T
            found[plane][share >= most] = label
            most = np.maximum(most, share)
    return found


def _weights(n: int, m: int) -> NDArray[np.float32]:
    """(m, n) weights that bring n samples to m: averages to fewer, straight lines to more."""
    if m <= n:
        edges = np.linspace(0, n, m + 1)
        low, high = np.maximum.outer(edges[:-1], np.arange(n)), edges[1:, None]
        covered = np.minimum(high, np.arange(1, n + 1)) - low
        return (covered.clip(min=0) * (m / n)).astype(np.float32)
    at = ((np.arange(m) + 0.5) * n / m - 0.5).clip(0, n - 1)
    first = np.minimum(at.astype(int), max(n - 2, 0))
    weights = np.zeros((m, n), np.float32)
    weights[np.arange(m), first] = 1 - (at - first)
    weights[np.arange(m), np.minimum(first + 1, n - 1)] += at - first
    return weights
