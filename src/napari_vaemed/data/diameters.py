"""The longest diameter of a flat shape, and the longest across it (RECIST 1.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

Points = NDArray[np.float64]

SPICULE_MM = 2.0
"""Fine spicules are thinner than this (Zwirewich, Radiology 1991;179:469); no reader measures to
their tips."""


def convex_outline(points: Points) -> Points:
    """Corners (n, 2) of the convex shape around points (m, 2), in order."""
    corners: Points = points[ConvexHull(points).vertices]
    return corners


def longest(outline: Points) -> Points:
    """The two outline points farthest apart, (2, 2)."""
    apart = np.linalg.norm(outline[:, None] - outline, axis=-1)
    first, second = np.unravel_index(np.argmax(apart), apart.shape)
    return outline[[first, second]]


def across(outline: Points, caliper: Points) -> Points:
    """The longest chord (2, 2) of a convex outline at right angles to a caliper."""
    along = (caliper[1] - caliper[0]) / max(length(caliper), 1e-9)
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


def opened(section: NDArray[np.bool_], radius: float, step: ArrayLike) -> NDArray[np.bool_]:
    """A section without what is thinner than a disc of ``radius`` mm; ``step`` is (y, x) in mm."""
    spacing = np.asarray(step, float)
    padded = np.pad(section, 1)
    core = ndimage.distance_transform_edt(padded, sampling=spacing) > radius
    if not core.any():
        return np.zeros_like(section)
    kept: NDArray[np.bool_] = ndimage.distance_transform_edt(~core, sampling=spacing) <= radius
    return (kept & padded)[1:-1, 1:-1]


def length(caliper: Points) -> float:
    """Distance between a caliper's ends."""
    return float(np.linalg.norm(caliper[1] - caliper[0]))
