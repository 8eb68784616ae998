"""Lungs from a CT by threshold and morphology: left, right and airways, without any download.

What is connected to what is decided on a coarse grid of cells that are almost all air, so that
thin walls stay closed; where each lung ends is decided on the voxels themselves.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import surrounded_by_body
from napari_vaemed.segmentation.airways import find_trachea, grow_airways
from napari_vaemed.segmentation.morphology import WORD, Box, PackedMask, close, grow_apart, spread
from napari_vaemed.segmentation.sides import right_and_left

LUNG_HU = -400
"""Below: air or aerated lung."""

PADDING_HU = -1500
"""Below: not measured, whatever the header says (-2000, -2048, -3024 are in use)."""

CELL_MM = 2.2
CELL_AIR = 0.85
"""Share of a cell's voxels that must be air; less and thin walls would open."""

PARENCHYMA_HU = (-955.0, -450.0)
"""Median of an aerated lung; gas in stomach or bowel is darker."""

EMPHYSEMA_HU, WHOLE_LUNG_ML = -985.0, 500.0
"""A piece as large as a lung may be as dark as this."""

SMALLEST_ML, SMALLEST_ML_PER_MM = 30.0, 0.8
"""A smaller piece is not taken for lung; in a thin slab the second counts."""

LARGEST_FILLED_ML = 150.0
REJOIN_MM = 10.0
CLOSING_MM = 8.0
"""Radius of the ball that cannot enter: vessels and nodules at the wall narrower than twice
this come back into the lung."""


class NoLungs(ValueError):
    """There is nothing in the volume that looks like a lung."""


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


def segment_lungs(volume: Volume) -> Work[NDArray[np.uint8]]:
    """Find right lung, left lung and airways.

    Vessels and nodules belong to their lung; trachea and main bronchi do not.

    Parameters
    ----------
    volume : Volume
        Canonical, so that the right lung has the lower x.

    Returns
    -------
    (z, y, x) uint8
        0 outside, 1 right lung, 2 left lung, 3 airways (see `data.labels`).

    Raises
    ------
    NoLungs
        When no lung is seen: another part of the body, not a CT, or not in Hounsfield units.
    """
    yield Progress("Looking for air in the body", 0, 5)
    air, cells = _survey(volume)
    inside = surrounded_by_body(cells.hu, cells.spacing)
    yield Progress("Following the airways", 1, 5)
    airways = _airways(volume, air, cells, inside)
    yield Progress("Finding the lungs", 2, 5)
    tubes = _to_cells(airways, cells.factors)
    try:
        pieces, elsewhere = _lung_pieces(cells, inside, tubes)
    except NoLungs:
        beside = surrounded_by_body(cells.hu, cells.spacing, cut_by_view=True)
        pieces, elsewhere = _lung_pieces(cells, beside, tubes)
    right, left = right_and_left(pieces, cells.hu, cells.spacing, _scanner_middle(volume, cells))
    yield Progress("Drawing the lungs' edges", 3, 5)
    box = _around(right | left, cells, volume.shape, CLOSING_MM + REJOIN_MM)
    right_air, left_air, rest = _aerated(cells, (right, left, elsewhere), air, airways, box)
    both = grow_apart(right_air, left_air, rest, round(REJOIN_MM / min(volume.spacing)))
    yield Progress("Taking in vessels and nodules", 4, 5)
    with ThreadPoolExecutor(2) as pool:
        solid = list(pool.map(lambda side: _solid(side, cells, volume.spacing), both))
    return _labels(both, solid, airways, box)


def lung_ml(labels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> dict[str, float]:
    """Volume of each lung in ml: keys ``left`` and ``right``.

    Parameters
    ----------
    labels : (z, y, x) uint8
        As `segment_lungs` gives them.
    spacing : (z, y, x) mm
    """
    voxel_ml = float(np.prod(spacing)) / 1000
    counts = np.bincount(labels.ravel(), minlength=3)
    return {
        "left": float(counts[LEFT_LUNG] * voxel_ml),
        "right": float(counts[RIGHT_LUNG] * voxel_ml),
    }


def _survey(volume: Volume) -> tuple[PackedMask, Cells]:
    """Air voxel by voxel (packed) and on the grid of cells, a few slices at a time."""
    fz, fy, fx = factors = _cell_factors(volume)
    shape = tuple(-(-n // f) for n, f in zip(volume.shape, factors, strict=True))
    share = np.zeros(shape, np.uint8)
    packed = np.zeros((*volume.shape[:2], -(-volume.shape[2] // 64)), np.uint64)
    for z in range(0, volume.shape[0], fz):
        slab = volume.hu[z : z + fz]
        air = (slab < LUNG_HU) & (slab > PADDING_HU)
        packed[z : z + fz] = PackedMask.of(air).words
        share[z // fz] = _air_in_cells(air, fy, fx)
    voxels = np.multiply.outer(
        np.multiply.outer(*(_cell_lengths(volume.shape[a], factors[a]) for a in (0, 1))),
        _cell_lengths(volume.shape[2], fx),
    )
    middle = volume.hu[min(fz // 2, volume.shape[0] - 1) :: fz, fy // 2 :: fy, fx // 2 :: fx]
    hu = np.pad(middle, [(0, s - n) for s, n in zip(shape, middle.shape, strict=True)], "edge")
    spacing = tuple(s * f for s, f in zip(volume.spacing, factors, strict=True))
    beyond = _beyond_view(hu, volume)
    return PackedMask(packed, volume.shape[2]), Cells(
        hu,
        (share >= CELL_AIR * voxels) & ~beyond,
        beyond,
        factors,
        (spacing[0], spacing[1], spacing[2]),
    )


def _beyond_view(hu: NDArray[np.int16], volume: Volume) -> NDArray[np.bool_]:
    """Cells of a padding as high as air, known by lying at the edge and never varying."""
    floor = int(hu.min()) if volume.padding is None else volume.padding
    if floor <= PADDING_HU or floor > LUNG_HU:
        return np.zeros(hu.shape, bool)
    flat = ndimage.binary_opening(hu <= floor, ndimage.generate_binary_structure(3, 1))
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


def _cell_lengths(n: int, factor: int) -> NDArray[np.intp]:
    return np.diff(np.append(np.arange(0, n, factor), n))


def _airways(
    volume: Volume, air: PackedMask, cells: Cells, inside: NDArray[np.bool_]
) -> PackedMask:
    found = PackedMask(
        np.zeros((*volume.shape[:2], -(-volume.shape[2] // 64)), np.uint64), volume.shape[2]
    )
    trachea = find_trachea(cells.hu, cells.spacing, inside)
    if trachea is None:
        return found
    box, tree = grow_airways(volume.hu, volume.spacing, trachea)
    z, y, x = box
    strip = np.zeros((*tree.shape[:2], volume.shape[2]), bool)
    strip[..., x] = tree
    found.words[z, y] = PackedMask.of(strip).words
    return spread(found, air, 2)


def _to_cells(mask: PackedMask, factors: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Cells that hold any voxel of the mask."""
    fz, fy, fx = factors
    words = np.bitwise_or.reduceat(mask.words, np.arange(0, mask.words.shape[0], fz), axis=0)
    words = np.bitwise_or.reduceat(words, np.arange(0, mask.words.shape[1], fy), axis=1)
    lines = PackedMask(words, mask.width).unpack()
    return np.logical_or.reduceat(lines, np.arange(0, mask.width, fx), axis=2)


def _lung_pieces(
    cells: Cells, inside: NDArray[np.bool_], airways: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Connected pieces of lung, numbered, and all cells that cannot be lung."""
    cross = ndimage.generate_binary_structure(3, 1)
    wall = ndimage.binary_dilation(airways, cross)
    pieces, count = ndimage.label(cells.air & ~wall)
    ml = np.bincount(pieces.ravel(), minlength=count + 1) * cells.ml
    n = np.maximum(ml / cells.ml, 1)
    enclosed = np.bincount(pieces[inside], minlength=count + 1) / n
    smallest = min(SMALLEST_ML, SMALLEST_ML_PER_MM * cells.hu.shape[0] * cells.spacing[0])
    large = np.flatnonzero(ml > smallest)[1:]
    medians = {int(i): float(np.median(cells.hu[pieces == i])) for i in large if enclosed[i] > 0.6}
    lungs = [i for i, median in medians.items() if _is_parenchyma(median, float(ml[i]))]
    if not lungs:
        raise NoLungs(_nothing_found(smallest, float(ml[list(medians)].sum())))
    lung = np.isin(np.arange(count + 1), lungs)
    return np.where(lung[pieces], pieces, 0), cells.beyond | ((pieces > 0) & ~lung[pieces])


def _scanner_middle(volume: Volume, cells: Cells) -> float | None:
    """Column of cells where the patient's x is 0 mm; None when the volume has no position."""
    if not any(volume.origin):
        return None
    middle = np.array(volume.shape) / 2
    step = volume.direction[0, 0] * volume.spacing[2]
    if abs(step) < 1e-6:
        return None
    return float(middle[2] - volume.to_world(middle)[0] / step) / cells.factors[2]


def _is_parenchyma(median_hu: float, ml: float) -> bool:
    darkest, densest = PARENCHYMA_HU
    return (EMPHYSEMA_HU if ml > WHOLE_LUNG_ML else darkest) < median_hu < densest


def _around(
    mask: NDArray[np.bool_], cells: Cells, shape: tuple[int, int, int], margin_mm: float
) -> Box:
    """The mask's box with a margin, in voxels; along x in whole words."""
    (found,) = ndimage.find_objects(mask.view(np.uint8))
    box = []
    for axis in range(3):
        margin = int(np.ceil(margin_mm / cells.spacing[axis]))
        start = max(found[axis].start - margin, 0) * cells.factors[axis]
        stop = min((found[axis].stop + margin) * cells.factors[axis], shape[axis])
        box.append(slice(start, stop))
    z, y, x = box
    return z, y, slice(x.start // WORD * WORD, min(-(-x.stop // WORD) * WORD, shape[2]))


def _aerated(
    cells: Cells,
    kinds: tuple[NDArray[np.bool_], ...],
    air: PackedMask,
    airways: PackedMask,
    box: Box,
) -> list[PackedMask]:
    """Right lung, left lung, and all air that may be lung, voxel by voxel within the box."""
    z, y, x = box
    fz, fy, _ = cells.factors
    rows = (slice(z.start // fz, -(-z.stop // fz)), slice(y.start // fy, -(-y.stop // fy)))
    shape = (z.stop - z.start, y.stop - y.start, air.width)
    right, left, elsewhere = (
        PackedMask.of(cells.to_voxels(kind[rows], shape)).crop((slice(None), slice(None), x))
        for kind in kinds
    )
    here, tubes = air.crop(box), airways.crop(box)
    return [right & here, left & here, here.without(elsewhere).without(tubes)]


def _solid(side: PackedMask, cells: Cells, spacing: tuple[float, float, float]) -> PackedMask:
    """One lung with its vessels and nodules: closed, and what is then walled in filled."""
    box = side.bounds(CLOSING_MM, spacing)
    closed = close(side.crop(box), CLOSING_MM, spacing)
    rest, count = ndimage.label(~_to_cells(closed, cells.factors))
    ml = np.bincount(rest.ravel(), minlength=count + 1) * cells.ml
    hole = ml < LARGEST_FILLED_ML
    hole[0] = False
    for axis in range(3):
        hole[np.take(rest, (0, -1), axis=axis)] = False
    if hole.any():
        shape = (closed.words.shape[0], closed.words.shape[1], closed.width)
        core = PackedMask.of(cells.to_voxels(hole[rest], shape))
        closed |= spread(core, ~closed, 2 * max(cells.factors))
    return closed.placed(box, side)


def _labels(
    aerated: tuple[PackedMask, PackedMask], solid: list[PackedMask], airways: PackedMask, box: Box
) -> NDArray[np.uint8]:
    tubes = airways.crop(box)
    right = solid[0].without(aerated[1]).without(tubes)
    left = solid[1].without(right).without(tubes)
    labels = airways.unpack().view(np.uint8) * np.uint8(AIRWAYS)
    labels[box] += right.unpack().view(np.uint8) * np.uint8(RIGHT_LUNG)
    labels[box] += left.unpack().view(np.uint8) * np.uint8(LEFT_LUNG)
    return labels


def _nothing_found(smallest_ml: float, gas_ml: float) -> str:
    darkest, densest = PARENCHYMA_HU
    return (
        f"No lungs were found: looked for at least {smallest_ml:.0f} ml of air of {darkest:.0f} to "
        f"{densest:.0f} HU with tissue around it, and found {gas_ml:.0f} ml of gas but none of "
        "that density. Open a chest CT in Hounsfield units; if this is one, check its rescale "
        "slope and intercept and its orientation."
    )
