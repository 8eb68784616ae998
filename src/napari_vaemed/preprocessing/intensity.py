"""Hounsfield windows, and which values were measured at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOWS: dict[str, tuple[float, float]] = {
    "lung": (-600, 1500),
    "mediastinum": (40, 400),
    "bone": (400, 1800),
    "soft tissue": (50, 350),
    "pulmonary embolism": (100, 700),
    "wide": (0, 4000),
}
"""Centre and width in HU of the usual windows of a chest CT, in the order of use."""

LEVELS = 256
"""Grey levels of an ordinary picture."""
PADDING_HU, AIR_HU = -1500, -1100
"""Below the first: not measured, whatever the header says. Above the second may be air."""


def window(hu: NDArray[np.number], centre: float, width: float) -> NDArray[np.float32]:
    """Show a range of HU as 0 to 1, clamped.

    Parameters
    ----------
    hu : array of any shape
    centre, width : float
        Of the window, in HU; see `WINDOWS`.

    Returns
    -------
    float32 array of the same shape
        0 at ``centre - width / 2`` and below, 1 at ``centre + width / 2`` and above.

    Raises
    ------
    ValueError
        If the width is not positive.
    """
    low, width = window_limits(centre, width)
    shown = np.asarray(hu, np.float32) - np.float32(low)
    shown *= np.float32(1 / width)
    return np.clip(shown, 0, 1, out=shown)


def window_limits(centre: float, width: float) -> tuple[float, float]:
    """Lowest HU and width of a window; the width has to be positive."""
    if not width > 0:
        raise ValueError(f"A window needs a positive width in HU; got {width:g}.")
    return centre - width / 2, width


def lowest_measured(padding: int | None) -> int:
    """The lowest HU that may have been measured, in a volume with this padding.

    A padding as high as air itself says nothing of a voxel.
    """
    if padding is None or padding > AIR_HU:
        return PADDING_HU + 1
    return max(padding, PADDING_HU) + 1
