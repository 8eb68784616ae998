"""How much of the scan is kept around a nodule that was outlined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume

Box = tuple[slice, slice, slice]

SHARE = 0.15
"""Of the mask's own length: margin on each side."""
LEAST_IN_PLANE = 44
"""Pixels that a crop holds along x and y, or one less; about 30 mm."""


def crop_box(mask: NDArray[np.bool_], volume: Volume, margin_mm: float | None = None) -> Box:
    """The box (z, y, x) to cut around a mask, as far as the scan reaches.

    Parameters
    ----------
    mask : (z, y, x) bool
        On the volume; not empty.
    margin_mm : float or None
        Room on each side. None: as the published LIDC-IDRI crops were cut, that is `SHARE` of the
        mask's length, rounded down, and in the plane at least what makes `LEAST_IN_PLANE` (the
        rule gives the size of all 795).
    """
    marked = NoduleMask.of(mask)
    box = []
    for axis, (first, length) in enumerate(zip(marked.start, marked.voxels.shape, strict=True)):
        if margin_mm is not None:
            margin = int(np.ceil(margin_mm / volume.spacing[axis]))
        else:
            margin = int(SHARE * length)
            if axis:
                margin = max(margin, (LEAST_IN_PLANE - length) // 2)
        box.append(slice(max(first - margin, 0), min(first + length + margin, mask.shape[axis])))
    return box[0], box[1], box[2]


def cut_out(volume: Volume, box: Box) -> Volume:
    """The part of a volume in a box, at its place in the patient."""
    origin = volume.to_world([part.start for part in box])
    return replace(
        volume,
        hu=np.ascontiguousarray(volume.hu[box]),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        stored_axes="LPS",
        source=None,
        stored=None,
        intake=None,
        notes=(),
    )
