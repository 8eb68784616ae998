"""Which lung is left and which is right, and where one ends when they touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.segmentation.morphology import PackedMask, erode, grow_apart, label

APART_MM = 40.0
"""Centres of two lungs lie at least this far apart from side to side."""

SMALLER_SHARE = 0.08
"""The smaller lung's share of both, at least; less is a piece of the other."""

OFF_CENTRE_MM = 25.0
DEEPEST_NECK_MM = 36.0
SOFT_TISSUE_HU = -100

Sides = tuple[NDArray[np.bool_], NDArray[np.bool_]]


def right_and_left(
    pieces: NDArray[np.integer],
    hu: NDArray[np.int16],
    spacing: tuple[float, float, float],
    scanner_middle: float | None = None,
) -> Sides:
    """Give every piece of lung to a side; cut the one that is both lungs at once.

    Parameters
    ----------
    pieces : (z, y, x) int
        Connected pieces of lung, numbered; 0 elsewhere. x grows to the patient's left.
    hu : (z, y, x) int16
    spacing : (z, y, x) mm
    scanner_middle : float, optional
        Column where the patient's x is 0 mm, where known. Patients lie near it: it tells which
        lung a crop of only one shows.

    Returns
    -------
    right, left : (z, y, x) bool
        One is empty when there is only one lung.
    """
    sizes = np.bincount(pieces[pieces > 0])[1:]
    parts = [pieces == i + 1 for i in np.argsort(-sizes)[: np.count_nonzero(sizes)]]
    if len(parts) == 1 or not _are_two_lungs(parts[0], parts[1], spacing[2]):
        parts[:1] = _cut_in_two(parts[0], spacing) or parts[:1]
    middle = _middle(parts, hu, spacing[2], scanner_middle)
    right, left = np.zeros(pieces.shape, bool), np.zeros(pieces.shape, bool)
    for part in parts:
        side = right if _centre_x(part) < middle else left
        side |= part
    return right, left


def _middle(
    parts: list[NDArray[np.bool_]],
    hu: NDArray[np.int16],
    spacing_x: float,
    scanner_middle: float | None,
) -> float:
    """The column between two lungs, or that side of a single one where the mediastinum is."""
    if len(parts) > 1 and _are_two_lungs(parts[0], parts[1], spacing_x):
        return (_centre_x(parts[0]) + _centre_x(parts[1])) / 2
    centre = _centre_x(parts[0])
    if scanner_middle is not None and abs(centre - scanner_middle) * spacing_x > OFF_CENTRE_MM:
        return scanner_middle
    (box,) = ndimage.find_objects(parts[0].view(np.uint8))
    tissue = (hu[box[0], box[1]] > SOFT_TISSUE_HU).sum(axis=(0, 1))
    at_lower_x, at_higher_x = tissue[: int(centre)].sum(), tissue[int(centre) :].sum()
    return np.inf if at_higher_x > at_lower_x else -np.inf


def _are_two_lungs(one: NDArray[np.bool_], other: NDArray[np.bool_], spacing_x: float) -> bool:
    apart = abs(_centre_x(one) - _centre_x(other)) * spacing_x
    total = np.count_nonzero(one) + np.count_nonzero(other)
    smaller = min(np.count_nonzero(one), np.count_nonzero(other))
    return bool(apart > APART_MM and smaller > SMALLER_SHARE * total)


def _centre_x(mask: NDArray[np.bool_]) -> float:
    return float((np.flatnonzero(mask) % mask.shape[2]).mean())


def _cut_in_two(
    piece: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> list[NDArray[np.bool_]] | None:
    """Wear the piece down until it falls into two lungs, then let them grow back and meet.

    They meet where they touched, since the narrowest place goes first. None if it does not fall
    apart, or not side by side: then it is one lung.
    """
    (box,) = ndimage.find_objects(piece.view(np.uint8))
    whole = PackedMask.of(piece[box])
    radius = max(spacing)
    while radius < DEEPEST_NECK_MM:
        cores, sizes = label(erode(whole, radius, spacing).unpack())
        radius *= 1.4
        if len(sizes) < 3:
            continue
        first, second = (cores == i for i in np.argsort(-sizes)[:2])
        enough = min(first.sum(), second.sum()) > SMALLER_SHARE * sizes.sum()
        if enough and _side_by_side(first, second, spacing):
            halves = [PackedMask.of(first), PackedMask.of(second)]
            grown = grow_apart(halves[0], halves[1], whole, sum(piece.shape))
            return [_placed(half.unpack(), box, piece.shape) for half in grown]
    return None


def _side_by_side(
    one: NDArray[np.bool_], other: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> bool:
    """Whether two masks lie farther apart in x than in z and y, and as far as lungs do."""
    centres = np.array([ndimage.center_of_mass(one), ndimage.center_of_mass(other)])
    z, y, x = np.abs(centres[0] - centres[1]) * spacing
    return bool(x > APART_MM and x > max(y, z))


def _placed(
    part: NDArray[np.bool_], box: tuple[slice, ...], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    whole = np.zeros(shape, bool)
    whole[box] = part
    return whole
