"""Recognise the constant a scanner writes outside its round field of view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BELOW_AIR_HU = -1100
"""No tissue or air measures so low; a constant down there is padding."""
LEAST_SHARE = 1e-3


def field_of_view_padding(hu: NDArray[np.int16], named: int | None = None) -> int | None:
    """HU at or below which voxels were never measured; None when all were.

    Parameters
    ----------
    hu : (z, y, x) int16
    named : int or None
        What the file calls padding, in HU. Believed only at air or below: a tag that names a
        tissue value would hide tissue.
    """
    lowest = int(hu.min())
    count = int((hu == lowest).sum()) if lowest < BELOW_AIR_HU else 0
    return padding_of(lowest, count / hu.size, named)


def padding_of(lowest: int, share: float, named: int | None = None) -> int | None:
    """`field_of_view_padding` from the lowest HU and the share of voxels that have it."""
    candidates = [lowest] if lowest < BELOW_AIR_HU and share >= LEAST_SHARE else []
    if named is not None and lowest <= named <= -1000:
        candidates.append(named)
    return max(candidates, default=None)
