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
from skimage.segmentation import watershed

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import surrounded_by_body
from napari_vaemed.segmentation.airways import find_trachea, grow_airways
from napari_vaemed.segmentation.morphology import WORD, Box, PackedMask, close, spread

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

SMALLEST_ML = 30.0
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
    factors : (z, y, x)
        Voxels in a cell.
    spacing : (z, y, x) mm
    """

    hu: NDArray[np.int16]
    air: NDArray[np.bool_]
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
    right, left, elsewhere = _lung_cells(cells, inside, _to_cells(airways, cells.factors))
    yield Progress("Drawing the lungs' edges", 3, 5)
    box = _around(right | left, cells, volume.shape, CLOSING_MM + REJOIN_MM)
    both = _aerated(cells, (right, left, elsewhere), air, airways, box)
    both = _grow_apart(both[:2], both[2], volume.spacing)
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
    return PackedMask(packed, volume.shape[2]), Cells(
        hu,
        share >= CELL_AIR * voxels,
        factors,
        (spacing[0], spacing[1], spacing[2]),
    )


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


def _lung_cells(
    cells: Cells, inside: NDArray[np.bool_], airways: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells of the right lung, of the left lung, and of air that is neither."""
    cross = ndimage.generate_binary_structure(3, 1)
    wall = ndimage.binary_dilation(airways, cross)
    pieces, count = ndimage.label(cells.air & ~wall)
    ml = np.bincount(pieces.ravel(), minlength=count + 1) * cells.ml
    n = np.maximum(ml / cells.ml, 1)
    enclosed = np.bincount(pieces[inside], minlength=count + 1) / n
    lung = (ml > SMALLEST_ML) & (enclosed > 0.6)
    lung[0] = False
    for number in np.flatnonzero(lung):
        median = np.median(cells.hu[pieces == number])
        darkest = EMPHYSEMA_HU if ml[number] > WHOLE_LUNG_ML else PARENCHYMA_HU[0]
        lung[number] = darkest < median < PARENCHYMA_HU[1]
    if not lung.any():
        gas = float(ml[1:][enclosed[1:] > 0.6].sum())
        raise NoLungs(_nothing_found("none of that density inside a body", gas))
    middle = np.nonzero(inside.any(axis=(0, 1)))[0].mean()
    elsewhere = (pieces > 0) & ~lung[pieces]
    right, left = _sides(cells, np.where(lung[pieces], pieces, 0), middle)
    return right, left, elsewhere


def _sides(
    cells: Cells, pieces: NDArray[np.int32], middle: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give each piece to a side; cut the ones that are both lungs at once."""
    right = np.zeros(pieces.shape, bool)
    left = np.zeros(pieces.shape, bool)
    for number in np.unique(pieces[pieces > 0]):
        piece = pieces == number
        columns = piece.sum(axis=(0, 1))
        on_right = columns[: round(middle)].sum() / columns.sum()
        if 0.2 < on_right < 0.8 and (cut := _cut_in_two(piece, cells, middle)) is not None:
            right |= cut[0]
            left |= cut[1]
        elif on_right > 0.5:
            right |= piece
        else:
            left |= piece
    return right, left


def _cut_in_two(
    piece: NDArray[np.bool_], cells: Cells, middle: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Cut where the two lungs touch: along the densest sheet between their cores.

    Cores are what is left of either side when the piece is eroded until it falls apart.
    """
    box = ndimage.find_objects(piece.view(np.uint8))[0]
    within = np.pad(piece[box], 1)
    depth = ndimage.distance_transform_edt(within, cells.spacing)
    hu = np.pad(cells.hu[box], 1, mode="edge")
    middle = middle - box[2].start + 1
    for radius in np.arange(1.0, 6.0) * max(cells.spacing[1:]):
        cores, count = ndimage.label(depth > radius)
        size = np.bincount(cores.ravel(), minlength=count + 1)
        x = ndimage.center_of_mass(cores > 0, cores, np.arange(1, count + 1))
        sides = [
            [i for i in range(1, count + 1) if (x[i - 1][2] < middle) == is_right]
            for is_right in (True, False)
        ]
        largest = [max(side, key=lambda i: size[i], default=0) for side in sides]
        if all(i and size[i] > 0.08 * within.sum() for i in largest):
            markers = np.isin(cores, largest[:1]) + 2 * np.isin(cores, largest[1:])
            cut = watershed(hu, markers.astype(np.int32), mask=within)
            halves = []
            for side in (1, 2):
                half = np.zeros(piece.shape, bool)
                half[box] = (cut == side)[1:-1, 1:-1, 1:-1]
                halves.append(half)
            return halves[0], halves[1]
    return None


def _grow_apart(
    sides: list[PackedMask], air: PackedMask, spacing: tuple[float, float, float]
) -> list[PackedMask]:
    """Grow both lungs into the air around them, a voxel at a time so that neither overruns."""
    right, left = sides
    for _ in range(round(REJOIN_MM / min(spacing))):
        wider = spread(right, air.without(left), 1)
        left_wider = spread(left, air.without(wider), 1)
        if wider.count() == right.count() and left_wider.count() == left.count():
            break
        right, left = wider, left_wider
    return [right, left]


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
    shape = (air.words.shape[0], air.words.shape[1], air.width)
    right, left, elsewhere = (PackedMask.of(cells.to_voxels(k, shape)[box]) for k in kinds)
    here, tubes = air.crop(box), airways.crop(box)
    return [right & here, left & here, here.without(elsewhere).without(tubes)]


def _solid(side: PackedMask, cells: Cells, spacing: tuple[float, float, float]) -> PackedMask:
    """One lung with its vessels and nodules: closed, and what is then walled in filled."""
    closed = close(side, CLOSING_MM, spacing)
    rest, count = ndimage.label(~_to_cells(closed, cells.factors))
    ml = np.bincount(rest.ravel(), minlength=count + 1) * cells.ml
    hole = ml < LARGEST_FILLED_ML
    hole[0] = False
    for axis in range(3):
        hole[np.take(rest, (0, -1), axis=axis)] = False
    if not hole.any():
        return closed
    shape = (closed.words.shape[0], closed.words.shape[1], closed.width)
    core = PackedMask.of(cells.to_voxels(hole[rest], shape))
    return closed | spread(core, ~closed, 2 * max(cells.factors))


def _labels(
    aerated: list[PackedMask], solid: list[PackedMask], airways: PackedMask, box: Box
) -> NDArray[np.uint8]:
    tubes = airways.crop(box)
    right = solid[0].without(aerated[1]).without(tubes)
    left = solid[1].without(right).without(tubes)
    labels = airways.unpack().view(np.uint8) * np.uint8(AIRWAYS)
    labels[box] += right.unpack().view(np.uint8) * np.uint8(RIGHT_LUNG)
    labels[box] += left.unpack().view(np.uint8) * np.uint8(LEFT_LUNG)
    return labels


def _nothing_found(why: str, gas_ml: float) -> str:
    return (
        f"No lungs were found: looked for at least {SMALLEST_ML:.0f} ml of air between "
        f"{PARENCHYMA_HU[0]:.0f} and {PARENCHYMA_HU[1]:.0f} HU surrounded by tissue, and found "
        f"{why} ({gas_ml:.0f} ml of gas in all). Open a chest CT in Hounsfield units; if this is "
        "one, check its rescale slope and intercept and its orientation."
    )
