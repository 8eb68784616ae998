"""A measurement drawn by hand on one slice: its ends, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass

POINTS = {"line": 2, "bidirectional": 4, "ellipse": 4, "angle": 3}
"""Kinds of calipers, and how many points make one.

A bidirectional one has the ends of its long line, then those of the short one; an ellipse those of
its long and its short axis (as in DICOM, PS3.3 C.18.6.1.2); an angle has its vertex in the middle.
"""
PLANES = ("axial", "coronal", "sagittal")
"""Slices by the axis (z, y, x) they are counted along."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Caliper:
    """What was drawn, on the voxel grid of a CT.

    Parameters
    ----------
    kind : str
        One of `POINTS`.
    axis : int
        The axis its slice is counted along: 0 axial, 1 coronal, 2 sagittal.
    points : tuple of (z, y, x)
        Voxel indices (fractional), all on one slice; in the order that `POINTS` tells.
    """

    kind: str
    axis: int
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if len(self.points) != POINTS[self.kind]:
            raise ValueError(
                f"A caliper of the kind {self.kind!r} has {POINTS[self.kind]} points; "
                f"got {len(self.points)}."
            )
        slices = {point[self.axis] for point in self.points}
        if len(slices) != 1 or not slices.pop().is_integer():
            raise ValueError(
                f"The points of a caliper lie on one slice (axis {self.axis}); got {self.points}."
            )

    @property
    def slice_index(self) -> int:
        """The slice it lies on."""
        return int(self.points[0][self.axis])

    @property
    def plane(self) -> str:
        """How its slice is cut: one of `PLANES`."""
        return PLANES[self.axis]


@dataclass(frozen=True)
class Reading:
    """What a caliper reads; None where its kind does not tell.

    Parameters
    ----------
    length_mm, short_mm : float
        Of a line, or of the long and the short line of a bidirectional one.
    angle_deg : float
        0 to 180.
    mean_hu, sd_hu : float
        Over the voxels whose centres lie in an ellipse; the SD of those voxels (divided by their
        number, not one less).
    area_mm2 : float
        Of the ellipse itself.
    voxels : int
        How many voxels the mean was taken over.
    """

    length_mm: float | None = None
    short_mm: float | None = None
    angle_deg: float | None = None
    mean_hu: float | None = None
    sd_hu: float | None = None
    area_mm2: float | None = None
    voxels: int | None = None


@dataclass(frozen=True)
class MeasuredCaliper:
    """A caliper with its number (1 for the first) and its reading."""

    label: int
    caliper: Caliper
    reading: Reading
