"""Lungs from a CT by threshold and morphology: left, right and airways, without any download.

What is connected to what is decided on a coarse grid of cells that are almost all air, so that
thin walls stay closed; where each lung ends is decided on the voxels themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import surrounded_by_body
from napari_vaemed.preprocessing.threads import in_slabs
from napari_vaemed.segmentation.airways import find_trachea, grow_airways
from napari_vaemed.segmentation.cells import Cells, survey
from napari_vaemed.segmentation.morphology import (
    CROSS,
    WORD,
    Box,
    Factors,
    PackedMask,
    close,
    dilate,
    grow_apart,
    in_words,
    label,
    of_pieces,
    spread,
)
from napari_vaemed.segmentation.sides import right_and_left

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

CLOSING_STEP_MM = 1.25
DRAWN_SLICES = 8

Part = tuple[PackedMask, Box]
"""A mask within a box of the scan; outside of it there is nothing."""


class NoLungs(ValueError):
    """There is nothing in the volume that looks like a lung."""


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
    aerated, box, airways, factors = yield from _aerated_lungs(volume)
    yield Progress("Taking in vessels and nodules", 4, 5)
    solid = [_solid(side, factors, volume.spacing) for side in aerated]
    return _labels(aerated, solid, box, airways, volume.shape)


def lung_ml(labels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> dict[str, float]:
    """Volume of each lung in ml: keys ``left`` and ``right``.

    Parameters
    ----------
    labels : (z, y, x) uint8
        As `segment_lungs` gives them.
    spacing : (z, y, x) mm
    """
    voxel_ml = float(np.prod(spacing)) / 1000
    return {
        "left": float(np.count_nonzero(labels == LEFT_LUNG) * voxel_ml),
        "right": float(np.count_nonzero(labels == RIGHT_LUNG) * voxel_ml),
    }


def _aerated_lungs(
    volume: Volume,
) -> Work[tuple[tuple[PackedMask, PackedMask], Box, Part, Factors]]:
    """Air of the right and of the left lung in a box, the box, airways, and voxels in a cell."""
    kinds, box, airways, factors = yield from _air_by_kind(volume)
    both = grow_apart(*kinds, round(REJOIN_MM / min(volume.spacing[1:])))
    return both, box, airways, factors


def _air_by_kind(
    volume: Volume,
) -> Work[tuple[tuple[PackedMask, PackedMask, PackedMask], Box, Part, Factors]]:
    """Right lung, left lung and all air that may be lung in a box, the box, airways, factors.

    What only this needs, the cells and the scan's whole air, goes with it.
    """
    yield Progress("Looking for air in the body", 0, 5)
    air, cells = survey(volume)
    inside = surrounded_by_body(cells.hu, cells.spacing)
    yield Progress("Following the airways", 1, 5)
    airways, tubes = _taken_airways(volume, air, cells, inside)
    yield Progress("Finding the lungs", 2, 5)
    right, left, elsewhere = _lung_cells(volume, cells, inside, tubes)
    yield Progress("Drawing the lungs' edges", 3, 5)
    box = _around(right | left, cells, volume.shape, CLOSING_MM + REJOIN_MM)
    here = air.crop(box)
    both = [PackedMask.of_blocks(side, cells.factors, box) & here for side in (right, left)]
    rest = here.without(PackedMask.of_blocks(elsewhere, cells.factors, box))
    return (both[0], both[1], rest), box, airways, cells.factors


def _taken_airways(
    volume: Volume, air: PackedMask, cells: Cells, inside: NDArray[np.bool_]
) -> tuple[Part, NDArray[np.bool_]]:
    """The airways, which are taken out of the air, and the cells they touch."""
    trachea = find_trachea(cells.hu, cells.spacing, inside)
    grown = None if trachea is None else grow_airways(volume.hu, volume.spacing, trachea)
    whole = PackedMask(np.zeros_like(air.words), air.width)
    if grown is not None:
        (z, y), tree = grown
        near = PackedMask(air.words[z, y], air.width)
        whole.words[z, y] = spread(tree, near, 2).words
        near.words[:] &= ~whole.words[z, y]
    box = whole.bounds(0.0, volume.spacing)
    return (whole.crop(box), box), whole.in_blocks(cells.factors)


def _lung_cells(
    volume: Volume, cells: Cells, inside: NDArray[np.bool_], tubes: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells of the right lung, of the left lung, and cells that cannot be lung.

    A lung that a small field of view has cut off from its chest wall is looked for only when
    there are not two with body all around.
    """
    found = []
    for cut_by_view in (False, True):
        if cut_by_view:
            enclosed = surrounded_by_body(cells.hu, cells.spacing, cut_by_view=True)
        else:
            enclosed = inside
        pieces, elsewhere = _lung_pieces(cells, enclosed, tubes)
        if pieces.any():
            middle = _scanner_middle(volume, cells)
            right, left = right_and_left(pieces, cells.hu, cells.spacing, middle)
            found.append((right, left, elsewhere))
            if right.any() and left.any():
                return found[-1]
    if not found:
        gas = np.count_nonzero(cells.air & inside) * cells.ml
        raise NoLungs(_nothing_found(_smallest_ml(cells), gas))
    return found[0]


def _smallest_ml(cells: Cells) -> float:
    return min(SMALLEST_ML, SMALLEST_ML_PER_MM * cells.hu.shape[0] * cells.spacing[0])


def _lung_pieces(
    cells: Cells, inside: NDArray[np.bool_], airways: NDArray[np.bool_]
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Connected pieces of lung, numbered, and all cells that cannot be lung."""
    pieces, sizes = label(cells.air & ~dilate(PackedMask.of(airways), *CROSS).unpack())
    numbers = np.zeros(len(sizes), np.uint16)
    boxes = ndimage.find_objects(pieces)
    for i in np.flatnonzero(sizes * cells.ml > _smallest_ml(cells)):
        box = boxes[i - 1]
        piece = pieces[box] == i
        enclosed = np.count_nonzero(piece & inside[box]) > 0.6 * sizes[i]
        median = float(np.median(cells.hu[box][piece]))
        if enclosed and _is_parenchyma(median, sizes[i] * cells.ml):
            numbers[i] = numbers.max() + 1
    lungs = of_pieces(pieces, numbers)
    elsewhere = pieces > 0
    elsewhere &= lungs == 0
    elsewhere |= cells.beyond
    return lungs, elsewhere


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


def _solid(side: PackedMask, factors: Factors, spacing: tuple[float, float, float]) -> PackedMask:
    """One lung with its vessels and nodules: closed, and what is then walled in filled."""
    box = side.bounds(CLOSING_MM, spacing)
    closed = _closed(side.crop(box), spacing)
    rest, sizes = label(~closed.in_blocks(factors))
    ml = sizes * float(np.prod(spacing) * np.prod(factors)) / 1000
    hole = (sizes > 0) & (ml < LARGEST_FILLED_ML)
    for axis in range(3):
        hole[np.take(rest, (0, -1), axis=axis)] = False
    if hole.any():
        core = PackedMask.of_blocks(of_pieces(rest, hole), factors, closed.box)
        steps = 2 * max(factors)
        near = core.bounds(steps, (1.0, 1.0, 1.0))
        filled = spread(core.crop(near), ~closed.crop(near), steps)
        closed.words[in_words(near)] |= filled.words
    return closed.placed(box, side)


def _closed(side: PackedMask, spacing: tuple[float, float, float]) -> PackedMask:
    """Close, several thin slices and rows at a time: what the ball covers grows with both."""
    fz, fy = (max(1, round(CLOSING_STEP_MM / s)) for s in spacing[:2])
    depth, rows, _ = side.words.shape
    words = np.bitwise_and.reduceat(side.words, np.arange(0, depth, fz), axis=0)
    words = np.bitwise_and.reduceat(words, np.arange(0, rows, fy), axis=1)
    thick = PackedMask(words, side.width)
    closed = close(thick, CLOSING_MM, (spacing[0] * fz, spacing[1] * fy, spacing[2])).words
    words = np.repeat(np.repeat(closed, fy, axis=1)[:, :rows], fz, axis=0)[:depth]
    words |= side.words  # what ends within such a step stays
    return PackedMask(words, side.width)


def _labels(
    aerated: tuple[PackedMask, PackedMask],
    solid: list[PackedMask],
    box: Box,
    airways: Part,
    shape: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Label airways, then what is left of the right lung, then of the left, slab by slab.

    Air that grew to the left lung is not taken into the right one.
    """
    from napari_vaemed.segmentation.lung_kernels import draw_layers

    labels = np.empty(shape, np.uint8)

    def draw(first: int, last: int) -> None:
        for start in range(first, last, DRAWN_SLICES):
            here = slice(start, min(start + DRAWN_SLICES, last))
            tubes = _words_of(airways, here, shape)
            right, left, air = (
                _words_of((mask, box), here, shape) for mask in (*solid, aerated[1])
            )
            right &= ~(air | tubes)
            left &= ~(right | tubes)
            draw_layers((right, left, tubes), 0, len(tubes), labels[here])

    in_slabs(draw, shape[0])
    return labels


def _words_of(part: Part, slices: slice, shape: tuple[int, int, int]) -> NDArray[np.uint64]:
    """A part's whole rows of some of a scan's slices."""
    mask, (z, y, x) = part
    words = np.zeros((slices.stop - slices.start, shape[1], -(-shape[2] // WORD)), np.uint64)
    first, last = max(slices.start, z.start), min(slices.stop, z.stop)
    if first < last:
        here = slice(first - slices.start, last - slices.start)
        words[in_words((here, y, x))] = mask.words[first - z.start : last - z.start]
    return words


def _nothing_found(smallest_ml: float, gas_ml: float) -> str:
    darkest, densest = PARENCHYMA_HU
    return (
        f"No lungs were found: looked for at least {smallest_ml:.0f} ml of air of {darkest:.0f} to "
        f"{densest:.0f} HU with tissue around it, and found {gas_ml:.0f} ml of gas but none of "
        "that density. Open a chest CT in Hounsfield units; if this is one, check its rescale "
        "slope and intercept and its orientation."
    )
