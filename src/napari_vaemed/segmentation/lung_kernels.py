"""Loops over every voxel of a CT that the lung mask needs, compiled; each does a run of layers."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Levels = NDArray[np.int16]
WORD = 64
PACKING = np.uint64(0x0102040810204080)
"""Multiplies eight bytes of 0 or 1 so that the uppermost byte holds them as bits."""


@numba.njit(nogil=True, cache=True)
def survey_layers(
    hu: Levels,
    between: tuple[int, int],
    factors: tuple[int, int, int],
    share: float,
    first: int,
    last: int,
    words: Words,
    air: NDArray[np.bool_],
    middle: Levels,
) -> None:
    """Pack which voxels lie between two values, and see which cells mostly do.

    Parameters
    ----------
    hu : (z, y, x) int16
    between : (low, high)
        Both excluded.
    factors : (z, y, x)
        Voxels in a cell, fewer than 256 in all.
    share : float
        Of a cell's voxels that must lie between.
    first, last : int
        Layers of cells.
    words : (z, y, w) uint64
        Filled here as in `morphology.PackedMask`.
    air : (cells z, y, x) bool
        Filled here: cells with that share.
    middle : (cells z, y, x) int16
        Filled here: the middle voxel of each cell.
    """
    depth, ny, nx = hu.shape
    fz, fy, fx = factors
    low, high = between
    flags = np.zeros(words.shape[2] * WORD, np.uint8)
    bytes_ = flags.view(np.uint64)
    line = np.empty(nx, np.uint8)
    for layer in range(first, last):
        bottom, top = layer * fz, min(layer * fz + fz, depth)
        for row in range(air.shape[1]):
            front, back = row * fy, min(row * fy + fy, ny)
            line[:] = 0
            for z in range(bottom, top):
                for y in range(front, back):
                    for x in range(nx):
                        flags[x] = (hu[z, y, x] > low) & (hu[z, y, x] < high)
                    for x in range(nx):
                        line[x] += flags[x]
                    for w in range(words.shape[2]):
                        word = np.uint64(0)
                        for part in range(8):
                            bits = bytes_[8 * w + part] * PACKING >> np.uint64(56)
                            word |= bits << np.uint64(8 * part)
                        words[z, y, w] = word
            z, y = min(bottom + fz // 2, depth - 1), min(front + fy // 2, ny - 1)
            for cell in range(air.shape[2]):
                left, right = cell * fx, min(cell * fx + fx, nx)
                count = 0
                for x in range(left, right):
                    count += line[x]
                voxels = (top - bottom) * (back - front) * (right - left)
                air[layer, row, cell] = count >= share * voxels
                middle[layer, row, cell] = hu[z, y, min(left + fx // 2, nx - 1)]


@numba.njit(nogil=True, cache=True)
def block_means(
    hu: Levels, factors: tuple[int, int, int], first: int, last: int, means: Levels
) -> None:
    """Mean of each block of so many voxels; layers of blocks from first to last.

    Parameters
    ----------
    hu : (z, y, x) int16
    factors : (z, y, x)
    means : (blocks z, y, x) int16
        Filled here; those at the ends may be cut.
    """
    depth, ny, nx = hu.shape
    fz, fy, fx = factors
    line = np.empty(nx, np.int32)
    for layer in range(first, last):
        bottom, top = layer * fz, min(layer * fz + fz, depth)
        for row in range(means.shape[1]):
            front, back = row * fy, min(row * fy + fy, ny)
            line[:] = 0
            for z in range(bottom, top):
                for y in range(front, back):
                    for x in range(nx):
                        line[x] += hu[z, y, x]
            for block in range(means.shape[2]):
                left, right = block * fx, min(block * fx + fx, nx)
                total = 0
                for x in range(left, right):
                    total += line[x]
                voxels = (top - bottom) * (back - front) * (right - left)
                means[layer, row, block] = total // voxels


@numba.njit(nogil=True, cache=True)
def draw_layers(
    masks: tuple[Words, Words, Words], first: int, last: int, labels: NDArray[np.uint8]
) -> None:
    """Write labels 1, 2 and 3 where the three packed masks are set, 0 elsewhere.

    Parameters
    ----------
    masks : three (z, y, w) uint64
        Without a voxel in common.
    first, last : int
        Slices to write.
    labels : (z, y, x) uint8
    """
    one = np.uint64(1)
    for z in range(first, last):
        for y in range(labels.shape[1]):
            for w in range(masks[0].shape[2]):
                a, b, c = masks[0][z, y, w], masks[1][z, y, w], masks[2][z, y, w]
                low, high = a | c, b | c
                row = labels[z, y, w * WORD : min(w * WORD + WORD, labels.shape[2])]
                if low | high:
                    for bit in range(len(row)):
                        shift = np.uint64(bit)
                        row[bit] = (low >> shift & one) | (high >> shift & one) << one
                else:
                    row[:] = 0
