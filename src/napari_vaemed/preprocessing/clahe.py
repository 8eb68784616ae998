"""Contrast-limited adaptive histogram equalisation (CLAHE) of HU, by slices or in space."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import surrounded_by_body
from napari_vaemed.preprocessing.intensity import LEVELS, WINDOWS, lowest_measured, window_limits
from napari_vaemed.preprocessing.threads import working_threads

MOST_LEVELS = 1 << 16
CLIP_LIMIT = 2.56
TILE_MM = 45.0
FINE_STEPS = (1 << 14) - 1
"""Steps of a curve in space: those of scikit-image."""
NO_TILES = float("inf")
"""As the side of a tile: one for all."""
PLANES_AT_ONCE = 48
"""Between two reports; threads wait for each other there."""
Mask = NDArray[np.bool_] | NDArray[np.uint8]


@dataclass(frozen=True)
class Clahe:
    """How contrast is evened out.

    Each tile has its own histogram of the windowed HU. Its peaks are cut at ``clip_limit`` times
    the mean count and what was cut is spread over all levels; the running sum is the tile's grey
    curve, and between the centres of tiles curves are interpolated (Zuiderveld, Graphics Gems IV,
    1994). By slices this is OpenCV's ``createCLAHE``, in space scikit-image's
    ``equalize_adapthist`` before its final stretch.

    Parameters
    ----------
    window : (centre, width) HU
    clip_limit : float
        Contrast is raised at most so many times: the largest count of a level over the mean
        count, as OpenCV's ``clipLimit``. Above 1, which changes nothing, up to ``levels``, which
        limits nothing. scikit-image's share of a tile's voxels is ``clip_limit / levels``.
    tile_mm : float
        Side of a tile; `NO_TILES` for one histogram of the slice, or in space of the volume.
    three_d : bool
        Tiles are cubes; else squares in every axial slice.
    levels : int
        Of the histograms, 2 to 65536.
    equalise_first : bool
        Even the whole slice, or in space the whole volume, out before (HE + CLAHE).

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    window: tuple[float, float] = WINDOWS["lung"]
    clip_limit: float = CLIP_LIMIT
    tile_mm: float = TILE_MM
    three_d: bool = False
    levels: int = LEVELS
    equalise_first: bool = False

    def __post_init__(self) -> None:
        window_limits(*self.window)
        if not 2 <= self.levels <= MOST_LEVELS:
            raise ValueError(f"Levels range from 2 to {MOST_LEVELS}; got {self.levels}.")
        if not 1 < self.clip_limit <= self.levels:
            raise ValueError(
                "The clip limit says how many times contrast may be raised, above 1 and up to "
                f"the {self.levels} levels; got {self.clip_limit:g}. Usual values lie between "
                f"1.5 and 10. A share of a tile's voxels, as in scikit-image, is to be multiplied "
                f"by {self.levels}."
            )
        if not self.tile_mm > 0:
            raise ValueError(f"Tiles need a positive side in mm; got {self.tile_mm:g}.")

    @classmethod
    def equalisation(
        cls, window: tuple[float, float], *, three_d: bool = False, levels: int = LEVELS
    ) -> Clahe:
        """Plain histogram equalisation (HE): one tile and no limit."""
        return cls(window, float(levels), NO_TILES, three_d, levels)


def clahe(
    volume: Volume, how: Clahe | None = None, *, inside: Mask | Region | None = None
) -> Work[NDArray[np.int16]]:
    """Bring out local contrast within a HU window.

    Parameters
    ----------
    volume : Volume
    how : Clahe, optional
    inside : (z, y, x) bool or labels, or Region, optional
        Voxels to equalise; the rest stays as it is, clamped to the window. By default
        everything measured, with histograms of what lies inside the body only.

    Returns
    -------
    (z, y, x) int16
        HU within the window. Padding takes the window's lowest value.

    Raises
    ------
    ValueError
        If the mask has another shape.
    """
    planes = EqualisedPlanes(volume, how or Clahe(), Region.of(volume, inside))
    out = np.empty(volume.shape, np.int16)
    depth = len(out)
    with working_threads() as pool:
        yield from planes.prepare(pool)
        for start in range(0, depth, PLANES_AT_ONCE):
            yield Progress("Equalising contrast", start, depth)
            some = range(start, min(start + PLANES_AT_ONCE, depth))
            list(pool.map(planes.fill, some, (out[z] for z in some)))
    return out


@dataclass(frozen=True, eq=False)
class Region:
    """Which voxels are counted and which are changed, (z, y, x) uint8; all where empty."""

    counted: NDArray[np.uint8]
    kept: NDArray[np.uint8]

    @classmethod
    def of(cls, volume: Volume, inside: Mask | Region | None) -> Region:
        """Those of a mask; without one all are changed by histograms of the body."""
        if isinstance(inside, Region):
            return inside
        if inside is None:
            return cls(_bytes(surrounded_by_body(volume.hu, volume.spacing)), _ALL)
        if inside.shape != volume.shape:
            raise ValueError(
                f"The mask has shape {inside.shape} but the volume {volume.shape}; "
                "use a mask made on this volume."
            )
        return cls(_bytes(inside), _bytes(inside))

    @classmethod
    def everything(cls) -> Region:
        """All voxels, wherever they lie."""
        return cls(_ALL, _ALL)


_ALL = np.zeros((0, 0, 0), np.uint8)


class EqualisedPlanes:
    """Axial planes of a volume after CLAHE, each made when it is asked for.

    In space `prepare` has to have run.
    """

    def __init__(self, volume: Volume, how: Clahe, region: Region) -> None:
        self._hu, self._how = np.ascontiguousarray(volume.hu), how
        self._region = region
        self._low, self._width = window_limits(*how.window)
        lowest = lowest_measured(volume.padding)
        self._levels = _window_levels(self._low, self._width, how.levels, how.three_d, lowest)
        cut = _cut_space if how.three_d else _cut_slice
        self._tiles, self._whole = cut(volume, how.tile_mm), cut(volume, NO_TILES)
        self._curves: NDArray[np.float32] | None = None

    def prepare(self, pool: ThreadPoolExecutor) -> Work[None]:
        """Count the tiles of the whole volume, where its planes share them."""
        if not self._how.three_d:
            return
        depth, z = len(self._hu), self._tiles[0]
        if self._how.equalise_first:
            yield Progress("Counting", 0, z.tiles)
            starts = range(0, depth, PLANES_AT_ONCE)
            parts = [range(a, min(a + PLANES_AT_ONCE, depth)) for a in starts]
            counted = list(pool.map(lambda at: self._count(at, self._whole), parts))
            self._levels = self._equalised(self._levels, np.sum(counted, axis=0, dtype=np.uint32))
        layers = [z.at[start : start + z.side] for start in range(0, z.at.size, z.side)]
        counted = []
        for counts in pool.map(lambda at: self._count(at, self._tiles), layers):
            counted.append(counts)
            yield Progress("Counting", len(counted), z.tiles)
        self._curves = self._curves_of(self._levels, np.stack(counted))

    def fill(self, index: int, out: NDArray[np.int16]) -> None:
        """Write the plane of that index into ``out`` (y, x)."""
        from napari_vaemed.preprocessing.clahe_kernels import lay_curves

        *_, y, x = self._tiles
        levels, weight = self._levels, 0.0
        if not self._how.three_d:
            if self._how.equalise_first:
                levels = self._equalised(levels, self._count([index], self._whole))
            places = self._places(levels, index)
            counts = self._count([index], self._tiles, levels, places)
            layers = np.repeat(self._curves_of(levels, counts[None]), 2, axis=0)
        elif self._curves is not None:
            z, places = self._tiles[0], self._places(levels, index)
            before, weight = int(z.before[index]), float(z.weight[index])
            layers = self._curves[np.clip((before, before + 1), 0, z.tiles - 1)]
        else:
            raise RuntimeError("In space, planes can be made once `prepare` has run.")
        lay_curves(
            places, layers, weight, y.before, y.weight, x.starts, x.weight,
            self._low, self._width, out,
        )  # fmt: skip
        if self._region.kept.size:
            rest = (self._region.kept[index] == 0) & (places < levels.used.size)
            top = self._low + self._width
            np.copyto(out, np.clip(self._hu[index], self._low, top), where=rest, casting="unsafe")

    def _places(self, levels: _Levels, index: int) -> NDArray[np.uint16]:
        """Where among the levels in use each voxel (y, x) of a plane stands."""
        from napari_vaemed.preprocessing.clahe_kernels import find_places

        places = np.empty(self._hu.shape[1:], np.uint16)
        find_places(self._hu[index], levels.place_of, places)
        return places

    def _count(
        self,
        planes: Iterable[int],
        axes: tuple[_Axis, ...],
        levels: _Levels | None = None,
        places: NDArray[np.uint16] | None = None,
    ) -> NDArray[np.uint32]:
        """Histograms (rows, columns, places) of the tiles in some planes."""
        from napari_vaemed.preprocessing.clahe_kernels import count_places

        *_, y, x = axes
        levels = levels or self._levels
        counted = self._region.counted
        counts = np.zeros((y.tiles, x.tiles, levels.used.size), np.uint32)
        for index in planes:
            here = self._places(levels, index) if places is None else places
            only = counted[index] if counted.size else counted.reshape(0, 0)
            count_places(here, only, y.at, x.at, counts)
        return counts

    def _curves_of(self, levels: _Levels, counts: NDArray[np.uint32]) -> NDArray[np.float32]:
        """Curves (layers, rows, columns, places) of histograms of the same shape."""
        area = int(np.prod([axis.side for axis in self._tiles]))
        return self._make_curves(levels, counts, area, self._how.clip_limit / self._how.levels)

    def _equalised(self, levels: _Levels, counts: NDArray[np.uint32]) -> _Levels:
        """The levels after plain equalisation by one histogram."""
        curve = self._make_curves(levels, counts, 0, 1.0).ravel()
        return levels.become(np.rint(curve * (self._how.levels - 1)).astype(np.intp))

    def _make_curves(
        self, levels: _Levels, counts: NDArray[np.uint32], area: int, clip_share: float
    ) -> NDArray[np.float32]:
        from napari_vaemed.preprocessing.clahe_kernels import make_curves

        curves, how = np.empty(counts.shape, np.float32), self._how
        make_curves(
            counts.reshape(-1, counts.shape[-1]),
            levels.used,
            how.levels,
            area,
            clip_share,
            how.three_d,
            FINE_STEPS if how.three_d else how.levels - 1,
            curves.reshape(-1, counts.shape[-1]),
        )
        return curves


@dataclass(frozen=True, eq=False)
class _Levels:
    """The levels in use, and where among them every HU stands, by its bits.

    What was not measured stands behind the last.
    """

    place_of: NDArray[np.uint16]
    used: NDArray[np.intp]

    @classmethod
    def of(cls, level_of: NDArray[np.intp], measured: NDArray[np.bool_]) -> _Levels:
        """Those of a table of levels."""
        used, place = np.unique(level_of[measured], return_inverse=True)
        place_of = np.full(level_of.size, used.size, np.uint16)
        place_of[measured] = place
        return cls(place_of, used)

    def become(self, levels: NDArray[np.intp]) -> _Levels:
        """Those after the levels in use have become others, in the same order."""
        used, place = np.unique(levels, return_inverse=True)
        return _Levels(np.append(place, used.size).astype(np.uint16)[self.place_of], used)


@lru_cache(maxsize=4)
def _window_levels(low: float, width: float, levels: int, in_space: bool, lowest: int) -> _Levels:
    """Levels of a window: rounded as for OpenCV, or in space as scikit-image bins them."""
    hu = np.arange(MOST_LEVELS).astype(np.uint16).view(np.int16)
    shown = np.clip((hu - low) / width, 0, 1)
    if in_space:
        grey = np.rint(np.rint(shown * (MOST_LEVELS - 1)) * (FINE_STEPS / (MOST_LEVELS - 1)))
        level = grey // (1 + (FINE_STEPS + 1) // levels)
    else:
        level = np.rint(shown * (levels - 1))
    return _Levels.of(level.astype(np.intp), hu >= lowest)


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis cut into tiles, and between which two centres each voxel lies.

    Parameters
    ----------
    side, tiles : int
        Voxels of a tile, and how many tiles there are.
    at
        Indices that fill all tiles, mirrored at the far edge.
    before, weight
        For each voxel the tile whose centre comes before it, or -1, and the next one's weight.
    starts
        Where the cells between centres begin, and where the last one ends.
    """

    side: int
    tiles: int
    at: NDArray[np.intp]
    before: NDArray[np.intp]
    weight: NDArray[np.float32]
    starts: NDArray[np.intp]

    @classmethod
    def cut(cls, n: int, side: int, tiles: int, centre: float) -> _Axis:
        """Cut ``n`` voxels; ``centre`` is that of the first tile."""
        filled = np.arange(side * tiles)
        at = np.abs((filled + n - 1) % max(2 * n - 2, 1) - (n - 1)) if n > 1 else filled * 0
        place = (np.arange(n) - centre) / side
        before = np.floor(place).astype(np.intp)
        starts = np.searchsorted(before, np.arange(-1, tiles + 1)).astype(np.intp)
        return cls(side, tiles, at, before, (place - before).astype(np.float32), starts)


def _cut_slice(volume: Volume, tile_mm: float) -> tuple[_Axis, ...]:
    """Rows and columns in a whole number of tiles, of eight voxels or more, as OpenCV has them.

    Where a tile would end within a voxel on either axis, all grow by a part of one on both.
    """
    sizes = list(zip(volume.shape[1:], volume.spacing[1:], strict=True))
    tiles = [max(1, min(round(n * mm / tile_mm), n // 8)) for n, mm in sizes]
    more = any(n % count for (n, _), count in zip(sizes, tiles, strict=True))
    sides = [n // count + more for (n, _), count in zip(sizes, tiles, strict=True)]
    return tuple(
        _Axis.cut(n, side, count, side / 2)
        for (n, _), side, count in zip(sizes, sides, tiles, strict=True)
    )


def _cut_space(volume: Volume, tile_mm: float) -> tuple[_Axis, ...]:
    """All three axes in tiles of the side asked for, the last reaching beyond: scikit-image."""
    axes = []
    for n, mm in zip(volume.shape, volume.spacing, strict=True):
        side = n if tile_mm == NO_TILES else min(max(1, round(tile_mm / mm)), n)
        axes.append(_Axis.cut(n, side, -(-n // side), -(-side // 2)))
    return tuple(axes)


def _bytes(mask: Mask) -> NDArray[np.uint8]:
    return np.ascontiguousarray(mask).view(np.uint8)
