"""How well two masks agree: overlap, surfaces, volumes, and where they differ most.

Overlap, surfaces and distances are SciPy's. Surfaces are the voxels that an erosion takes off,
counted one by one, as in `monai.metrics` with its defaults: the figures are the same, without the
seconds that importing torch takes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree, distance

from napari_vaemed.data.mask_check import LabelScores

Mask = NDArray[np.bool_]
Labels = NDArray[np.integer]
Spacing = tuple[float, float, float]

ROUNDING_MM = 1e-6


def score_labels(
    first: Labels, second: Labels, spacing: Spacing, labels: Sequence[int] | None = None
) -> tuple[LabelScores, ...]:
    """Compare two label maps label by label.

    Parameters
    ----------
    first, second : (z, y, x)
        On one grid.
    spacing : (z, y, x) mm
    labels : sequence of int, optional
        By default every label that either holds, 0 left out.

    Raises
    ------
    ValueError
        The maps have different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"The masks have shapes {first.shape} and {second.shape} (z, y, x); only masks on one "
            "grid can be compared. Resample one to the other first."
        )
    boxes = label_boxes(first, second)
    wanted = sorted(boxes) if labels is None else labels
    return tuple(_score(label, first, second, spacing, boxes.get(label)) for label in wanted)


def slice_dice(first: Mask, second: Mask) -> NDArray[np.float64]:
    """Dice (z,) of each axial slice of two masks; NaN where both are empty."""
    return np.array([_similar(distance.dice, a, b) for a, b in zip(first, second, strict=True)])


def pairwise_dice(masks: Sequence[Mask]) -> NDArray[np.float64]:
    """Dice (n, n) of every mask with every other; NaN between two empty ones.

    Parameters
    ----------
    masks : sequence of (z, y, x) bool
        Several readers' masks of one finding, on one grid.
    """
    flat = [mask.ravel() for mask in masks]
    table = np.eye(len(flat))
    for i in range(len(flat)):
        for j in range(i + 1):
            table[i, j] = table[j, i] = _similar(distance.dice, flat[i], flat[j])
    return table


def label_boxes(*maps: Labels) -> dict[int, tuple[slice, slice, slice]]:
    """The tight box around each label in any of the maps (z, y, x)."""
    boxes: dict[int, tuple[slice, slice, slice]] = {}
    for labels in maps:
        for label, box in enumerate(ndimage.find_objects(labels), 1):
            if box is not None:
                known = boxes.get(label, box)
                z, y, x = (
                    slice(min(a.start, b.start), max(a.stop, b.stop))
                    for a, b in zip(known, box, strict=True)
                )
                boxes[label] = z, y, x
    return boxes


def _score(
    label: int,
    first: Labels,
    second: Labels,
    spacing: Spacing,
    box: tuple[slice, slice, slice] | None,
) -> LabelScores:
    if box is None:
        nan = float("nan")
        return LabelScores(label, nan, nan, nan, nan, nan, 0.0, 0.0, None, nan, None, nan)
    one, other = first[box] == label, second[box] == label
    ml = float(np.prod(spacing)) / 1000
    sizes = float(np.count_nonzero(one)) * ml, float(np.count_nonzero(other)) * ml
    by_slice = slice_dice(one, other)
    differing = np.count_nonzero(one ^ other, axis=(1, 2))
    worst = int(np.lexsort((-differing, np.nan_to_num(by_slice, nan=2.0)))[0])
    near, far, farthest, where = _surfaces(one, other, spacing)
    return LabelScores(
        label=label,
        dice=_similar(distance.dice, one, other),
        iou=_similar(distance.jaccard, one, other),
        surface_dice_1mm=near[0],
        surface_dice_3mm=near[1],
        hausdorff95_mm=far,
        first_ml=sizes[0],
        second_ml=sizes[1],
        worst_slice=worst + box[0].start,
        worst_slice_dice=float(by_slice[worst]),
        farthest_slice=None if where is None else where + box[0].start,
        farthest_mm=farthest,
    )


def _similar(dissimilarity: object, one: Mask, other: Mask) -> float:
    """1 less SciPy's dissimilarity of two masks; NaN when both are empty."""
    if not one.any() and not other.any():
        return float("nan")
    return 1.0 - float(dissimilarity(one.ravel(), other.ravel()))  # type: ignore[operator]


def _surfaces(
    one: Mask, other: Mask, spacing: Spacing
) -> tuple[tuple[float, float], float, float, int | None]:
    """Surface Dice at 1 and 3 mm, Hausdorff 95 and the largest distance in mm, and its slice."""
    if not one.any() or not other.any():
        nan = float("nan")
        return (nan, nan), nan, nan, None
    ends = [np.argwhere(mask & ~ndimage.binary_erosion(mask)) for mask in (one, other)]
    points = [end * np.asarray(spacing) for end in ends]
    there = KDTree(points[1]).query(points[0])[0]
    back = KDTree(points[0]).query(points[1])[0]
    both = np.concatenate([there, back])
    near_1, near_3 = (float(np.mean(both <= mm + ROUNDING_MM)) for mm in (1.0, 3.0))
    hausdorff = max(float(np.percentile(way, 95)) for way in (there, back))
    farthest = int(both.argmax())
    z = int(np.concatenate(ends)[farthest, 0])
    return (near_1, near_3), hausdorff, float(both[farthest]), z
