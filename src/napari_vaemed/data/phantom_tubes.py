"""Tubes of a phantom: the tapered pieces that vessels, airways and ribs are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.phantom_fields import Box, Floats, Grid, blend_box


@dataclass(frozen=True, eq=False)
class Tubes:
    """Straight tapered pieces of vessels, airways or bones in world mm.

    Parameters
    ----------
    start, end : (n, 3) x, y, z
    start_radius, end_radius : (n,)
    flat : (n, 3) x, y, z
        Direction in which the section is thinner; its length squared plus one is the squared
        ratio of width to thickness. Zero for round tubes.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    start_radius: NDArray[np.float64]
    end_radius: NDArray[np.float64]
    flat: NDArray[np.float64]

    @classmethod
    def along(
        cls, points: NDArray[Any], radii: NDArray[Any] | float, flat: NDArray[Any] | None = None
    ) -> Tubes:
        """A polyline (n, 3) with a radius, and perhaps a flat direction, at each point."""
        points = np.asarray(points, float)
        r = np.broadcast_to(np.asarray(radii, float), len(points))
        across = np.zeros_like(points) if flat is None else np.asarray(flat, float)
        return cls(points[:-1], points[1:], r[:-1], r[1:], across[:-1])

    @classmethod
    def together(cls, parts: Iterable[Tubes]) -> Tubes:
        """All pieces in one."""
        parts = list(parts)
        names = ("start", "end", "start_radius", "end_radius", "flat")
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def grown(self, by: float) -> Tubes:
        """The same with every radius larger by some mm."""
        return replace(self, start_radius=self.start_radius + by, end_radius=self.end_radius + by)


def boxes(grid: Grid, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.int64]:
    """First and last-plus-one voxel (n, 2, 3 as z, y, x) of boxes between world corners."""
    origin, spacing = np.array(grid.origin[::-1]), np.array(grid.spacing)
    first = np.ceil((low[:, ::-1] - origin) / spacing)
    last = np.floor((high[:, ::-1] - origin) / spacing) + 1
    return np.clip(np.stack([first, last], 1), 0, grid.shape).astype(np.int64)


def tube_fraction(grid: Grid, tubes: Tubes, soft: float) -> tuple[Box, Floats]:
    """How much of each voxel the tubes fill, in the box around them all.

    Tubes thinner than ``soft`` (mm, about a voxel) fill a voxel only in part.
    """
    radius = np.maximum(tubes.start_radius, tubes.end_radius)
    margin = (radius + soft)[:, None]
    low = np.minimum(tubes.start, tubes.end) - margin
    high = np.maximum(tubes.start, tubes.end) + margin
    bounds = boxes(grid, low, high)
    usable = np.flatnonzero((bounds[:, 1] > bounds[:, 0]).all(1))
    if len(usable) == 0:
        return (slice(0, 0),) * 3, np.zeros((0, 0, 0), np.float32)
    first, last = bounds[usable, 0].min(0), bounds[usable, 1].max(0)
    into = np.zeros(last - first, np.float32)
    z, y, x = (axis[a:b] for axis, a, b in zip(grid.axes, first, last, strict=True))
    along = (tubes.end - tubes.start).astype(np.float32)
    inverse = (1 / np.maximum(np.square(along).sum(1), 1e-9)).astype(np.float32)
    scale = (np.minimum(1.0, 2.0 * radius / soft)).astype(np.float32)
    start, flat = tubes.start.astype(np.float32), tubes.flat.astype(np.float32)
    r0, slope = tubes.start_radius, tubes.end_radius - tubes.start_radius
    r0, slope = (r0 / soft + 0.5).astype(np.float32), (slope / soft).astype(np.float32)
    for i in usable:
        (z0, y0, x0), (z1, y1, x1) = (bounds[i] - first).tolist()
        dx = (x[x0:x1] - start[i, 0])[None, None, :]
        dy = (y[y0:y1] - start[i, 1])[None, :, None]
        dz = (z[z0:z1] - start[i, 2])[:, None, None]
        ax, ay, az = along[i]
        t = (dx * ax + dy * ay) + dz * az
        t *= inverse[i]
        np.maximum(t, 0.0, out=t)
        np.minimum(t, 1.0, out=t)
        gap = np.square(dx - t * ax)
        gap += np.square(dy - t * ay)
        gap += np.square(dz - t * az)
        if flat[i].any():
            fx, fy, fz = flat[i]
            gap += np.square(dx * fx + dy * fy + dz * fz - t * np.dot(along[i], flat[i]))
        np.sqrt(gap, out=gap)
        gap *= np.float32(-1 / soft)
        gap += r0[i] + t * slope[i]
        np.minimum(gap, 1.0, out=gap)
        gap *= scale[i]
        here = into[z0:z1, y0:y1, x0:x1]
        np.maximum(here, gap, out=here)
    box = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return (box[0], box[1], box[2]), into


def paint_tubes(hu: Floats, grid: Grid, tubes: Tubes, value: float) -> None:
    """Fill tubes with one tissue in place."""
    blend_box(hu, *tube_fraction(grid, tubes, grid.voxel_mm), value)
