"""A nodule the user has marked: its mask and its measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Measurement:
    """Size and density of one nodule.

    Parameters
    ----------
    centre_mm : (x, y, z)
        Centre of mass in patient coordinates, LPS mm.
    longest_mm, perpendicular_mm : float
        Longest in-plane diameter over all axial slices, and the longest one across it on the
        same slice (RECIST).
    slice_index : int
        The axial slice (z) they were measured on.
    longest_ends, perpendicular_ends : pairs of (z, y, x)
        Voxel indices (fractional) of the calipers' ends.
    volume_mm3, mean_hu : float
    """

    centre_mm: tuple[float, float, float]
    longest_mm: float
    perpendicular_mm: float
    slice_index: int
    longest_ends: tuple[tuple[float, float, float], tuple[float, float, float]]
    perpendicular_ends: tuple[tuple[float, float, float], tuple[float, float, float]]
    volume_mm3: float
    mean_hu: float


@dataclass(frozen=True, eq=False)
class NoduleMask:
    """A nodule's voxels as a small box inside its volume.

    Parameters
    ----------
    voxels : (z, y, x) bool
        The box, tight around the nodule.
    start : (z, y, x)
        Index of the box's first voxel in the volume.
    """

    voxels: NDArray[np.bool_]
    start: tuple[int, int, int]

    @property
    def where(self) -> tuple[slice, slice, slice]:
        """The box as an index into the volume."""
        z, y, x = (slice(a, a + n) for a, n in zip(self.start, self.voxels.shape, strict=True))
        return z, y, x

    def full(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """The mask on the whole grid of a volume of that shape, (z, y, x) bool."""
        whole = np.zeros(shape, bool)
        whole[self.where] = self.voxels
        return whole

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> NoduleMask:
        """Cut the box from a mask of the whole volume, (z, y, x) bool."""
        if not mask.any():
            raise ValueError("The mask is empty: no voxel is marked.")
        box = []
        for axis in range(3):
            line = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
            box.append(slice(int(line[0]), int(line[-1]) + 1))
        z, y, x = box
        return cls(mask[z, y, x].copy(), (z.start, y.start, x.start))
