"""Smooth scalar fields of a phantom: its grid, its patient coordinates, tubes and noise.

Soft shapes are written as signed distances (mm, negative inside), evaluated on a coarse lattice
and interpolated with a cubic kernel: smooth surfaces keep sub-voxel accuracy at a hundredth of
the cost. A signed distance becomes a voxel's tissue fraction by a linear ramp one voxel wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Box = tuple[slice, slice, slice]
Point = tuple[float, float, float]
Axes = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Grid:
    """The voxels of a scan and how the standard patient is fitted to them.

    Parameters
    ----------
    shape, spacing : (z, y, x)
        Voxels and mm.
    top : float
        Standard-patient height (mm above the lung apices) of the uppermost slice.
    stretch : (z, y, x)
        World mm per standard-patient mm.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    top: float
    stretch: tuple[float, float, float]

    @classmethod
    def fitted(
        cls, shape: tuple[int, int, int], spacing: tuple[float, float, float]
    ) -> Grid:
        """A grid that shows the whole chest where its field of view allows one."""
        height, depth, width = (n * s for n, s in zip(shape, spacing, strict=True))
        tall = float(np.clip(height / 315.0, 0.62, 1.25))
        wide = float(np.clip(min(depth, width) / 346.0, 0.6, 1.12))
        spare = max(0.0, height / tall - 315.0)
        return cls(shape, spacing, 24.0 + 0.2 * spare, (tall, wide, wide))

    @property
    def origin(self) -> Point:
        """World position (x, y, z) of voxel (0, 0, 0): x and y centred, the top slice at z 0."""
        n, s = self.shape, self.spacing
        return (-(n[2] - 1) * s[2] / 2, -(n[1] - 1) * s[1] / 2, -(n[0] - 1) * s[0])

    @cached_property
    def axes(self) -> tuple[Floats, Floats, Floats]:
        """World mm of the voxel centres along z, y and x."""
        z, y, x = (
            (start + step * np.arange(n)).astype(np.float32)
            for start, step, n in zip(self.origin[::-1], self.spacing, self.shape, strict=True)
        )
        return z, y, x

    @property
    def voxel_mm(self) -> float:
        """Edge of the cube with a voxel's volume."""
        return float(np.prod(self.spacing) ** (1 / 3))

    def world(self, standard: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """World points (..., x y z) of standard-patient points."""
        points = np.asarray(standard, float) - (0.0, 0.0, self.top)
        return points * np.array(self.stretch[::-1])

    def standard(self, world: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Standard-patient points (..., x y z) of world points."""
        return np.asarray(world, float) / np.array(self.stretch[::-1]) + (0.0, 0.0, self.top)

    def box(self, low: NDArray[Any], high: NDArray[Any]) -> Box:
        """The voxels between two world corners (x, y, z), clipped to the grid."""
        first = (np.asarray(low)[::-1] - self.origin[::-1]) / self.spacing
        last = (np.asarray(high)[::-1] - self.origin[::-1]) / self.spacing
        z, y, x = (
            slice(min(max(int(np.ceil(a)), 0), n), min(max(int(np.floor(b)) + 1, 0), n))
            for a, b, n in zip(first, last, self.shape, strict=True)
        )
        return z, y, x

    @property
    def everywhere(self) -> Box:
        """The whole grid as a box."""
        return (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))


Shape = Callable[[Floats, Floats, Floats], Floats]
"""Signed distance (mm) at standard-patient x, y, z (broadcast to (z, y, x))."""


def cubic_weights(at: Floats, start: float, step: float, n: int) -> Floats:
    """Catmull-Rom weights (len(at), n) that interpolate n samples from ``start`` every ``step``."""
    where = np.clip((at - start) / step, 0.0, n - 1.0)
    base = np.clip(np.floor(where).astype(int), 0, max(n - 2, 0))
    t = where - base
    taps = (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (t**3 - t**2),
    )
    weights = np.zeros((len(at), n), np.float32)
    rows = np.arange(len(at))
    for shift, tap in zip((-1, 0, 1, 2), taps, strict=True):
        np.add.at(weights, (rows, np.clip(base + shift, 0, n - 1)), tap)
    return weights


def slabs(rows: slice, thick: int = 6) -> Iterator[slice]:
    """Runs of a few slices: pieces that stay in the processor's cache."""
    for first in range(rows.start, rows.stop, thick):
        yield slice(first, min(first + thick, rows.stop))


@dataclass(frozen=True, eq=False)
class Smooth:
    """A smooth field in a box of the grid, kept as a coarse lattice.

    Parameters
    ----------
    coarse : (z, y, x) float32
    weights : for z, y and x, (box's voxels, lattice's points)
        Interpolation weights.
    box : slices
    """

    coarse: Floats
    weights: tuple[Floats, Floats, Floats]
    box: Box

    def rows(self, slab: slice) -> Floats:
        """The field at some of the grid's slices, over the box's y and x."""
        wz, wy, wx = self.weights
        first = self.box[0].start
        planes = np.tensordot(wz[slab.start - first : slab.stop - first], self.coarse, 1)
        return np.matmul(np.matmul(wy, planes), wx.T)

    def full(self) -> Floats:
        """The field in the whole box."""
        values = np.empty([len(w) for w in self.weights], np.float32)
        for slab, here in self.pieces():
            values[here[0].start - self.box[0].start : here[0].stop - self.box[0].start] = (
                self.rows(slab)
            )
        return values

    def pieces(self) -> Iterator[tuple[slice, Box]]:
        """Slabs of the box, and the voxels each covers."""
        for slab in slabs(self.box[0]):
            yield slab, (slab, self.box[1], self.box[2])


def lattice(axes: Iterable[Floats], step: float) -> tuple[Floats, Floats, Floats]:
    """Coarse axes that cover the given ones."""
    covers = []
    for axis in axes:
        first, last = (axis[0], axis[-1]) if len(axis) else (0.0, 0.0)
        count = max(2, int(np.ceil((last - first) / step)) + 1)
        covers.append((first + step * np.arange(count)).astype(np.float32))
    z, y, x = covers
    return z, y, x


def interpolated(coarse: Floats, coarse_axes: Axes, step: float, grid: Grid, box: Box) -> Smooth:
    """A lattice's values as a field in a box of the grid."""
    wz, wy, wx = (
        cubic_weights(axis[cut], float(points[0]), step, len(points))
        for axis, cut, points in zip(grid.axes, box, coarse_axes, strict=True)
    )
    return Smooth(coarse, (wz, wy, wx), box)


def field(grid: Grid, shape: Shape, box: Box, step: float = 4.0) -> Smooth:
    """A shape in a box of the grid, through a lattice of ``step`` mm."""
    z, y, x = lattice([axis[cut] for axis, cut in zip(grid.axes, box, strict=True)], step)
    sz, sy, sx = (np.float32(s) for s in grid.stretch)
    top = np.float32(grid.top)
    coarse = shape(
        (x / sx)[None, None, :], (y / sy)[None, :, None], (z / sz + top)[:, None, None]
    )
    full = np.broadcast_to(coarse, (len(z), len(y), len(x))).astype(np.float32)
    return interpolated(full, (z, y, x), step, grid, box)


def noise(grid: Grid, rng: np.random.Generator, box: Box, length: float) -> Smooth:
    """Smooth noise of about unit variance in a box, with a correlation length in mm."""
    z, y, x = lattice([axis[cut] for axis, cut in zip(grid.axes, box, strict=True)], length)
    coarse = rng.standard_normal((len(z), len(y), len(x)), np.float32) * np.float32(1.3)
    return interpolated(coarse, (z, y, x), length, grid, box)


def fraction(distance: Floats, width: float) -> Floats:
    """How much of a voxel a shape fills, from its signed distance."""
    return np.clip(0.5 - distance / np.float32(width), 0.0, 1.0)


def blend(hu: Floats, amount: Floats, value: Floats | float) -> None:
    """Mix a tissue into voxels in place."""
    hu += amount * (value - hu)


def smooth_max(a: Floats, b: Floats, soft: float) -> Floats:
    """Intersection of two shapes with an edge rounded over ``soft`` mm."""
    h = np.clip(0.5 + 0.5 * (a - b) / soft, 0.0, 1.0)
    return b + (a - b) * h + soft * h * (1.0 - h)


def smooth_min(a: Floats, b: Floats, soft: float) -> Floats:
    """Union of two shapes, blended over ``soft`` mm."""
    return -smooth_max(-a, -b, soft)


def ellipsoid(
    x: Floats, y: Floats, z: Floats, centre: Point, radii: Point
) -> Floats:
    """Approximate signed distance to an ellipsoid."""
    u, v, w = ((p - c) / r for p, c, r in zip((x, y, z), centre, radii, strict=True))
    rho = np.sqrt(u * u + v * v + w * w) + 1e-6
    slope = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2) + 1e-6
    return rho * (rho - 1.0) / slope


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
        return replace(
            self, start_radius=self.start_radius + by, end_radius=self.end_radius + by
        )


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


def blend_box(hu: Floats, box: Box, amount: Floats, value: float) -> None:
    """Mix one tissue into a box of voxels in place, slab by slab."""
    inside = hu[box]
    for slab in slabs(slice(0, len(amount))):
        blend(inside[slab], amount[slab], value)


def paint(hu: Floats, grid: Grid, shape: Smooth, value: float) -> None:
    """Fill a shape, given by its signed distance, with one tissue in place."""
    for slab, here in shape.pieces():
        blend(hu[here], fraction(shape.rows(slab), grid.voxel_mm), value)


def paint_tubes(hu: Floats, grid: Grid, tubes: Tubes, value: float) -> None:
    """Fill tubes with one tissue in place."""
    blend_box(hu, *tube_fraction(grid, tubes, grid.voxel_mm), value)


def blurred(hu: Floats, sigma: tuple[float, float, float]) -> Floats:
    """Gaussian blur with a standard deviation in voxels per axis, none where below 0.25."""
    for axis, width in enumerate(sigma):
        if width > 0.25:
            hu = ndimage.gaussian_filter1d(hu, width, axis=axis, truncate=3.0, mode="nearest")
    return hu
