"""Stored values into Hounsfield units, and what range they take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = -32768, 32767


@dataclass(frozen=True)
class Tally:
    """Lowest HU of some voxels, how many have it, and how many voxels there are."""

    lowest: int
    count: int
    size: int

    def __add__(self, other: Tally) -> Tally:
        lowest = min(self.lowest, other.lowest)
        count = sum(t.count for t in (self, other) if t.lowest == lowest)
        return Tally(lowest, count, self.size + other.size)


def tally(hu: NDArray[np.int16]) -> Tally:
    """Count while the slice is still in the processor's cache."""
    lowest = int(hu.min())
    return Tally(lowest, int(np.count_nonzero(hu == lowest)), hu.size)


def to_hounsfield(
    stored: NDArray[np.integer], slope: float, intercept: float, out: NDArray[np.int16]
) -> None:
    """Write ``slope * stored + intercept`` into ``out``, rounded and held within int16."""
    if slope == 1 and intercept == int(intercept) and stored.dtype.itemsize == 2:
        low, high = int(stored.min()) + int(intercept), int(stored.max()) + int(intercept)
        if low >= LOWEST and high <= HIGHEST:  # then wrapping around 16 bits is harmless
            shift = np.uint16(int(intercept) % 65536)
            np.add(stored.view(np.uint16), shift, out=out.view(np.uint16))
            return
    hu = stored * float(slope) + float(intercept)
    np.copyto(out, np.clip(np.rint(hu, out=hu), LOWEST, HIGHEST, out=hu), casting="unsafe")
