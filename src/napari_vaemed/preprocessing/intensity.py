"""Hounsfield windows and contrast-limited adaptive histogram equalisation (CLAHE)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import surrounded_by_body

WINDOWS: dict[str, tuple[float, float]] = {
    "lung": (-600, 1500),
    "mediastinum": (40, 400),
    "bone": (400, 1800),
    "soft tissue": (50, 350),
    "pulmonary embolism": (100, 700),
    "wide": (0, 4000),
}
"""Centre and width in HU of the usual windows of a chest CT, in the order of use."""

LEVELS = 256
PADDING_HU, AIR_HU = -1500, -1100
"""Below the first: not measured, whatever the header says. Above the second may be air."""


def window(hu: NDArray[np.number], centre: float, width: float) -> NDArray[np.float32]:
    """Show a range of HU as 0 to 1, clamped.

    Parameters
    ----------
    hu : array of any shape
    centre, width : float
        Of the window, in HU; see `WINDOWS`.

    Returns
    -------
    float32 array of the same shape
        0 at ``centre - width / 2`` and below, 1 at ``centre + width / 2`` and above.

    Raises
    ------
    ValueError
        If the width is not positive.
    """
    low = _low_end(centre, width)
    shown = np.asarray(hu, np.float32) - np.float32(low)
    shown *= np.float32(1 / width)
    return np.clip(shown, 0, 1, out=shown)


def clahe(
    volume: Volume,
    *,
    window: tuple[float, float] = (-600, 1500),
    clip_limit: float = 0.01,
    tile_mm: float = 45.0,
    inside: NDArray[np.bool_] | NDArray[np.uint8] | None = None,
) -> Work[NDArray[np.int16]]:
    """Bring out local contrast, slice by slice, within a HU window.

    Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994) of the
    windowed slice in 256 levels: a histogram per tile, its peaks cut and spread evenly, its
    cumulative sum as the tile's grey curve, curves interpolated bilinearly between tile centres.
    Levels are given back in HU of the window, so the result can be shown beside the original.

    Parameters
    ----------
    volume : Volume
    window : (centre, width) HU
    clip_limit : float
        Largest share of a tile's voxels that one level may hold, above 1/256 (no change of
        contrast) up to 1 (no limit).
    tile_mm : float
        Side of a tile.
    inside : (z, y, x) bool or labels, optional
        Voxels to equalise; the rest stays as it is, clamped to the window. By default
        everything measured, with histograms of what lies inside the body only.

    Returns
    -------
    (z, y, x) int16
        HU within the window. Padding takes the window's lowest value.

    Raises
    ------
    ValueError
        If a parameter is out of range or the mask has another shape.
    """
    low = _low_end(*window)
    if not 1 / LEVELS < clip_limit <= 1:
        raise ValueError(
            f"The clip limit is a share of a tile's voxels above 1/{LEVELS} and at most 1; "
            f"got {clip_limit:g}. Usual values lie between 0.005 and 0.05."
        )
    if not tile_mm > 0:
        raise ValueError(f"Tiles need a positive side in mm; got {tile_mm:g}.")
    if inside is not None and inside.shape != volume.shape:
        raise ValueError(
            f"The mask has shape {inside.shape} but the volume {volume.shape}; "
            "use a mask made on this volume."
        )
    counted = surrounded_by_body(volume.hu, volume.spacing) if inside is None else inside
    tiles = Tiles.of(volume.shape[1:], volume.spacing[1:], tile_mm)
    curve = _grey_curve(low, window[1], volume.padding)
    to_hu = np.float32(window[1] / (LEVELS - 1))
    equalised = np.empty(volume.shape, np.int16)

    def equalise(z: int) -> None:
        level = np.take(curve, volume.hu[z].view(np.uint16))
        measured = volume.hu[z] > _padding(volume.padding)
        shown = _equalise_slice(level, measured & (counted[z] > 0), tiles, clip_limit)
        keep = measured if inside is None else measured & (inside[z] > 0)
        np.copyto(shown, level, where=~keep)
        shown *= to_hu
        shown += np.float32(low)
        equalised[z] = np.rint(shown, out=shown)

    depth = volume.shape[0]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, depth, 16):
            yield Progress("Equalising contrast", start, depth)
            list(pool.map(equalise, range(start, min(start + 16, depth))))
    return equalised


@dataclass(frozen=True, eq=False)
class Tiles:
    """A slice divided into tiles, and the four tiles each voxel lies between.

    Parameters
    ----------
    grid : (rows, columns)
        Number of tiles.
    rows, columns : int arrays
        The slice's indices, mirrored at the far edges to fill the last tiles.
    offset : (y, x) int, padded to whole tiles
        Where the histogram of the voxel's own tile begins.
    cell : (y, x) int
        Where the curves of the four tiles around the voxel begin.
    weight : (4, y, x) float32
        Their bilinear weights: upper left, upper right, lower left, lower right.
    """

    grid: tuple[int, int]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    offset: NDArray[np.intp]
    cell: NDArray[np.intp]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, shape: tuple[int, ...], spacing: tuple[float, ...], tile_mm: float) -> Tiles:
        """Divide a slice of this shape (y, x) and spacing (mm) evenly."""
        ny, nx = (
            max(1, min(round(n * s / tile_mm), n // 8)) for n, s in zip(shape, spacing, strict=True)
        )
        (rows, tile_y, cell_y, ty), (columns, tile_x, cell_x, tx) = (
            _along(n, count) for n, count in zip(shape, (ny, nx), strict=True)
        )
        weight = [np.multiply.outer(a, b) for a in (1 - ty, ty) for b in (1 - tx, tx)]
        return cls(
            (ny, nx),
            rows,
            columns,
            ((tile_y[:, None] * nx + tile_x) * LEVELS),
            ((cell_y[:, None] * (nx + 1) + cell_x) * LEVELS),
            np.stack(weight).astype(np.float32),
        )


def _along(
    n: int, tiles: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """One axis: mirrored indices, each one's tile; each voxel's cell between tiles, its weight."""
    side = -(-n // tiles)
    padded = np.arange(side * tiles)
    mirrored = np.abs((padded + n - 1) % max(2 * n - 2, 1) - (n - 1)) if n > 1 else padded * 0
    place = np.arange(n) / side - 0.5
    before = np.floor(place).astype(int)
    return mirrored, padded // side, before + 1, place - before


def _equalise_slice(
    level: NDArray[np.uint8], counted: NDArray[np.bool_], tiles: Tiles, clip_limit: float
) -> NDArray[np.float32]:
    """Levels (0 to 255, with fractions) of one equalised slice, (y, x)."""
    curves = _tile_curves(level, counted, tiles, clip_limit)
    ny, nx = tiles.grid
    row = np.clip(np.arange(ny + 1)[:, None] + (-1, 0), 0, ny - 1)
    column = np.clip(np.arange(nx + 1)[:, None] + (-1, 0), 0, nx - 1)
    index = tiles.cell + level
    shown = np.zeros(level.shape, np.float32)
    part = np.empty(level.shape, np.float32)
    for i, weight in enumerate(tiles.weight):
        corner = curves[row[:, i // 2]][:, column[:, i % 2]].reshape(-1)
        np.take(corner, index, out=part, mode="clip")
        part *= weight
        shown += part
    return shown


def _tile_curves(
    level: NDArray[np.uint8], counted: NDArray[np.bool_], tiles: Tiles, clip_limit: float
) -> NDArray[np.float32]:
    """The grey curve of each tile, (rows, columns, 256) whole levels."""
    if tiles.offset.shape != level.shape:
        level = level.take(tiles.rows, axis=0).take(tiles.columns, axis=1)
        counted = counted.take(tiles.rows, axis=0).take(tiles.columns, axis=1)
    n = tiles.grid[0] * tiles.grid[1]
    index = tiles.offset + level
    np.copyto(index, n * LEVELS, where=~counted)
    histogram = np.bincount(index.ravel(), minlength=n * LEVELS + 1)[:-1].reshape(n, LEVELS)
    area = tiles.offset.size // n
    return _curves(_fill_up(histogram, area), clip_limit).reshape(*tiles.grid, LEVELS)


def _fill_up(histogram: NDArray[np.intp], area: int) -> NDArray[np.intp]:
    """Complete tiles that hold little with the histogram of the whole slice.

    Few voxels make a wild curve; a tile without any would be undefined.
    """
    enough = area // 4
    total = histogram.sum(axis=1)
    whole = histogram.sum(axis=0)
    if not whole.any():
        return np.ones_like(histogram)
    missing = np.maximum(enough - total, 0)
    if not missing.any():
        return histogram
    return histogram + np.rint(missing[:, None] * (whole / whole.sum())).astype(np.intp)


def _curves(histogram: NDArray[np.intp], clip_limit: float) -> NDArray[np.float32]:
    """Cut peaks, spread what was cut evenly, accumulate: (n, 256) counts to levels 0 to 255."""
    total = histogram.sum(axis=1, keepdims=True)
    limit = np.maximum((clip_limit * total).astype(np.intp), 1)
    excess = np.maximum(histogram - limit, 0).sum(axis=1)
    cut = np.minimum(histogram, limit) + (excess // LEVELS)[:, None]
    for tile, rest in enumerate(excess % LEVELS):
        if rest:
            cut[tile, : rest * (LEVELS // rest) : LEVELS // rest] += 1
    return np.rint(np.cumsum(cut, axis=1) * ((LEVELS - 1) / total)).astype(np.float32)


def _grey_curve(low: float, width: float, padding: int | None) -> NDArray[np.uint8]:
    """Level of every int16 HU, to be indexed by its bits read as uint16."""
    hu = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.float64)
    shown = np.clip((hu - low) / width, 0, 1)
    shown[hu <= _padding(padding)] = 0
    return np.rint(shown * (LEVELS - 1)).astype(np.uint8)


def _padding(padding: int | None) -> int:
    """Where measured HU end; a padding as high as air itself says nothing of a voxel."""
    return PADDING_HU if padding is None or padding > AIR_HU else max(padding, PADDING_HU)


def _low_end(centre: float, width: float) -> float:
    if not width > 0:
        raise ValueError(f"A window needs a positive width in HU; got {width:g}.")
    return centre - width / 2
