"""A CT on a coarse grid, where the connected pieces of its air are cheap to find.

A cell counts as air only when almost all of its voxels do, so that thin walls stay closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.morphology import PackedMask

LUNG_HU = -400
"""Below: air or aerated lung."""

PADDING_HU = -1500
"""Below: not measured, whatever the header says (-2000, -2048, -3024 are in use)."""

CELL_MM = 2.2
CELL_AIR = 0.85
"""Share of a cell's voxels that must be air; less and thin walls would open."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The volume on its coarse grid.

    Parameters
    ----------
    hu : (z, y, x) int16
        The middle voxel of each cell.
    air : (z, y, x) bool
        Cells almost all of whose voxels are air.
    beyond : (z, y, x) bool
        Cells outside the field of view, where the padding's value could also be air's.
    factors : (z, y, x)
        Voxels in a cell.
    spacing : (z, y, x) mm
    """

    hu: NDArray[np.int16]
    air: NDArray[np.bool_]
    beyond: NDArray[np.bool_]
    factors: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def ml(self) -> float:
        """Volume of one cell."""
        return float(np.prod(self.spacing)) / 1000

    def to_voxels(self, cells: NDArray[np.bool_], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """A mask of cells as a mask of voxels."""
        for axis, factor in enumerate(self.factors):
            cells = np.repeat(cells, factor, axis=axis) if factor > 1 else cells
        return cells[: shape[0], : shape[1], : shape[2]]


def survey(volume: Volume) -> tuple[PackedMask, Cells]:
    """Air voxel by voxel (packed) and on the grid of cells, a few slices at a time."""
    fz, fy, fx = factors = _cell_factors(volume)
    shape = tuple(-(-n // f) for n, f in zip(volume.shape, factors, strict=True))
    share = np.zeros(shape, np.uint8)
    packed = np.zeros((*volume.shape[:2], -(-volume.shape[2] // 64)), np.uint64)
    for start in range(0, volume.shape[0], fz):
        slab = volume.hu[start : start + fz]
        air = (slab < LUNG_HU) & (slab > PADDING_HU)
        packed[start : start + fz] = PackedMask.of(air).words
        share[start // fz] = _air_in_cells(air, fy, fx)
    z, y, x = (_cell_lengths(n, f) for n, f in zip(volume.shape, factors, strict=True))
    enough = np.ceil(CELL_AIR * (z[:, None, None] * y[:, None] * x)).astype(np.uint8)
    middle = volume.hu[min(fz // 2, volume.shape[0] - 1) :: fz, fy // 2 :: fy, fx // 2 :: fx]
    hu = np.pad(middle, [(0, s - n) for s, n in zip(shape, middle.shape, strict=True)], "edge")
    spacing = tuple(s * f for s, f in zip(volume.spacing, factors, strict=True))
    beyond = _beyond_view(hu, volume)
    return PackedMask(packed, volume.shape[2]), Cells(
        hu,
        (share >= enough) & ~beyond,
        beyond,
        factors,
        (spacing[0], spacing[1], spacing[2]),
    )


def to_cells(mask: PackedMask, factors: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Cells that hold any voxel of the mask."""
    fz, fy, fx = factors
    words = np.bitwise_or.reduceat(mask.words, np.arange(0, mask.words.shape[0], fz), axis=0)
    words = np.bitwise_or.reduceat(words, np.arange(0, mask.words.shape[1], fy), axis=1)
    lines = PackedMask(words, mask.width).unpack()
    return np.logical_or.reduceat(lines, np.arange(0, mask.width, fx), axis=2)


def _beyond_view(hu: NDArray[np.int16], volume: Volume) -> NDArray[np.bool_]:
    """Cells of a padding as high as air, known by lying at the edge and never varying."""
    floor = int(hu.min()) if volume.padding is None else volume.padding
    if floor <= PADDING_HU or floor > LUNG_HU:
        return np.zeros(hu.shape, bool)
    flat = hu <= floor
    if not (flat[:, (0, -1)].any() or flat[..., (0, -1)].any()):
        return np.zeros(hu.shape, bool)
    flat = ndimage.binary_opening(flat, ndimage.generate_binary_structure(3, 1))
    pieces, count = ndimage.label(flat)
    at_edge = np.zeros(count + 1, bool)
    for axis in (1, 2):
        at_edge[np.take(pieces, (0, -1), axis=axis)] = True
    at_edge[0] = False
    return at_edge[pieces]


def _cell_factors(volume: Volume) -> tuple[int, int, int]:
    """Voxels to a cell along each axis, for cells of about `CELL_MM`."""
    z, y, x = (
        int(np.clip(round(CELL_MM / s), 1, min(6, n)))
        for s, n in zip(volume.spacing, volume.shape, strict=True)
    )
    return z, y, x


def _air_in_cells(air: NDArray[np.bool_], fy: int, fx: int) -> NDArray[np.uint8]:
    """Count the air voxels of one layer of cells."""
    flat = air.view(np.uint8).sum(axis=0, dtype=np.uint8)
    ny, nx = flat.shape
    rows = np.add.reduceat(flat, np.arange(0, ny, fy), axis=0, dtype=np.uint8)
    padded = np.zeros((rows.shape[0], -(-nx // fx) * fx), np.uint8)
    padded[:, :nx] = rows
    total = padded[:, ::fx].copy()
    for i in range(1, fx):
        total += padded[:, i::fx]
    return total


def _cell_lengths(n: int, factor: int) -> NDArray[np.float32]:
    """Voxels of each cell along one axis; the last may be cut."""
    return np.diff(np.append(np.arange(0, n, factor), n)).astype(np.float32)
