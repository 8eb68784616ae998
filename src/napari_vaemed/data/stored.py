"""The slices a scan was stored as, where its volume lies on another grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class StoredSlices:
    """Slices that were unevenly spaced or tilted, in ascending order along their normal.

    Parameters
    ----------
    positions : (n, 3) float
        LPS mm of each slice's first pixel.
    direction : (3, 3)
        Columns: growing column index, growing row index, the normal; LPS.
    pixel_spacing : (row step, column step)
        Millimetres.
    shape : (rows, columns)
    """

    positions: NDArray[np.float64]
    direction: NDArray[np.float64]
    pixel_spacing: tuple[float, float]
    shape: tuple[int, int]
