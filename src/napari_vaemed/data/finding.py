"""A nodule the user has marked: its mask, its measurements and their error bars."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.interval import Interval

Ends = tuple[tuple[float, float, float], tuple[float, float, float]]
PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class SolidPart:
    """The soft tissue in a nodule: diameters and volume, as of the whole."""

    longest_mm: float
    perpendicular_mm: float
    volume_mm3: float

    @property
    def mean_mm(self) -> float:
        """Mean of the two diameters."""
        return (self.longest_mm + self.perpendicular_mm) / 2


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
        Of the mask's voxels, each counted whole.
    partial_volume_mm3 : float
        Voxels at the border counted as far as they are filled.
    longest_3d_mm : float
        Longest diameter in any direction.
    hu_percentiles : tuple of float
        HU at `PERCENTILES` of the mask's voxels.
    sphericity : float
        Surface of the ball with its volume over its own surface; 1 for a ball.
    density : str
        One of `data.guideline.DENSITIES`.
    solid : SolidPart or None
        Its soft tissue; None where there is none.
    side : "right", "left" or None
        The lung it lies in; None without lung labels, or outside both.
    pleura_mm : float or None
        From its surface to the outside of that lung; None without lung labels.
    """

    centre_mm: tuple[float, float, float]
    longest_mm: float
    perpendicular_mm: float
    slice_index: int
    longest_ends: Ends
    perpendicular_ends: Ends
    volume_mm3: float
    mean_hu: float
    partial_volume_mm3: float
    longest_3d_mm: float
    hu_percentiles: tuple[float, ...]
    sphericity: float
    density: str
    solid: SolidPart | None = None
    side: str | None = None
    pleura_mm: float | None = None

    @property
    def mean_mm(self) -> float:
        """Mean of the longest diameter and its perpendicular."""
        return (self.longest_mm + self.perpendicular_mm) / 2

    @property
    def rounded_mm(self) -> int:
        """The mean diameter to the nearest millimetre, as Fleischner reports it."""
        return floor(self.mean_mm + 0.5)


@dataclass(frozen=True)
class ErrorBars:
    """95 % intervals of a measurement, or why there are none.

    Parameters
    ----------
    longest_mm, perpendicular_mm, mean_mm, volume_mm3 : Interval or None
        The volume is the partial one.
    solid_mm, solid_mm3 : Interval or None
        Mean diameter and volume of the solid part; None without one.
    clicks : int
        So many further clicks were compared; 0 for a mask drawn by hand.
    refused : str or None
        Why it cannot be measured; then there are no intervals.
    """

    longest_mm: Interval | None = None
    perpendicular_mm: Interval | None = None
    mean_mm: Interval | None = None
    volume_mm3: Interval | None = None
    solid_mm: Interval | None = None
    solid_mm3: Interval | None = None
    clicks: int = 0
    refused: str | None = None


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

    def same_as(self, other: NoduleMask) -> bool:
        """Whether another mask marks the same voxels in the same box."""
        return self.start == other.start and np.array_equal(self.voxels, other.voxels)

    def around(
        self, shape: tuple[int, int, int], margin: NDArray[np.int_]
    ) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]]:
        """The mask in a larger box, ``margin`` (z, y, x) voxels wider as far as the volume reaches.

        Returns
        -------
        The larger box as an index into a volume of that shape, and the mask on it.
        """
        start = np.array(self.start)
        low = np.maximum(start - margin, 0)
        high = np.minimum(start + self.voxels.shape + margin, shape)
        inside = np.zeros(high - low, bool)
        z, y, x = (
            slice(int(a), int(a) + n) for a, n in zip(start - low, self.voxels.shape, strict=True)
        )
        inside[z, y, x] = self.voxels
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return (z, y, x), inside

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
