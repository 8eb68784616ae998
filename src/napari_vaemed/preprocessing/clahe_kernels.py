"""The loops of CLAHE: histograms of tiles, their grey curves, and curves laid onto a plane."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def find_places(
    hu: NDArray[np.int16], place_of: NDArray[np.uint16], out: NDArray[np.uint16]
) -> None:
    """Look up where among the levels in use each HU of a plane stands, by its bits."""
    for y in range(hu.shape[0]):
        values, places = hu[y], out[y]
        for x in range(values.size):
            places[x] = place_of[np.uint16(values[x])]


@njit(nogil=True, cache=True)
def count_places(
    places: NDArray[np.uint16],
    counted: NDArray[np.uint8],
    at_y: NDArray[np.intp],
    at_x: NDArray[np.intp],
    histogram: NDArray[np.uint32],
) -> None:
    """Add a plane (y, x) to the histograms (rows, columns, places) of its tiles.

    Parameters
    ----------
    places : (y, x)
        Those beyond the histogram are not counted.
    counted : (y, x) or empty
        Voxels that count; all when empty.
    at_y, at_x
        Indices that fill whole tiles, mirrored beyond the image.
    """
    rows, columns, n = histogram.shape
    side_y, side_x = at_y.size // rows, at_x.size // columns
    width, all_count = places.shape[1], counted.size == 0
    # Neighbours are often alike; each of four is counted by itself, so that none has to wait.
    one, two = np.zeros(n + 1, np.uint32), np.zeros(n + 1, np.uint32)
    three, four = np.zeros(n + 1, np.uint32), np.zeros(n + 1, np.uint32)
    picked = np.empty(side_x, np.uint16)
    for tile_y in range(rows):
        for tile_x in range(columns):
            one[:], two[:], three[:], four[:] = 0, 0, 0, 0
            start = tile_x * side_x
            for y in at_y[tile_y * side_y : (tile_y + 1) * side_y]:
                if all_count and start + side_x <= width:
                    line = places[y, start : start + side_x]
                else:
                    for i in range(side_x):
                        x = at_x[start + i]
                        picked[i] = places[y, x] if all_count or counted[y, x] != 0 else n
                    line = picked
                for i in range(0, side_x - 3, 4):
                    one[line[i]] += np.uint32(1)
                    two[line[i + 1]] += np.uint32(1)
                    three[line[i + 2]] += np.uint32(1)
                    four[line[i + 3]] += np.uint32(1)
                for i in range(side_x - side_x % 4, side_x):
                    one[line[i]] += np.uint32(1)
            histogram[tile_y, tile_x] += (one + two + three + four)[:n]


@njit(nogil=True, cache=True)
def make_curves(
    histogram: NDArray[np.uint32],
    used: NDArray[np.intp],
    levels: int,
    area: int,
    clip_share: float,
    fully: bool,
    steps: int,
    curves: NDArray[np.float32],
) -> None:
    """Turn histograms (tiles, places) into curves (tiles, places) from 0 to 1.

    Parameters
    ----------
    used : (places,)
        Which of the ``levels`` stands at each place, ascending; the others hold nothing, but take
        their part of what is spread.
    area : int
        Voxels of a tile. One that holds less than a quarter of them is completed with the
        histogram of all: few voxels make a wild curve, none at all make none.
    clip_share : float
        Largest share of a tile's voxels that a level may hold.
    fully : bool
        Spread what was cut until nothing exceeds the limit, as scikit-image; else once, as OpenCV.
    steps : int
        The curves' values are whole multiples of ``1 / steps``.
    """
    tiles, places = histogram.shape
    whole = np.zeros(places, np.int64)
    for tile in range(tiles):
        whole += histogram[tile]
    of_all = max(whole.sum(), 1)
    counts = np.empty(levels, np.int64)
    for tile in range(tiles):
        counts[:] = 0
        missing = area // 4 - np.int64(histogram[tile].sum())
        for k in range(places):
            counts[used[k]] = histogram[tile, k]
            if missing > 0:
                counts[used[k]] += int(np.rint(missing * (whole[k] / of_all)))
        total = counts.sum()
        if total == 0:
            counts[:] = 1
            total = levels
        limit = max(int(clip_share * total), 1)
        if fully:
            _spread_fully(counts, limit)
        else:
            _spread_once(counts, limit)
        reached, level = 0, 0
        for k in range(places):
            while level <= used[k]:
                reached += counts[level]
                level += 1
            if fully:
                step = np.floor(reached * (steps / total))
            else:
                step = float(np.rint(np.float32(reached) * np.float32(steps / total)))
            curves[tile, k] = min(step, float(steps)) / steps


@njit(nogil=True, cache=True)
def _spread_once(counts: NDArray[np.int64], limit: int) -> None:
    levels, excess = counts.size, 0
    for level in range(levels):
        excess += max(counts[level] - limit, 0)
        counts[level] = min(counts[level], limit)
    counts += excess // levels
    rest = excess % levels
    if rest > 0:
        step = max(levels // rest, 1)
        for level in range(0, rest * step, step):
            counts[level] += 1


@njit(nogil=True, cache=True)
def _spread_fully(counts: NDArray[np.int64], limit: int) -> None:
    levels, excess = counts.size, 0
    for level in range(levels):
        excess += max(counts[level] - limit, 0)
        counts[level] = min(counts[level], limit)
    share = excess // levels
    for level in range(levels):
        added = share if counts[level] < limit - share else 0
        if limit - share <= counts[level] + added < limit:
            added = limit - counts[level]
        counts[level] += added
        excess -= added
    before = excess + 1
    while 0 < excess < before:
        before = excess
        for first in range(levels):
            below = 0
            for level in range(levels):
                below += counts[level] < limit
            step = max(1, below // excess)
            for level in range(first, levels, step):
                if counts[level] < limit:
                    counts[level] += 1
                    excess -= 1
            if excess <= 0:
                break


@njit(nogil=True, cache=True, error_model="numpy")
def lay_curves(
    places: NDArray[np.uint16],
    layers: NDArray[np.float32],
    weight_z: float,
    before_y: NDArray[np.intp],
    weight_y: NDArray[np.float32],
    starts_x: NDArray[np.intp],
    weight_x: NDArray[np.float32],
    low: float,
    width: float,
    out: NDArray[np.int16],
) -> None:
    """Take each voxel of a plane (y, x) through the curves of the tiles around it.

    Parameters
    ----------
    places : (y, x)
        Where in a curve a voxel stands; one beyond it becomes ``low``.
    layers : (2, rows, columns, places)
        Curves of the tiles before and after the plane; ``weight_z`` is that of the latter.
    before_y, weight_y
        For each row the tile before it, or -1, and the weight of the one after.
    starts_x, weight_x
        Where the cells between two tiles begin and end, and for each column the weight of the
        tile after it.
    low, width : float
        The window in HU that curves from 0 to 1 are stretched to.
    """
    rows, columns, n = layers.shape[1:]
    bottom, stretch, after_z = np.float32(low), np.float32(width), np.float32(weight_z)
    line = np.full((columns, n + 1), bottom, np.float32)
    for y in range(places.shape[0]):
        first, second = max(before_y[y], 0), min(before_y[y] + 1, rows - 1)
        after_y = weight_y[y]
        for c in range(columns):
            mixed, one, two = line[c], layers[0, first, c], layers[0, second, c]
            if after_z == 0:
                for k in range(n):
                    mixed[k] = (one[k] + (two[k] - one[k]) * after_y) * stretch + bottom
            else:
                three, four = layers[1, first, c], layers[1, second, c]
                for k in range(n):
                    here = one[k] + (two[k] - one[k]) * after_y
                    there = three[k] + (four[k] - three[k]) * after_y
                    mixed[k] = (here + (there - here) * after_z) * stretch + bottom
        for c in range(columns + 1):
            left, right = line[max(c - 1, 0)], line[min(c, columns - 1)]
            start, stop = starts_x[c], starts_x[c + 1]
            here_x, made, after_x = places[y, start:stop], out[y, start:stop], weight_x[start:stop]
            for i in range(stop - start):
                k = here_x[i]
                shown = left[k] + (right[k] - left[k]) * after_x[i]
                made[i] = np.int16(np.floor(shown + np.float32(0.5)))
