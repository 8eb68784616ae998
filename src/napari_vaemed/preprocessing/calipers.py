"""Calipers drawn by hand: from drags to points, and from points to mm, degrees and HU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.caliper import Caliper, Point, Reading
from napari_vaemed.data.volume import Volume

SHORTEST_MM = 0.1
"""A line shorter than this was a click, not a drag."""
DRAGS = {"line": 1, "bidirectional": 2, "ellipse": 1, "angle": 2}
"""How often one drags to draw a caliper."""

Points = NDArray[np.float64]
Spacing = tuple[float, float, float]
Drag = tuple[ArrayLike, ArrayLike]
"""Where a drag began and ended: voxel indices (z, y, x)."""


class NoCaliper(ValueError):
    """What was drawn measures nothing, and why."""


def caliper_from_drags(
    kind: str, axis: int, slice_index: int, drags: Sequence[Drag], spacing: Spacing
) -> Caliper:
    """The caliper that drags on a slice make.

    A bidirectional one needs a drag along it and one across it, an angle a drag along one leg to
    the vertex and one that ends where the other leg does, an ellipse one across its box. After
    the first of two drags the answer is a line.

    Parameters
    ----------
    kind : str
        One of `POINTS`.
    axis, slice_index : int
        The slice; what the drags say along that axis is not looked at.
    drags : sequence of (start, end)
        Voxel indices (z, y, x).
    spacing : (z, y, x)
        Millimetres.
    """
    flat = np.array(drags, float)
    flat[..., axis] = slice_index
    first, last = flat[0], flat[-1]
    if kind == "ellipse":
        (low, high), ends = first, np.repeat(first.mean(axis=0)[None], 4, axis=0)
        rows, columns = (a for a in range(3) if a != axis)
        for place, along in enumerate((rows, columns)):
            ends[2 * place : 2 * place + 2, along] = low[along], high[along]
        return _caliper("ellipse", axis, _long_first(ends, spacing))
    if len(flat) < DRAGS[kind]:
        return _caliper("line", axis, first)
    if kind == "bidirectional":
        short = across(first, foot_on(first, last[0], spacing), last[0], last[1], spacing)
        return _caliper(kind, axis, np.vstack([first, short]))
    return _caliper(kind, axis, first if kind == "line" else np.vstack([first, last[1]]))


def foot_on(line: ArrayLike, point: ArrayLike, spacing: Spacing) -> float:
    """Where on a line (2, 3) a point's perpendicular meets it: 0 at its start, 1 at its end."""
    start, end = np.asarray(line, float) * spacing
    along = end - start
    length2 = float(along @ along)
    if length2 < SHORTEST_MM**2:
        return 0.5
    share = float((np.asarray(point, float) * spacing - start) @ along) / length2
    return min(max(share, 0.0), 1.0)


def across(
    line: ArrayLike, foot: float, one: ArrayLike, other: ArrayLike, spacing: Spacing
) -> Points:
    """The line at right angles to another, as far to its sides as two points lie.

    Parameters
    ----------
    line : (2, 3)
        Voxel indices of the long line's ends.
    foot : float
        Where the two meet: 0 at the long line's start, 1 at its end.
    one, other : (z, y, x)
        Voxel indices in the plane of the line.

    Returns
    -------
    (2, 3)
        Its ends; one of them is the foot when both points lie to the same side.
    """
    start, end = np.asarray(line, float) * spacing
    along = (end - start) / max(float(np.linalg.norm(end - start)), SHORTEST_MM)
    beside = np.array([one, other], float) * spacing - start
    beside -= np.outer(beside @ along, along)
    farther = beside[np.argmax(np.linalg.norm(beside, axis=1))]
    normal = farther / max(float(np.linalg.norm(farther)), 1e-12)
    reach = beside @ normal
    if reach.min() > 0:
        reach[reach.argmin()] = 0.0
    ends: Points = (start + foot * (end - start) + np.outer(reach, normal)) / spacing
    return ends


def measure_caliper(caliper: Caliper, volume: Volume) -> Reading:
    """Read a caliper off its CT.

    Raises
    ------
    NoCaliper
        It reaches beyond the CT, has no length, or no voxel centre lies in it.
    """
    points = np.array(caliper.points, float)
    if not all(volume.contains(point) for point in points):
        raise NoCaliper("That reaches beyond the CT. Draw inside the picture.")
    mm = points * volume.spacing
    if caliper.kind == "ellipse":
        return _measure_ellipse(caliper, volume)
    if caliper.kind == "angle":
        return Reading(angle_deg=_angle(mm[0] - mm[1], mm[2] - mm[1]))
    length = _length(mm[0], mm[1])
    if caliper.kind == "line":
        return Reading(length_mm=length)
    return Reading(length_mm=length, short_mm=_length(mm[2], mm[3]))


def ellipse_corners(points: ArrayLike) -> Points:
    """Corners (4, 3) of the box about an ellipse, in order, from the ends of its axes (4, 3)."""
    a, b, c, d = np.asarray(points, float)
    middle, long, short = (a + b) / 2, (b - a) / 2, (d - c) / 2
    return middle + np.array([-long - short, long - short, long + short, short - long])


def ellipse_in_corners(corners: ArrayLike, spacing: Spacing) -> Points:
    """Ends (4, 3) of the axes of the ellipse in a parallelogram, the long axis first.

    Parameters
    ----------
    corners : (4, 3)
        Voxel indices, in order.
    """
    box = np.asarray(corners, float) * spacing
    middle = box.mean(axis=0)
    halves = np.stack([(box[1] - box[0]) / 2, (box[3] - box[0]) / 2])
    if abs(halves[0] @ halves[1]) > 1e-6 * np.prod(np.linalg.norm(halves, axis=1)):
        halves = _principal(halves)
    ends: Points = np.concatenate([[middle - half, middle + half] for half in halves]) / spacing
    return _long_first(ends, spacing)


def voxels_in_ellipse(caliper: Caliper, volume: Volume) -> tuple[NDArray[np.intp], ...]:
    """Index (z, y, x) of the voxels whose centres lie in an ellipse, on its slice."""
    a, b, c, d = np.array(caliper.points, float)
    middle, halves = (a + b) / 2, np.stack([(b - a) / 2, (d - c) / 2])
    reach = np.linalg.norm(halves, axis=0) + 1e-6
    low = np.maximum(np.ceil(middle - reach), 0).astype(int)
    high = np.minimum(np.floor(middle + reach) + 1, volume.shape).astype(int)
    low[caliper.axis], high[caliper.axis] = caliper.slice_index, caliper.slice_index + 1
    index = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), -1).reshape(-1, 3)
    # A sum of shares of two conjugate half diameters: inside where their squares add up to one.
    shares = (index - middle) @ np.linalg.pinv(halves)
    z, y, x = index[(shares**2).sum(axis=1) <= 1 + 1e-9].T
    return z, y, x


def _measure_ellipse(caliper: Caliper, volume: Volume) -> Reading:
    a, b, c, d = np.array(caliper.points, float) * volume.spacing
    area = float(np.pi / 4 * np.linalg.norm(np.cross(b - a, d - c)))
    if area < SHORTEST_MM**2:
        raise NoCaliper("That has no area. Drag from one corner of the ellipse's box to the other.")
    hu = volume.hu[voxels_in_ellipse(caliper, volume)]
    if volume.padding is not None:
        hu = hu[hu > volume.padding]
    if not hu.size:
        raise NoCaliper("No voxel's centre lies in that ellipse. Draw a larger one.")
    return Reading(
        mean_hu=float(hu.mean()), sd_hu=float(hu.std()), area_mm2=area, voxels=int(hu.size)
    )


def _length(one: Points, other: Points) -> float:
    length = float(np.linalg.norm(other - one))
    if length < SHORTEST_MM:
        raise NoCaliper("That has no length. Drag from one end to the other.")
    return length


def _angle(one: Points, other: Points) -> float:
    """Degrees between two legs; by arctan2, which is exact near 0 and 180 too."""
    _length(np.zeros(3), one)
    _length(np.zeros(3), other)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other)))


def _principal(halves: Points) -> Points:
    """The half axes (2, 3) of an ellipse with these conjugate half diameters (2, 3)."""
    _, sizes, directions = np.linalg.svd(halves, full_matrices=False)
    axes: Points = sizes[:, None] * directions
    return axes


def _long_first(ends: Points, spacing: Spacing) -> Points:
    """The ends of two axes (4, 3), those of the longer one first."""
    mm = ends * spacing
    swap = np.linalg.norm(mm[1] - mm[0]) < np.linalg.norm(mm[3] - mm[2])
    return np.concatenate([ends[2:], ends[:2]]) if swap else ends


def _caliper(kind: str, axis: int, points: Points) -> Caliper:
    rows: list[Point] = [(float(z), float(y), float(x)) for z, y, x in points]
    return Caliper(kind, axis, tuple(rows))
