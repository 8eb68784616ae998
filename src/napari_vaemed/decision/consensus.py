"""Several readers' masks of one finding into one: by majority, or weighing readers by STAPLE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
MOST_ROUNDS = 100
"""STAPLE's rounds of expectation and maximisation at most; it stops when nothing changes."""


@dataclass(frozen=True, eq=False)
class Staple:
    """What STAPLE found.

    Parameters
    ----------
    mask : (z, y, x) bool
        Where the finding is more likely than not.
    probability : (z, y, x) float32
    sensitivity, specificity : tuple of float
        Of each reader against the consensus, in their order.
    """

    mask: Mask
    probability: NDArray[np.float32]
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]


def majority(masks: Sequence[Mask]) -> Mask:
    """Where at least half of the readers marked, as ``2 · count ≥ n``.

    Parameters
    ----------
    masks : sequence of (z, y, x) bool

    Raises
    ------
    ValueError
        No masks, or of different shapes.
    """
    _check(masks, least=1)
    count = np.zeros(masks[0].shape, np.uint16)
    for mask in masks:
        count += mask
    marked: Mask = 2 * count >= len(masks)
    return marked


def staple(masks: Sequence[Mask]) -> Staple:
    """Weigh readers by how far they agree with what all of them make likely.

    Warfield, Zou and Wells 2004, as in SimpleITK. What no reader marked weighs as well; it is cut
    to the box around all marks with a voxel's margin, or the empty rest of a scan would make every
    reader look specific.

    Raises
    ------
    ValueError
        Fewer than two masks, different shapes, or nothing is marked.
    """
    import SimpleITK as sitk

    _check(masks, least=2)
    box = _box(np.logical_or.reduce(masks))
    images = [sitk.GetImageFromArray(mask[box].astype(np.uint8)) for mask in masks]
    weigh = sitk.STAPLEImageFilter()
    weigh.SetForegroundValue(1)
    weigh.SetMaximumIterations(MOST_ROUNDS)
    likely = sitk.GetArrayFromImage(weigh.Execute(images)).astype(np.float32)
    probability = np.zeros(masks[0].shape, np.float32)
    probability[box] = likely
    return Staple(
        probability > 0.5,
        probability,
        tuple(float(v) for v in weigh.GetSensitivity()),
        tuple(float(v) for v in weigh.GetSpecificity()),
    )


def _box(marked: Mask) -> tuple[slice, ...]:
    """Around all that is marked, a voxel wider on each side where there is room."""
    if not marked.any():
        raise ValueError("No reader has marked anything; there is no consensus to be found.")
    box = []
    for axis in range(marked.ndim):
        others = tuple(a for a in range(marked.ndim) if a != axis)
        line = np.flatnonzero(marked.any(axis=others))
        box.append(slice(max(int(line[0]) - 1, 0), int(line[-1]) + 2))
    return tuple(box)


def _check(masks: Sequence[Mask], least: int) -> None:
    if len(masks) < least:
        raise ValueError(f"A consensus needs at least {least} masks; got {len(masks)}.")
    shapes = sorted({mask.shape for mask in masks})
    if len(shapes) > 1:
        raise ValueError(
            f"The masks have different shapes, {', '.join(map(str, shapes))} (z, y, x). "
            "Resample them to one grid first."
        )
