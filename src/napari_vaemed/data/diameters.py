"""The longest diameter of a flat shape, and the longest across it (RECIST 1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

Points = NDArray[np.float64]

SPICULE_MM = 2.0
"""Fine spicules are thinner than this (Zwirewich, Radiology 1991;179:469); no reader measures to
their tips."""

THIN = 0.5
"""Of half a nodule's thickness: coarse spicules, tags and vessels, thinner than this to each side,
belong to no diameter either, so that the body is measured. A body's own bumps stay, and so do all
of an ellipse twice as long as wide and 98 % of one three times as long."""


def outermost(section: NDArray[np.bool_]) -> Points:
    """Indices (n, 2) a quarter of a sample beyond the first and the last sample of each row."""
    rows = np.flatnonzero(section.any(axis=1))
    first, last = section[rows].argmax(axis=1), section[rows, ::-1].argmax(axis=1)
    ends = np.concatenate([first, section.shape[1] - 1 - last])
    index = np.column_stack([np.tile(rows, 2), ends]).astype(float)
    steps = np.array([[-0.25, 0], [0.25, 0], [0, -0.25], [0, 0.25]])
    points: Points = (index[:, None] + steps).reshape(-1, 2)
    return points


def most_reach(section: NDArray[np.bool_], step: ArrayLike) -> float:
    """No outline of a section is longer than this: the diagonal of the box around it, in mm."""
    sides = [np.ptp(np.flatnonzero(section.any(axis=axis))) + 1 for axis in (1, 0)]
    return float(np.linalg.norm(np.multiply(sides, step)))


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


def half_thickness(sections: Sequence[NDArray[np.bool_]], step: ArrayLike) -> float:
    """Radius (mm) of the largest disc that fits into any of some flat sections."""
    spacing = np.asarray(step, float)
    areas = [float(section.sum()) * float(spacing.prod()) for section in sections]
    widest = 0.0
    for n in np.argsort(areas)[::-1]:
        if np.pi * widest**2 >= areas[n]:
            break  # not even a disc of this area is wider
        depth = ndimage.distance_transform_edt(np.pad(sections[n], 1), sampling=spacing)
        widest = max(widest, float(depth.max()))
    return widest


def thin_radius(half: float, share: float = THIN) -> float:
    """Discs (mm) that fit into no thin thing beside a nodule, from its `half_thickness`."""
    return max(SPICULE_MM / 2, share * half)


def reach(outline: Points) -> float:
    """How long a convex outline is."""
    return length(longest(outline))


def length(caliper: Points) -> float:
    """Distance between a caliper's ends."""
    return float(np.linalg.norm(caliper[1] - caliper[0]))
