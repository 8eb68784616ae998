"""Smooth scalar fields of a phantom: its grid, its patient coordinates, shapes and noise.

Soft shapes are written as signed distances (mm, negative inside), evaluated on a coarse lattice
and interpolated with a cubic kernel: smooth surfaces keep sub-voxel accuracy at a hundredth of
the cost. A signed distance becomes a voxel's tissue fraction by a linear ramp one voxel wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.floating[Any]]
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
    def fitted(cls, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
        """A grid that shows the whole chest, or its middle where the scan is short.

        Raises
        ------
        ValueError
            When the field of view cannot hold a chest.
        """
        height, depth, width = (n * s for n, s in zip(shape, spacing, strict=True))
        if min(depth, width) < 190.0 or height < 60.0:
            raise ValueError(
                "A chest needs a field of view of at least 190 mm in plane and 60 mm in height; "
                f"shape {shape} with spacing {spacing} gives {depth:.0f} x {width:.0f} mm in "
                f"plane and {height:.0f} mm in height. Use more or larger voxels."
            )
        tall = float(np.clip(height / 315.0, 0.62, 1.25))
        wide = float(np.clip(min(depth, width) / 346.0, 0.6, 1.12))
        spare = height / tall - 315.0
        return cls(shape, spacing, 24.0 + (0.2 if spare > 0 else 0.45) * spare, (tall, wide, wide))

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


@dataclass(frozen=True, eq=False)
class Taps:
    """Catmull-Rom interpolation along one axis: four lattice points and weights per voxel.

    Parameters
    ----------
    index : (n, 4) int
    weight : (n, 4) float32
    """

    index: NDArray[np.int64]
    weight: Floats

    @classmethod
    def between(cls, at: Floats, start: float, step: float, n: int) -> Taps:
        """Taps at positions ``at`` among ``n`` samples from ``start`` every ``step``."""
        where = np.clip((at - start) / step, 0.0, n - 1.0)
        base = np.clip(np.floor(where).astype(np.int64), 0, max(n - 2, 0))
        t = where - base
        weights = (
            0.5 * (-t + 2 * t**2 - t**3),
            0.5 * (2 - 5 * t**2 + 3 * t**3),
            0.5 * (t + 4 * t**2 - 3 * t**3),
            0.5 * (t**3 - t**2),
        )
        index = np.clip(base[:, None] + np.arange(-1, 3), 0, n - 1)
        return cls(index, np.stack(weights, 1).astype(np.float32))

    def matrix(self, n: int) -> Floats:
        """The same as a matrix (voxels, n lattice points)."""
        full = np.zeros((len(self.index), n), np.float32)
        np.add.at(full, (np.arange(len(full))[:, None], self.index), self.weight)
        return full


def slabs(rows: slice, thick: int = 4) -> Iterator[slice]:
    """Runs of a few slices: pieces that stay in the processor's cache."""
    for first in range(rows.start, rows.stop, thick):
        yield slice(first, min(first + thick, rows.stop))


@dataclass(frozen=True, eq=False)
class Smooth:
    """A smooth field in a box of the grid, interpolated from a lattice slab by slab.

    Parameters
    ----------
    lines : (lattice z, lattice y, box x) float32
        The lattice's values, already interpolated along x.
    z, y : Taps
    box : slices
    """

    lines: Floats
    z: Taps
    y: Taps
    box: Box

    def rows(self, slab: slice) -> Floats:
        """The field at some of the grid's slices, over the box's y and x."""
        first = self.box[0].start
        cut = slice(slab.start - first, slab.stop - first)
        index, weight = self.z.index[cut], self.z.weight[cut]
        planes = self.lines[index[:, 0]] * weight[:, 0, None, None]
        for tap in range(1, 4):
            planes += self.lines[index[:, tap]] * weight[:, tap, None, None]
        values = np.take(planes, self.y.index[:, 0], 1)
        values *= self.y.weight[:, 0, None]
        for tap in range(1, 4):
            more = np.take(planes, self.y.index[:, tap], 1)
            more *= self.y.weight[:, tap, None]
            values += more
        return values

    def full(self) -> Floats:
        """The field in the whole box."""
        values = np.empty([cut.stop - cut.start for cut in self.box], np.float32)
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
    z, y, x = (
        Taps.between(axis[cut], float(points[0]), step, len(points))
        for axis, cut, points in zip(grid.axes, box, coarse_axes, strict=True)
    )
    lines = coarse.reshape(-1, coarse.shape[2]) @ x.matrix(coarse.shape[2]).T
    return Smooth(lines.reshape(*coarse.shape[:2], -1), z, y, box)


def field(grid: Grid, shape: Shape, box: Box, step: float = 4.0) -> Smooth:
    """A shape in a box of the grid, through a lattice of ``step`` mm (coarser on a coarse grid)."""
    step = max(step, 1.6 * grid.voxel_mm)
    z, y, x = lattice([axis[cut] for axis, cut in zip(grid.axes, box, strict=True)], step)
    sz, sy, sx = (np.float32(s) for s in grid.stretch)
    top = np.float32(grid.top)
    coarse = shape((x / sx)[None, None, :], (y / sy)[None, :, None], (z / sz + top)[:, None, None])
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


def ellipsoid(x: Floats, y: Floats, z: Floats, centre: Point, radii: Point) -> Floats:
    """Approximate signed distance to an ellipsoid."""
    u, v, w = ((p - c) / r for p, c, r in zip((x, y, z), centre, radii, strict=True))
    rho = np.sqrt(u * u + v * v + w * w) + 1e-6
    slope = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2) + 1e-6
    return rho * (rho - 1.0) / slope


def blend_box(hu: Floats, box: Box, amount: Floats, value: float) -> None:
    """Mix one tissue into a box of voxels in place, slab by slab."""
    inside = hu[box]
    for slab in slabs(slice(0, len(amount))):
        blend(inside[slab], amount[slab], value)


def paint(hu: Floats, grid: Grid, shape: Smooth, value: float) -> None:
    """Fill a shape, given by its signed distance, with one tissue in place."""
    for slab, here in shape.pieces():
        blend(hu[here], fraction(shape.rows(slab), grid.voxel_mm), value)


def blurred(hu: Floats, sigma: tuple[float, float, float]) -> Floats:
    """Gaussian blur with a standard deviation in voxels per axis, none where below 0.25."""
    for axis, width in enumerate(sigma):
        if width > 0.25:
            hu = ndimage.gaussian_filter1d(hu, width, axis=axis, truncate=3.0, mode="nearest")
    return hu
