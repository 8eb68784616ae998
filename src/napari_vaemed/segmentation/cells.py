"""A CT on a coarse grid, where the connected pieces of its air are cheap to find.

A cell counts as air only when almost all of its voxels do, so that thin walls stay closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.threads import in_slabs
from napari_vaemed.segmentation.morphology import (
    CROSS,
    WORD,
    Factors,
    PackedMask,
    label,
    of_pieces,
    open_,
)

LUNG_HU = -400
"""Below: air or aerated lung."""

PADDING_HU = -1500
"""Below: not measured, whatever the header says (-2000, -2048, -3024 are in use)."""

CELL_MM = 2.2
CELL_AIR = 0.85
"""Share of a cell's voxels that must be air; less and thin walls would open."""

LARGEST_FACTOR = 6


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
    factors: Factors
    spacing: tuple[float, float, float]

    @property
    def ml(self) -> float:
        """Volume of one cell."""
        return float(np.prod(self.spacing)) / 1000


def survey(volume: Volume) -> tuple[PackedMask, Cells]:
    """Air voxel by voxel (packed) and on the grid of cells, in one pass over the volume."""
    from napari_vaemed.segmentation.lung_kernels import survey_layers

    factors = _cell_factors(volume)
    shape = tuple(-(-n // f) for n, f in zip(volume.shape, factors, strict=True))
    words = np.empty((*volume.shape[:2], -(-volume.shape[2] // WORD)), np.uint64)
    air, hu, between = np.empty(shape, bool), np.empty(shape, np.int16), (PADDING_HU, LUNG_HU)

    def look(first: int, last: int) -> None:
        survey_layers(volume.hu, between, factors, CELL_AIR, first, last, words, air, hu)

    in_slabs(look, shape[0])
    beyond = _beyond_view(hu, volume)
    z, y, x = (s * f for s, f in zip(volume.spacing, factors, strict=True))
    return PackedMask(words, volume.shape[2]), Cells(hu, air & ~beyond, beyond, factors, (z, y, x))


def _beyond_view(hu: NDArray[np.int16], volume: Volume) -> NDArray[np.bool_]:
    """Cells of a padding as high as air, known by lying at the edge and never varying."""
    floor = int(hu.min()) if volume.padding is None else volume.padding
    flat = hu <= floor
    at_edge = flat[:, (0, -1)].any() or flat[..., (0, -1)].any()
    if not PADDING_HU < floor <= LUNG_HU or not at_edge:
        return np.zeros(hu.shape, bool)
    flat = open_(PackedMask.of(flat), *CROSS).unpack()
    if not flat.any():
        return flat
    pieces, sizes = label(flat)
    outside = np.zeros(len(sizes), bool)
    for axis in (1, 2):
        outside[np.take(pieces, (0, -1), axis=axis)] = True
    outside[0] = False
    return of_pieces(pieces, outside)


def _cell_factors(volume: Volume) -> Factors:
    """Voxels to a cell along each axis, for cells of about `CELL_MM`."""
    z, y, x = (
        int(np.clip(round(CELL_MM / s), 1, min(LARGEST_FACTOR, n)))
        for s, n in zip(volume.spacing, volume.shape, strict=True)
    )
    return z, y, x
