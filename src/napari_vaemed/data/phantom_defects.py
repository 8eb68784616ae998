"""Masks of a phantom with one known defect each, to see whether it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data import mask_check
from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.mask_check import LUNGS, NODULES
from napari_vaemed.data.phantoms import Phantom
from napari_vaemed.data.volume import Volume

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
SIDES = (RIGHT_LUNG, LEFT_LUNG)


@dataclass(frozen=True)
class Defect:
    """One way for a mask to be wrong.

    Parameters
    ----------
    name : str
    of : str
        One of `data.mask_check.KINDS`.
    expected : str
        The flag that should find it.
    spoil : function
        The true labels to the spoilt ones; they may be changed in place.
    moved : function, optional
        The true grid to the one the mask claims to lie on.
    """

    name: str
    of: str
    expected: str
    spoil: Callable[[Labels, Phantom, np.random.Generator], Labels] = lambda labels, *_: labels
    moved: Callable[[Volume], Volume] | None = None


def true_mask(phantom: Phantom, of: str) -> Volume:
    """The phantom's own mask; its labels stand in ``hu``."""
    labels = phantom.lungs if of == LUNGS else phantom.nodules
    return replace(phantom.volume, hu=labels.astype(np.int16), padding=None, description="Labels")


def spoilt_mask(phantom: Phantom, defect: Defect, seed: int) -> Volume:
    """A mask with the defect planted at a random place; its labels stand in ``hu``."""
    truth = true_mask(phantom, defect.of)
    rng = np.random.default_rng(seed)
    labels = defect.spoil(truth.hu.astype(np.uint8), phantom, rng)
    spoilt = replace(truth, hu=labels.astype(np.int16))
    return spoilt if defect.moved is None else defect.moved(spoilt)


def _empty(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    return np.zeros_like(labels)


def _side_missing(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    labels[labels == rng.choice(SIDES)] = 0
    return labels


def _swapped(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    return np.array([0, LEFT_LUNG, RIGHT_LUNG, 3], np.uint8)[labels]


def _mirrored(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    return np.ascontiguousarray(labels[:, :, ::-1])


def _partly_swapped(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """The upper or the lower third of one lung bears the other's label."""
    side = int(rng.choice(SIDES))
    heights = np.flatnonzero((labels == side).any(axis=(1, 2)))
    for z in np.array_split(heights, 3)[rng.choice((0, 2))]:
        labels[z][labels[z] == side] = RIGHT_LUNG + LEFT_LUNG - side
    return labels


def _lung_hole(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """A ball of 8 mm radius missing, as where a nodule was left out."""
    labels[_ball(phantom, _deep(_lung(labels), phantom, 12.0, rng), 8.0)] = 0
    return labels


def _no_vessels(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    labels[phantom.vessels] = 0
    return labels


def _lung_leak(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """A tunnel of 20 mm through the chest wall, and the air before it, to the scan's edge."""
    side = int(rng.choice(SIDES))
    z, y, x = _deep(labels == side, phantom, 15.0, rng)
    reach = [max(1, round(10 / step)) for step in phantom.volume.spacing]
    outwards = slice(0, x) if side == RIGHT_LUNG else slice(x, None)
    tunnel = labels[z - reach[0] : z + reach[0] + 1, y - reach[1] : y + reach[1] + 1, outwards]
    tunnel[tunnel == 0] = side
    return labels


def _lung_island(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """A ball of 10 mm radius in soft tissue, as gas in the bowel makes."""
    place = _deep(_tissue(phantom), phantom, 14.0, rng)
    labels[_ball(phantom, place, 10.0)] = rng.choice(SIDES)
    return labels


def _lung_grown(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """Both lungs 25 mm too wide, into wall and mediastinum."""
    return _nearest_label(labels, phantom, 25.0)


def _lung_moved(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """The mask of another scan: 70 mm off."""
    return np.roll(labels, round(70 / phantom.volume.spacing[1]) * int(rng.choice((-1, 1))), 1)


def _lung_tops(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """Only the upper third of both lungs."""
    heights = np.flatnonzero(_lung(labels).any(axis=(1, 2)))
    labels[: np.array_split(heights, 3)[2][0]] = 0
    return labels


def _lung_body(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """The whole body, cut at its middle."""
    body = ndimage.binary_fill_holes(phantom.volume.hu > -250)
    middle = labels.shape[2] // 2
    labels[:] = 0
    labels[:, :, :middle][body[:, :, :middle]] = RIGHT_LUNG
    labels[:, :, middle:][body[:, :, middle:]] = LEFT_LUNG
    return labels


def _nodule_island(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """A piece of 4 mm radius, 25 mm away from the nodule it is counted to."""
    label, place = _one_nodule(phantom, rng)
    step = np.array((0, 0, 25 / phantom.volume.spacing[2]))
    labels[_ball(phantom, place + step, 4.0) & (labels == 0)] = label
    return labels


def _nodule_gap(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """A slice forgotten in the middle of a nodule."""
    label, place = _one_nodule(phantom, rng)
    plane = labels[round(place[0])]
    plane[plane == label] = 0
    return labels


def _nodule_outline(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """Only the outline was drawn on each slice."""
    label, _ = _one_nodule(phantom, rng)
    inside = ndimage.binary_erosion(labels == label, np.ones((1, 3, 3)))
    labels[inside] = 0
    return labels


def _nodule_in_tissue(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    labels[_ball(phantom, _deep(_tissue(phantom), phantom, 14.0, rng), 6.0)] = labels.max() + 1
    return labels


def _nodule_in_air(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """Clicked beside the nodule: a ball of air in the lung."""
    free = _lung(phantom.lungs) & (phantom.volume.hu < -800) & (labels == 0)
    labels[_ball(phantom, _anywhere(free, rng), 4.0) & free] = labels.max() + 1
    return labels


def _nodule_flood(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """Grown into all around it, 35 mm in radius."""
    label, place = _one_nodule(phantom, rng)
    labels[_ball(phantom, place, 35.0)] = label
    return labels


def _nodule_cut(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """Half a nodule on the lowest slice."""
    place = _deep(_tissue(phantom), phantom, 10.0, rng)
    place[0] = 0
    labels[_ball(phantom, place, 6.0)] = labels.max() + 1
    return labels


def _nodule_in_room(labels: Labels, phantom: Phantom, rng: np.random.Generator) -> Labels:
    """Beside the patient."""
    rows = labels.shape[1]
    place = (rng.integers(10, labels.shape[0] - 10), rows // 12, labels.shape[2] // 12)
    labels[_ball(phantom, place, 6.0)] = labels.max() + 1
    return labels


def _one_up(mask: Volume) -> Volume:
    """Its first slice is said to lie one higher."""
    x, y, z = mask.origin
    return replace(mask, origin=(x, y, z + mask.spacing[0]))


def _other_spacing(mask: Volume) -> Volume:
    """Saved without its spacing."""
    return replace(mask, spacing=(1.0, 1.0, 1.0))


def _slice_short(mask: Volume) -> Volume:
    """The last slice is missing."""
    return replace(mask, hu=mask.hu[:-1])


DEFECTS = (
    Defect("nothing marked", LUNGS, mask_check.EMPTY, _empty),
    Defect("one lung missing", LUNGS, mask_check.EMPTY, _side_missing),
    Defect("labels of the sides swapped", LUNGS, mask_check.SWAPPED, _swapped),
    Defect("mirrored", LUNGS, mask_check.SWAPPED, _mirrored),
    Defect("a third bears the other's label", LUNGS, mask_check.SWAPPED, _partly_swapped),
    Defect("ball missing inside", LUNGS, mask_check.HOLES, _lung_hole),
    Defect("vessels left out", LUNGS, mask_check.HOLES, _no_vessels),
    Defect("tunnel through the chest wall", LUNGS, mask_check.LEAK, _lung_leak),
    Defect("piece in soft tissue", LUNGS, mask_check.ISLANDS, _lung_island),
    Defect("25 mm too wide", LUNGS, mask_check.AIR, _lung_grown),
    Defect("another scan's mask", LUNGS, mask_check.LEAK, _lung_moved),
    Defect("upper third only", LUNGS, mask_check.VOLUME, _lung_tops),
    Defect("the whole body", LUNGS, mask_check.VOLUME, _lung_body),
    Defect("one slice too high", LUNGS, mask_check.WRONG_GRID, moved=_one_up),
    Defect("saved without spacing", LUNGS, mask_check.WRONG_GRID, moved=_other_spacing),
    Defect("nothing marked", NODULES, mask_check.EMPTY, _empty),
    Defect("piece 25 mm away", NODULES, mask_check.ISLANDS, _nodule_island),
    Defect("slice forgotten in the middle", NODULES, mask_check.ISLANDS, _nodule_gap),
    Defect("outline only", NODULES, mask_check.HOLES, _nodule_outline),
    Defect("in soft tissue", NODULES, mask_check.OUTSIDE_LUNGS, _nodule_in_tissue),
    Defect("in air beside the nodule", NODULES, mask_check.AIR, _nodule_in_air),
    Defect("flooded, 70 mm wide", NODULES, mask_check.SIZE, _nodule_flood),
    Defect("cut by the scan's edge", NODULES, mask_check.BORDER, _nodule_cut),
    Defect("beside the patient", NODULES, mask_check.LEAK, _nodule_in_room),
    Defect("a slice fewer", NODULES, mask_check.WRONG_GRID, moved=_slice_short),
)
"""Defects of every flag there is."""


def _lung(labels: Labels) -> Mask:
    mask: Mask = (labels == RIGHT_LUNG) | (labels == LEFT_LUNG)
    return mask


def _tissue(phantom: Phantom) -> Mask:
    """Soft tissue and nothing else, away from the outermost slices."""
    mask: Mask = (np.abs(phantom.volume.hu) < 150) & (phantom.lungs == 0)
    mask = ndimage.binary_closing(mask) & (phantom.lungs == 0)
    mask[:8] = mask[-8:] = False
    return mask


def _one_nodule(phantom: Phantom, rng: np.random.Generator) -> tuple[int, NDArray[np.float64]]:
    """Label and middle (z, y, x) of a compact nodule of 12 to 21 mm."""
    fit = [n for n in phantom.planted if 12 <= n.diameter_mm <= 21]
    nodule = fit[rng.integers(len(fit))]
    return nodule.label, phantom.volume.to_voxel(nodule.centre_mm)


def _ball(phantom: Phantom, place: object, radius_mm: float) -> Mask:
    """The voxels within a radius of a voxel (z, y, x)."""
    axes = np.ogrid[tuple(slice(n) for n in phantom.volume.shape)]
    steps = zip(axes, np.asarray(place, float), phantom.volume.spacing, strict=True)
    away: NDArray[np.float64] = sum(((axis - at) * mm) ** 2 for axis, at, mm in steps)
    return away <= radius_mm**2


def _deep(
    mask: Mask, phantom: Phantom, depth_mm: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """A random voxel at least so far inside a mask."""
    depth = ndimage.distance_transform_edt(mask, phantom.volume.spacing)
    return _anywhere(depth >= min(depth_mm, 0.9 * float(depth.max())), rng)


def _anywhere(mask: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    places = np.argwhere(mask)
    return places[rng.integers(len(places))]


def _nearest_label(labels: Labels, phantom: Phantom, reach_mm: float) -> Labels:
    away, nearest = ndimage.distance_transform_edt(
        labels == 0, phantom.volume.spacing, return_indices=True
    )
    return np.where(away <= reach_mm, labels[tuple(nearest)], 0).astype(np.uint8)
