"""Lay slices that were missing, unevenly spaced or tilted onto a straight regular grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.io.padding import BELOW_AIR_HU
from napari_vaemed.io.stack import Stack

FILL_HU = -2048
"""Where a straightened stack holds what no slice measured."""
EXACT = 1e-6


def straight_frame(stack: Stack) -> tuple[tuple[int, int], tuple[float, float]]:
    """Rows and columns that hold all shifted slices, and mm (column, row) to its first pixel.

    The offset counts from the first pixel of the stack's first slice.
    """
    rows, columns = stack.slices[0].shape
    row_step, column_step = stack.slices[0].pixel_spacing or (1.0, 1.0)
    low, extent = stack.shifts.min(0), np.ptp(stack.shifts, axis=0)
    more_columns = int(np.ceil(extent[0] / column_step - EXACT))
    more_rows = int(np.ceil(extent[1] / row_step - EXACT))
    return (rows + more_rows, columns + more_columns), (float(low[0]), float(low[1]))


def resample_planes(
    stack: Stack, slices: Iterable[NDArray[np.int16]], out: NDArray[np.int16]
) -> Iterator[int]:
    """Fill ``out`` (depth, rows, columns) from the slices in order; yields how many were used.

    Linear along the normal and within the planes. Where a neighbour was never measured, the
    nearer one counts alone: a blend of padding and tissue would be neither.
    """
    row_step, column_step = stack.slices[0].pixel_spacing or (1.0, 1.0)
    pixels = (stack.shifts - stack.shifts.min(0)) / (column_step, row_step)
    before, filled = None, 0
    for k, stored in enumerate(slices):
        plane = _shifted(_shifted(stored, 1, pixels[k, 0], out.shape[2]), 0, pixels[k, 1],
                         out.shape[1])  # fmt: skip
        here = stack.places[k]
        while filled < len(out) and filled <= here + EXACT:
            if before is None or here - filled <= EXACT:
                out[filled] = plane
            else:
                last = stack.places[k - 1]
                out[filled] = _between(before, plane, (filled - last) / (here - last))
            filled += 1
        before = plane
        yield k + 1


def _shifted(plane: NDArray[np.int16], axis: int, pixels: float, length: int) -> NDArray[np.int16]:
    """The plane moved towards higher indices by a fraction of pixels, on ``length`` of them."""
    if length == plane.shape[axis] and pixels <= EXACT:
        return plane
    across = np.moveaxis(plane, axis, 0)
    whole = int(np.floor(pixels + EXACT))
    part = pixels - whole
    out = np.full((length, *across.shape[1:]), FILL_HU, np.int16)
    if part <= EXACT:
        out[whole : whole + len(across)] = across
    else:
        out[whole + 1 : whole + len(across)] = _between(across[1:], across[:-1], part)
    return np.moveaxis(out, 0, axis)


def _between(one: NDArray[np.int16], other: NDArray[np.int16], weight: float) -> NDArray[np.int16]:
    """One at weight 0, the other at weight 1."""
    blend = (1 - weight) * one.astype(np.float32) + weight * other.astype(np.float32)
    mixed = np.rint(blend, out=blend).astype(np.int16)
    unmeasured = np.minimum(one, other) < BELOW_AIR_HU
    if unmeasured.any():
        mixed[unmeasured] = (one if weight < 0.5 else other)[unmeasured]
    return mixed
