"""Where the patient is, seen coarsely: enough to leave out the room, the table and padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

TISSUE_HU = -250
GRID_MM = 4.0


def surrounded_by_body(
    hu: NDArray[np.int16], spacing: tuple[float, float, float], *, cut_by_view: bool = False
) -> NDArray[np.bool_]:
    """Mark voxels with body on at least three of their four sides in the axial plane.

    Three, because the field of view may cut the body on one side. Edges are true to about 4 mm.

    Parameters
    ----------
    hu : (z, y, x) int16
        A canonical CT, of any resolution.
    spacing : (z, y, x) mm
    cut_by_view : bool
        The field of view lies within the body, so that its outside is not seen: body to the
        right or to the left is enough.

    Returns
    -------
    (z, y, x) bool
        All False where no body is seen.
    """
    step = [max(1, round(GRID_MM / s)) for s in spacing]
    body = _largest_piece(hu[:: step[0], :: step[1], :: step[2]] > TISSUE_HU)
    sides = np.zeros(body.shape, np.uint8)
    for axis in (2,) if cut_by_view else (1, 2):
        sides += np.logical_or.accumulate(body, axis=axis)
        sides += np.flip(np.logical_or.accumulate(np.flip(body, axis), axis=axis), axis)
    inside = sides >= (1 if cut_by_view else 3)
    for axis, factor in enumerate(step):
        inside = np.repeat(inside, factor, axis=axis) if factor > 1 else inside
    return inside[: hu.shape[0], : hu.shape[1], : hu.shape[2]]


def _largest_piece(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without the table and other thin things, which an opening takes off."""
    cross = ndimage.generate_binary_structure(3, 1)
    opened = ndimage.binary_erosion(tissue, cross, border_value=1)
    pieces, count = ndimage.label(ndimage.binary_dilation(opened, cross))
    if not count:
        return np.zeros(tissue.shape, bool)
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
