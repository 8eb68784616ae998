"""Change one label of a mask by so many millimetres, on grids of any spacing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.segmentation.morphology import PackedMask, close, dilate, erode, open_

Mask = NDArray[np.bool_]
Labels = NDArray[np.integer]
Spacing = tuple[float, float, float]

ERODE, DILATE, OPEN, CLOSE = "erode", "dilate", "open", "close"
FILL, KEEP_LARGEST = "fill", "keep largest"
EDITS = (ERODE, DILATE, OPEN, CLOSE, FILL, KEEP_LARGEST)


@dataclass(frozen=True, eq=False)
class Edit:
    """The voxels that change, and what they become.

    Parameters
    ----------
    where : three arrays (n,) of int
        Indices along z, y and x.
    value : int
        The label they take; 0 where the label shrinks.
    """

    where: tuple[NDArray[np.intp], ...]
    value: int

    def __len__(self) -> int:
        return len(self.where[0])


def edit_label(
    labels: Labels, label: int, how: str, spacing: Spacing, radius_mm: float = 0.0
) -> Edit:
    """What changes when one label is edited; other labels keep their voxels.

    Parameters
    ----------
    labels : (z, y, x)
    label : int
        At least 1.
    how : str
        One of `EDITS`. A ball is moved for the first four: eroding, every voxel whose centre lies
        within the radius of one outside goes. *Fill* closes the holes of each axial slice,
        *keep largest* removes all but the largest piece (corners connect).
    spacing : (z, y, x) mm
    radius_mm : float
        Of the ball; not asked for *fill* and *keep largest*.

    Raises
    ------
    ValueError
        No such edit, nothing has the label, or a ball without a radius.
    """
    if how not in EDITS:
        raise ValueError(f"A mask is edited by {', '.join(EDITS)}; got {how!r}.")
    box = _box(labels, label, radius_mm if how in _BALLS else 0.0, spacing)
    here = labels[box]
    before = here == label
    after = edit_mask(before, how, spacing, radius_mm)
    changed = (before & ~after) | (after & (here == 0))
    value = 0 if before[changed].any() else label
    starts = (line.start for line in box)
    where = tuple(index + start for index, start in zip(np.nonzero(changed), starts, strict=True))
    return Edit(where, value)


def edit_mask(mask: Mask, how: str, spacing: Spacing, radius_mm: float = 0.0) -> Mask:
    """A mask (z, y, x) after one of `EDITS`; see `edit_label`."""
    if how == FILL:
        return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
    if how == KEEP_LARGEST:
        pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        return mask & (pieces == sizes.argmax())
    if radius_mm <= 0:
        raise ValueError(f"To {how} a mask give a radius above 0 mm; got {radius_mm:g}.")
    return _BALLS[how](PackedMask.of(mask), radius_mm, spacing).unpack()


_BALLS: dict[str, Callable[[PackedMask, float, Spacing], PackedMask]] = {
    ERODE: erode,
    DILATE: dilate,
    OPEN: open_,
    CLOSE: close,
}


def _box(labels: Labels, label: int, radius_mm: float, spacing: Spacing) -> tuple[slice, ...]:
    """Around a label, with room for the ball to grow and a voxel of background beyond."""
    found = ndimage.find_objects(labels, max_label=label)
    tight = found[label - 1] if len(found) >= label else None
    if tight is None:
        raise ValueError(f"No voxel has label {label}; there is nothing to edit.")
    room = [int(np.ceil(radius_mm / step)) + 1 for step in spacing]
    return tuple(
        slice(max(line.start - more, 0), min(line.stop + more, n))
        for line, more, n in zip(tight, room, labels.shape, strict=True)
    )
