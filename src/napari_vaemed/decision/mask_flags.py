"""What looks wrong with a mask on its CT: flags for lungs and for nodules.

Each rule states what it measured and what it expected. None of them knows the truth: a flag asks
for a look.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data import mask_check
from napari_vaemed.data.labels import LEFT_LUNG, LUNG_NAMES, RIGHT_LUNG
from napari_vaemed.data.mask_check import Flag
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import surrounded_by_body

Mask = NDArray[np.bool_]
Labels = NDArray[np.integer]
Spacing = tuple[float, float, float]

LUNG_LITRES = (2.0, 8.0)
"""Both lungs of an adult, breathed in."""
AIR_HU = -500
LEAST_AIR = 0.6
"""Share of a lung's voxels below `AIR_HU`; consolidation can bring a right mask below it."""
CROSSED = 0.02
"""Share of a lung beyond the middle of the other one from which on sides count as mixed."""
LEAK_ML = {mask_check.LUNGS: 1.0, mask_check.NODULES: 0.02}
"""How much may lie outside the body, whose edge is known to about 4 mm."""
WHOLE_MM = 150.0
"""A narrower field of view shows a piece of the body, not its edge."""
ISLAND_ML = {mask_check.LUNGS: 1.0, mask_check.NODULES: 0.01}
"""How much may lie apart from the largest piece of a label …"""
ISLAND_SHARE = {mask_check.LUNGS: 0.0, mask_check.NODULES: 0.05}
"""… or as a share of the label, whichever is more: part-solid nodules shed single voxels."""
CAVITY_ML = {mask_check.LUNGS: 0.2, mask_check.NODULES: 0.005}
"""How much may be enclosed by a label on all sides …"""
AXIAL_HOLES = {mask_check.LUNGS: 0.01, mask_check.NODULES: 0.1}
"""… and on its axial slices, as a share of the label: outlines, vessels left out."""
NODULE_MM = (2.0, 60.0)
"""Diameter of a sphere of the nodule's volume; above 30 mm one speaks of a mass."""
NODULE_AIR_HU = -800
MOST_AIR = 0.5
"""Share of a nodule's voxels below `NODULE_AIR_HU`: ground glass stays above it."""
LEAST_IN_LUNGS = 0.5
NO_NODULE_ML = 500.0


def flag_mask(
    labels: Labels, volume: Volume, of: str, lungs: Labels | None = None
) -> tuple[Flag, ...]:
    """Flags of a mask on its CT's grid.

    Parameters
    ----------
    labels : (z, y, x)
        Lungs as in `data.labels`, or one label a nodule.
    volume : Volume
        The CT; of the same shape.
    of : str
        One of `data.mask_check.KINDS`.
    lungs : (z, y, x) labels, optional
        To say whether nodules lie in them; not asked for lungs.

    Raises
    ------
    ValueError
        Another shape than the CT's, or an unknown kind.
    """
    if of not in mask_check.KINDS:
        raise ValueError(f"A mask is of {' or '.join(mask_check.KINDS)}; got {of!r}.")
    if labels.shape != volume.shape:
        raise ValueError(f"The mask has shape {labels.shape}, its CT {volume.shape} (z, y, x).")
    if not labels.any():
        return (Flag(mask_check.EMPTY, "Nothing is marked in this mask."),)
    if of == mask_check.LUNGS:
        return tuple(_lung_flags(labels, volume))
    return tuple(_nodule_flags(labels, volume, lungs))


def guess_kind(labels: Labels, spacing: Spacing) -> str:
    """Lungs or nodules, by the volume of the largest label: half a litre is no nodule."""
    largest = max(volumes_ml(labels, spacing).values(), default=0.0)
    return mask_check.LUNGS if largest > NO_NODULE_ML else mask_check.NODULES


def volumes_ml(labels: Labels, spacing: Spacing) -> dict[int, float]:
    """Volume in ml of each label that is there, 0 left out."""
    ml = float(np.prod(spacing)) / 1000
    highest = int(labels.max(initial=0))
    # slice by slice, since bincount makes 64-bit copies
    counts = sum((np.bincount(plane.ravel(), minlength=highest + 1) for plane in labels),
                 np.zeros(highest + 1, np.int64))  # fmt: skip
    return {label: int(n) * ml for label, n in enumerate(counts) if label and n}


def _lung_flags(labels: Labels, volume: Volume) -> Iterable[Flag]:
    parts = _parts(labels, volume.spacing)
    sides = {side: parts[side] for side in (RIGHT_LUNG, LEFT_LUNG) if side in parts}
    for side in {RIGHT_LUNG, LEFT_LUNG} - set(sides):
        yield Flag(mask_check.EMPTY, f"{LUNG_NAMES[side]}: no voxel has its label, {side}.", side)
    if len(sides) == 2:
        yield from _side_flags(sides[RIGHT_LUNG], sides[LEFT_LUNG])
    litres = sum(part.ml for part in sides.values()) / 1000
    low, high = LUNG_LITRES
    if not low <= litres <= high:
        yield Flag(
            mask_check.VOLUME,
            f"Both lungs hold {litres:.2f} l; {low:g} to {high:g} l are expected.",
        )
    for side, part in sides.items():
        yield from _shape_flags(part, LUNG_NAMES[side], mask_check.LUNGS)
        air = float(np.mean(volume.hu[part.box][part.mask] < AIR_HU))
        if air < LEAST_AIR:
            yield Flag(
                mask_check.AIR,
                f"{LUNG_NAMES[side]}: {100 * air:.0f} % of it is air (below {AIR_HU} HU); at "
                f"least {100 * LEAST_AIR:.0f} % are expected of a lung that is not consolidated.",
                side,
                part.fullest_slice,
            )
    yield from _leaks(labels > 0, volume, mask_check.LUNGS)


def _nodule_flags(labels: Labels, volume: Volume, lungs: Labels | None) -> Iterable[Flag]:
    for label, part in _parts(labels, volume.spacing).items():
        name = f"Nodule {label}"
        yield from _shape_flags(part, name, mask_check.NODULES)
        yield from _nodule_size_flags(part, name, labels.shape)
        air = float(np.mean(volume.hu[part.box][part.mask] < NODULE_AIR_HU))
        if air > MOST_AIR:
            yield Flag(
                mask_check.AIR,
                f"{name}: {100 * air:.0f} % of it is air (below {NODULE_AIR_HU} HU); "
                f"at most {100 * MOST_AIR:.0f} % are expected of a nodule.",
                label,
                part.fullest_slice,
            )
        if lungs is not None:
            inside = float(np.mean(lungs[part.box][part.mask] > 0))
            if inside < LEAST_IN_LUNGS:
                yield Flag(
                    mask_check.OUTSIDE_LUNGS,
                    f"{name}: {100 * inside:.0f} % of it lies in the lungs; at least "
                    f"{100 * LEAST_IN_LUNGS:.0f} % are expected.",
                    label,
                    part.fullest_slice,
                )
    yield from _leaks(labels > 0, volume, mask_check.NODULES)


class _Part:
    """One label of a mask, cut out tightly."""

    def __init__(
        self, labels: Labels, label: int, box: tuple[slice, ...], spacing: Spacing
    ) -> None:
        self.label, self.box = label, box
        self.mask: Mask = labels[box] == label
        self.others: Mask = (labels[box] != label) & (labels[box] > 0)
        self.voxel_ml = float(np.prod(spacing)) / 1000
        self.ml = float(np.count_nonzero(self.mask)) * self.voxel_ml

    @property
    def fullest_slice(self) -> int:
        """The slice with most of it."""
        return self.slice_of(self.mask)

    def slice_of(self, marked: Mask) -> int:
        """The slice of the volume with most of what is marked within the box."""
        return int(np.count_nonzero(marked, axis=(1, 2)).argmax()) + int(self.box[0].start)

    def columns(self) -> NDArray[np.intp]:
        """How many voxels lie at each x of the box."""
        return np.count_nonzero(self.mask, axis=(0, 1))


def _parts(labels: Labels, spacing: Spacing) -> dict[int, _Part]:
    return {
        label: _Part(labels, label, box, spacing)
        for label, box in enumerate(ndimage.find_objects(labels), 1)
        if box is not None
    }


def _side_flags(right: _Part, left: _Part) -> Iterable[Flag]:
    """The patient's right is at low x in every canonical volume."""
    middles = [_middle(part) for part in (right, left)]
    if middles[0] > middles[1]:
        yield Flag(
            mask_check.SWAPPED,
            "The right lung's label lies on the patient's left, the left lung's on the right.",
            0,
            right.fullest_slice,
        )
        return
    for part, other, beyond in (
        (right, "left", _beyond(right, middles[1], above=True)),
        (left, "right", _beyond(left, middles[0], above=False)),
    ):
        share = np.count_nonzero(beyond) * part.voxel_ml / part.ml
        if share > CROSSED:
            yield Flag(
                mask_check.SWAPPED,
                f"{LUNG_NAMES[part.label]}: {100 * share:.0f} % of it lies in the middle of the "
                f"{other} lung or beyond.",
                part.label,
                part.slice_of(beyond),
            )


def _middle(part: _Part) -> float:
    counts = part.columns()
    return float(counts @ np.arange(len(counts)) / counts.sum()) + float(part.box[2].start)


def _beyond(part: _Part, x: float, *, above: bool) -> Mask:
    """The part's voxels on the far side of a column of the volume."""
    places = np.arange(part.mask.shape[2]) + part.box[2].start
    marked: Mask = part.mask & (places > x if above else places < x)
    return marked


def _shape_flags(part: _Part, name: str, of: str) -> Iterable[Flag]:
    pieces, count = ndimage.label(part.mask, np.ones((3, 3, 3)))
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        apart = part.mask & (pieces != sizes.argmax())
        ml = float(sizes.sum() - sizes.max()) * part.voxel_ml
        if ml > max(ISLAND_ML[of], ISLAND_SHARE[of] * part.ml):
            yield Flag(
                mask_check.ISLANDS,
                f"{name}: {_volume(ml)} lie apart from its largest piece, in {count - 1} "
                f"{'island' if count == 2 else 'islands'}.",
                part.label,
                part.slice_of(apart),
            )
    yield from _hole_flags(part, name, of)


def _hole_flags(part: _Part, name: str, of: str) -> Iterable[Flag]:
    enclosed = _enclosed(part.mask) & ~part.others
    cavities_ml = np.count_nonzero(enclosed) * part.voxel_ml
    if cavities_ml > CAVITY_ML[of]:
        yield Flag(
            mask_check.HOLES,
            f"{name}: it encloses {_volume(cavities_ml)} that are not marked.",
            part.label,
            part.slice_of(enclosed),
        )
        return
    holes = np.stack([ndimage.binary_fill_holes(plane) for plane in part.mask])
    holes &= ~part.mask & ~part.others
    share = np.count_nonzero(holes) * part.voxel_ml / part.ml
    if share > AXIAL_HOLES[of]:
        yield Flag(
            mask_check.HOLES,
            f"{name}: holes on its axial slices measure {100 * share:.0f} % of it; at most "
            f"{100 * AXIAL_HOLES[of]:.0f} % are expected.",
            part.label,
            part.slice_of(holes),
        )


def _enclosed(mask: Mask) -> Mask:
    """What a mask encloses on all sides; faces connect the outside."""
    rest, count = ndimage.label(np.pad(~mask, 1, constant_values=True))
    inside: Mask = rest[1:-1, 1:-1, 1:-1] > 1 if count > 1 else np.zeros_like(mask)
    return inside


def _nodule_size_flags(part: _Part, name: str, shape: tuple[int, ...]) -> Iterable[Flag]:
    diameter = float(6000 * part.ml / np.pi) ** (1 / 3)
    low, high = NODULE_MM
    if not low <= diameter <= high:
        yield Flag(
            mask_check.SIZE,
            f"{name}: it is as large as a sphere of {diameter:.1f} mm; {low:g} to {high:g} mm "
            "are expected.",
            part.label,
            part.fullest_slice,
        )
    edges = zip(part.box, shape, strict=True)
    if any(line.start == 0 or line.stop == n for line, n in edges):
        yield Flag(
            mask_check.BORDER,
            f"{name}: it reaches the edge of the scan and may be cut off there.",
            part.label,
            part.fullest_slice,
        )


def _leaks(marked: Mask, volume: Volume, of: str) -> Iterable[Flag]:
    """Not asked of crops: where the field of view lies within the body there is no outside."""
    if min(n * s for n, s in zip(volume.shape[1:], volume.spacing[1:], strict=True)) < WHOLE_MM:
        return
    outside = marked & ~surrounded_by_body(volume.hu, volume.spacing)
    by_slice = np.count_nonzero(outside, axis=(1, 2))
    ml = float(by_slice.sum()) * volume.voxel_mm3 / 1000
    if ml > LEAK_ML[of]:
        yield Flag(
            mask_check.LEAK,
            f"{_volume(ml)} of the mask lie outside the body.",
            0,
            int(by_slice.argmax()),
        )


def _volume(ml: float) -> str:
    return f"{ml:.1f} ml" if ml >= 1 else f"{1000 * ml:.0f} mm³"
