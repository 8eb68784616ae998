"""Diameters, volume and density of a nodule's mask, as radiologists define them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from napari_vaemed.data.finding import Measurement, NoduleMask
from napari_vaemed.data.volume import Volume

Points = NDArray[np.float64]


def measure_nodule(volume: Volume, mask: NoduleMask) -> Measurement:
    """Measure a nodule on its own voxels.

    The longest diameter is the longest caliper of any one axial slice, the perpendicular one the
    longest at right angles to it on that slice (RECIST 1.1, Eisenhauer 2009). Both end a quarter
    of a voxel beyond the centres of the outermost voxels: the longest of many chords is an
    extreme, and measured to the voxels' edges it would make a disc two thirds of a pixel too
    long, so ended it is a third. The volume counts voxels, so that it follows every brush
    stroke on the mask.

    Raises
    ------
    ValueError
        When the mask is empty or reaches beyond the volume.
    """
    hu = volume.hu[mask.where]
    if hu.shape != mask.voxels.shape:
        raise ValueError(
            f"The mask's box {mask.voxels.shape} at {mask.start} does not fit the volume "
            f"{volume.shape}. Measure it on the volume it was drawn on."
        )
    if not mask.voxels.any():
        raise ValueError("The mask is empty: there is nothing to measure.")
    index = np.argwhere(mask.voxels)
    centre = volume.to_world(index.mean(axis=0) + mask.start)
    z, longest, across = _calipers(mask, np.asarray(volume.spacing[1:], float))
    return Measurement(
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        longest_mm=_length(longest),
        perpendicular_mm=_length(across),
        slice_index=z,
        longest_ends=_ends(volume, z, longest),
        perpendicular_ends=_ends(volume, z, across),
        volume_mm3=len(index) * volume.voxel_mm3,
        mean_hu=float(hu[mask.voxels].mean()),
    )


def _calipers(mask: NoduleMask, spacing: Points) -> tuple[int, Points, Points]:
    """Slice index and the two calipers, (2, 2) as ends × (y, x) in mm, of the longest slice."""
    best: tuple[float, int, Points, Points] | None = None
    for z in (int(i) for i in np.flatnonzero(mask.voxels.any(axis=(1, 2)))):
        outline = _outline(mask.voxels[z], spacing) + np.multiply(mask.start[1:], spacing)
        longest = _longest(outline)
        if best is None or _length(longest) > best[0] + 1e-9:
            best = _length(longest), z, longest, outline
    assert best is not None
    _, z, longest, outline = best
    return z + mask.start[0], longest, _across(outline, longest)


def _outline(slice_mask: NDArray[np.bool_], spacing: Points) -> Points:
    """Convex outline (n, 2) in mm, a quarter of a voxel beyond the outermost voxel centres."""
    index = np.argwhere(slice_mask).astype(float)
    steps = np.array([[-0.25, 0], [0.25, 0], [0, -0.25], [0, 0.25]])
    points = (index[:, None] + steps).reshape(-1, 2) * spacing
    hull: Points = points[ConvexHull(points).vertices]
    return hull


def _longest(outline: Points) -> Points:
    """The two outline points farthest apart."""
    apart = np.linalg.norm(outline[:, None] - outline, axis=-1)
    first, second = np.unravel_index(np.argmax(apart), apart.shape)
    return outline[[first, second]]


def _across(outline: Points, longest: Points) -> Points:
    """The longest chord of a convex outline at right angles to a caliper."""
    along = (longest[1] - longest[0]) / max(_length(longest), 1e-9)
    normal = np.array([-along[1], along[0]])
    following = np.roll(outline, -1, axis=0)
    places, next_places = outline @ along, following @ along
    best = (-1.0, outline[:1].repeat(2, axis=0))
    for place in places:
        low, high = np.minimum(places, next_places), np.maximum(places, next_places)
        crossed = (low <= place) & (place <= high)
        span = np.where(high > low, next_places - places, 1.0)
        part = np.where(high > low, (place - places) / span, 0.0)[:, None]
        hits = (outline + part * (following - outline))[crossed]
        hits = np.concatenate([hits, following[crossed & (high == low)]])
        heights = hits @ normal
        if np.ptp(heights) > best[0]:
            best = float(np.ptp(heights)), hits[[heights.argmin(), heights.argmax()]]
    return best[1]


def _length(caliper: Points) -> float:
    return float(np.linalg.norm(caliper[1] - caliper[0]))


def _ends(
    volume: Volume, z: int, caliper: Points
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """A caliper's ends as voxel indices (z, y, x)."""
    (y0, x0), (y1, x1) = caliper / np.asarray(volume.spacing[1:])
    return (float(z), float(y0), float(x0)), (float(z), float(y1), float(x1))
