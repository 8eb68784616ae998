"""Lungs from a CT by threshold and morphology: left, right and airways, without any download.

What is connected to what is decided on a coarse grid of cells that are almost all air, so that
thin walls stay closed; where each lung ends is decided on the voxels themselves.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import surrounded_by_body
from napari_vaemed.segmentation.airways import find_trachea, grow_airways
from napari_vaemed.segmentation.cells import Cells, survey, to_cells
from napari_vaemed.segmentation.morphology import WORD, Box, PackedMask, close, grow_apart, spread
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

CLOSING_SLICE_MM = 1.25


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
    yield Progress("Looking for air in the body", 0, 5)
    air, cells = survey(volume)
    inside = surrounded_by_body(cells.hu, cells.spacing)
    yield Progress("Following the airways", 1, 5)
    airways = _airways(volume, air, cells, inside)
    yield Progress("Finding the lungs", 2, 5)
    tubes = to_cells(airways, cells.factors)
    right, left, elsewhere = _lung_cells(volume, cells, tubes)
    yield Progress("Drawing the lungs' edges", 3, 5)
    box = _around(right | left, cells, volume.shape, CLOSING_MM + REJOIN_MM)
    right_air, left_air, rest = _aerated(cells, (right, left, elsewhere), air, airways, box)
    both = grow_apart(right_air, left_air, rest, round(REJOIN_MM / min(volume.spacing[1:])))
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
    return {
        "left": float(np.count_nonzero(labels == LEFT_LUNG) * voxel_ml),
        "right": float(np.count_nonzero(labels == RIGHT_LUNG) * voxel_ml),
    }


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


def _lung_cells(
    volume: Volume, cells: Cells, tubes: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells of the right lung, of the left lung, and cells that cannot be lung.

    A lung that a small field of view has cut off from its chest wall is looked for only when
    there are not two with body all around.
    """
    found = []
    for cut_by_view in (False, True):
        inside = surrounded_by_body(cells.hu, cells.spacing, cut_by_view=cut_by_view)
        pieces, elsewhere = _lung_pieces(cells, inside, tubes)
        if pieces.any():
            middle = _scanner_middle(volume, cells)
            right, left = right_and_left(pieces, cells.hu, cells.spacing, middle)
            found.append((right, left, elsewhere))
            if right.any() and left.any():
                return found[-1]
    if not found:
        inside = surrounded_by_body(cells.hu, cells.spacing)
        gas = np.count_nonzero(cells.air & inside) * cells.ml
        raise NoLungs(_nothing_found(_smallest_ml(cells), gas))
    return found[0]


def _smallest_ml(cells: Cells) -> float:
    return min(SMALLEST_ML, SMALLEST_ML_PER_MM * cells.hu.shape[0] * cells.spacing[0])


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
    large = np.flatnonzero((ml > _smallest_ml(cells)) & (enclosed > 0.6))
    medians = {int(i): float(np.median(cells.hu[pieces == i])) for i in large if i}
    lungs = [i for i, median in medians.items() if _is_parenchyma(median, float(ml[i]))]
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
    aerated = side.crop(box)
    closed = aerated | _close_thin_slices(aerated, spacing)
    rest, count = ndimage.label(~to_cells(closed, cells.factors))
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


def _close_thin_slices(side: PackedMask, spacing: tuple[float, float, float]) -> PackedMask:
    """Close, several thin slices at a time: what the ball covers grows with their number."""
    together = max(1, round(CLOSING_SLICE_MM / spacing[0]))
    depth = side.words.shape[0]
    words = np.bitwise_and.reduceat(side.words, np.arange(0, depth, together), axis=0)
    thick = PackedMask(words, side.width)
    closed = close(thick, CLOSING_MM, (spacing[0] * together, spacing[1], spacing[2]))
    return PackedMask(np.repeat(closed.words, together, axis=0)[:depth], side.width)


def _labels(
    aerated: tuple[PackedMask, PackedMask], solid: list[PackedMask], airways: PackedMask, box: Box
) -> NDArray[np.uint8]:
    tubes = airways.crop(box)
    right = solid[0].without(aerated[1]).without(tubes)
    left = solid[1].without(right).without(tubes)
    labels = airways.unpack().view(np.uint8)
    labels *= np.uint8(AIRWAYS)
    for side, label in ((right, RIGHT_LUNG), (left, LEFT_LUNG)):
        part = side.unpack().view(np.uint8)
        part *= np.uint8(label)
        labels[box] |= part
    return labels


def _nothing_found(smallest_ml: float, gas_ml: float) -> str:
    darkest, densest = PARENCHYMA_HU
    return (
        f"No lungs were found: looked for at least {smallest_ml:.0f} ml of air of {darkest:.0f} to "
        f"{densest:.0f} HU with tissue around it, and found {gas_ml:.0f} ml of gas but none of "
        "that density. Open a chest CT in Hounsfield units; if this is one, check its rescale "
        "slope and intercept and its orientation."
    )
