"""Trachea and main bronchi, found as the darkest tube of the upper chest and grown from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.preprocessing.threads import in_slabs
from napari_vaemed.segmentation.morphology import (
    Box,
    Factors,
    PackedMask,
    Sizes,
    label,
    of_pieces,
    open_,
    reached,
)

TRACHEA_HU = -850
"""The lumen of a trachea lies below this, lung parenchyma seldom does over a whole disc."""

TRACHEA_AREA_MM2 = (40.0, 900.0)
OFF_CENTRE_MM = 50.0
SHORTEST_TRACHEA_MM = 20.0
REACH_MM = (75.0, 65.0)
"""How far bronchi are followed from the trachea, in x and in y."""

LARGEST_TREE = 2.5, 10.0
"""Times the trachea's volume, plus ml; more than this has leaked into the lung."""

GROWING_HU = (-960, -940, -920, -900, -880, -860, -830, -800, -770, -740, -700, -650)
GRID_MM = 1.3
"""Bronchi are followed on a grid of about this spacing."""

NARROWEST_MM = 5.0
"""Tubes thinner than this stay part of the lung they run in."""


@dataclass(frozen=True, eq=False)
class Trachea:
    """The lumen of the trachea on a coarse grid.

    Parameters
    ----------
    voxels : (n, 3) int
        Indices (z, y, x) inside the lumen.
    spacing : (z, y, x) mm
        Of the grid they index.
    """

    voxels: NDArray[np.intp]
    spacing: tuple[float, float, float]


def find_trachea(
    hu: NDArray[np.int16], spacing: tuple[float, float, float], inside: NDArray[np.bool_]
) -> Trachea | None:
    """Find the trachea: a round dark disc near the middle that persists over many slices.

    Parameters
    ----------
    hu : (z, y, x) int16
        A coarse canonical CT.
    spacing : (z, y, x) mm
    inside : (z, y, x) bool
        Voxels with body around them.

    Returns
    -------
    Trachea or None
        None when no tube of at least 20 mm is seen, as in a scan that begins below the carina.
    """
    columns = np.flatnonzero(inside.any(axis=(0, 1)))
    if not len(columns):
        return None
    middle = float(columns.mean())
    # two widths more, so that a piece of lung that is cut here is too long for a disc
    reach = (OFF_CENTRE_MM + 2 * TRACHEA_AREA_MM2[1] ** 0.5) / spacing[2]
    left_out = max(0, int(middle - reach))
    near = np.s_[..., left_out : int(middle + reach) + 1]
    discs, sizes = label((hu[near] < TRACHEA_HU) & inside[near], across=False)
    numbers, centres = _round_discs(discs, sizes, spacing, middle - left_out)
    track = _longest_track(centres, spacing)
    if len(track) * spacing[0] < SHORTEST_TRACHEA_MM:
        return None
    chosen = np.zeros(len(sizes), bool)
    chosen[numbers[track]] = True
    z, y, x = _where(of_pieces(discs, chosen))
    return Trachea(np.column_stack([z, y, x + left_out]), spacing)


def grow_airways(
    hu: NDArray[np.int16], spacing: tuple[float, float, float], trachea: Trachea
) -> tuple[tuple[slice, slice], PackedMask]:
    """Grow the tree from the trachea at the highest threshold that does not leak into the lung.

    Returns
    -------
    rows : two slices
        The slices and rows of the volume that the tree lies in.
    tree : PackedMask
        These whole rows: lumen of trachea and bronchi wider than 5 mm, but for the voxels at its
        wall.
    """
    fz, fy, fx = factors = _factors(spacing)
    grid = (spacing[0] * fz, spacing[1] * fy, spacing[2] * fx)
    z, y, x = box = _search_box(hu.shape, spacing, trachea, factors)
    part = _block_means(hu[box], factors)
    start = np.multiply([s.start for s in box], spacing)
    index = np.rint((trachea.voxels * trachea.spacing - start) / grid).astype(int)
    keep = np.all((index >= 0) & (index < part.shape), axis=1)
    seed = np.zeros(part.shape, bool)
    seed[tuple(index[keep].T)] = True
    tree = _wide_tubes(_before_the_leak(part, seed, float(np.prod(grid)) / 1000), seed, grid)
    rows = np.zeros((*tree.shape[:2], -(-hu.shape[2] // fx)), bool)
    rows[..., x.start // fx : x.start // fx + tree.shape[2]] = tree
    whole_rows = slice(0, z.stop - z.start), slice(0, y.stop - y.start), slice(0, hu.shape[2])
    return (z, y), PackedMask.of_blocks(rows, factors, whole_rows)


def _factors(spacing: tuple[float, float, float]) -> Factors:
    z, y, x = (max(1, round(GRID_MM / s)) for s in spacing)
    return z, y, x


def _block_means(hu: NDArray[np.int16], factors: Factors) -> NDArray[np.int16]:
    from napari_vaemed.segmentation.lung_kernels import block_means

    means = np.empty([-(-n // f) for n, f in zip(hu.shape, factors, strict=True)], np.int16)
    in_slabs(lambda first, last: block_means(hu, factors, first, last, means), len(means))
    return means


def _round_discs(
    discs: NDArray[np.int32],
    sizes: Sizes,
    spacing: tuple[float, float, float],
    middle: float,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Numbers of the discs a trachea could make, and their (slice, y mm, x mm, area mm²)."""
    area = sizes * spacing[1] * spacing[2]
    sized = (area > TRACHEA_AREA_MM2[0]) & (area < TRACHEA_AREA_MM2[1])
    z, y, x = _where(of_pieces(discs, sized))
    number = discs[z, y, x]
    size, n = np.maximum(sizes, 1), len(sizes)
    cy, cx = np.bincount(number, y, n) / size, np.bincount(number, x, n) / size
    vy = (np.bincount(number, (y - cy[number]) ** 2, n) / size + 1 / 12) * spacing[1] ** 2
    vx = (np.bincount(number, (x - cx[number]) ** 2, n) / size + 1 / 12) * spacing[2] ** 2
    across = np.bincount(number, (y - cy[number]) * (x - cx[number]), n) / size
    vxy = across * spacing[1] * spacing[2]
    spread = np.sqrt(((vy - vx) / 2) ** 2 + vxy**2)
    longer, shorter = (vy + vx) / 2 + spread, (vy + vx) / 2 - spread
    compact = area / (4 * np.pi * np.sqrt(np.maximum(longer * shorter, 1e-6)))
    fits = sized & (longer < 5 * shorter) & (compact > 0.75)
    fits &= np.abs(cx - middle) * spacing[2] < OFF_CENTRE_MM
    slices = np.zeros(n)
    slices[number] = z
    numbers = np.flatnonzero(fits)
    return numbers, np.stack([slices, cy * spacing[1], cx * spacing[2], area], axis=1)[numbers]


def _where(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], ...]:
    """As `numpy.nonzero`, but many times faster on a mask with little in it."""
    return np.unravel_index(np.flatnonzero(mask), mask.shape)


def _longest_track(discs: NDArray[np.float64], spacing: tuple[float, float, float]) -> list[int]:
    """Chain discs downward slice by slice; the longest chain is the trachea."""
    order = np.argsort(-discs[:, 0])
    best_before: dict[int, tuple[int, int]] = {}
    for i in order:
        slice_, y, x, area = discs[i]
        best = (1, -1)
        above = (discs[:, 0] > slice_) & (discs[:, 0] <= slice_ + 2)
        for j in np.flatnonzero(above).tolist():
            gap = discs[j, 0] - slice_
            near = np.hypot(discs[j, 1] - y, discs[j, 2] - x) < 3 + 1.2 * gap * spacing[0]
            alike = 0.5 < discs[j, 3] / area < 2
            if near and alike and best_before[j][0] + 1 > best[0]:
                best = (best_before[j][0] + 1, j)
        best_before[int(i)] = best
    if not best_before:
        return []
    track = [max(best_before, key=lambda i: best_before[i][0])]
    while (upper := best_before[track[-1]][1]) >= 0:
        track.append(upper)
    return track


def _search_box(
    shape: tuple[int, ...],
    spacing: tuple[float, float, float],
    trachea: Trachea,
    factors: Factors,
) -> Box:
    """Around the trachea, and as far below it as main bronchi go; it begins with a whole block."""
    low = trachea.voxels.min(axis=0) * trachea.spacing
    high = (trachea.voxels.max(axis=0) + 1) * trachea.spacing
    carina = low[0] if high[0] - low[0] > 40 else high[0] - 60
    reach_x, reach_y = REACH_MM
    low = np.array([carina - 70, low[1] - reach_y, low[2] - reach_x])
    high = np.array([high[0] + 60, high[1] + reach_y, high[2] + reach_x])
    start = np.maximum(low / spacing, 0).astype(int) // factors * factors
    stop = np.minimum(np.ceil(high / spacing), shape).astype(int)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return z, y, x


def _before_the_leak(
    hu: NDArray[np.int16], seed: NDArray[np.bool_], voxel_ml: float
) -> NDArray[np.bool_]:
    """The tree below the highest threshold at which it has not burst into parenchyma."""
    times, plus_ml = LARGEST_TREE
    limit = int(times * seed.sum() + plus_ml / voxel_ml)
    tree, low, high = seed, 0, len(GROWING_HU)
    while low < high:
        middle = (low + high) // 2
        grown = reached(hu < GROWING_HU[middle], seed, limit)
        if grown.sum() > limit:
            high = middle
        else:
            tree, low = grown, middle + 1
    return tree


def _wide_tubes(
    tree: NDArray[np.bool_], seed: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Without twigs, and in one piece with the trachea."""
    packed = PackedMask.of(tree)
    wide = open_(packed, NARROWEST_MM / 2, spacing)
    wide = PackedMask(wide.words & packed.words, packed.width) | PackedMask.of(seed & tree)
    return reached(wide.unpack(), seed & tree)
