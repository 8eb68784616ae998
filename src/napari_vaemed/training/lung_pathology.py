"""Dense lung pasted into a scan whose lungs are known: what a threshold loses.

Everything is painted inside the true lungs, on the grid of `preprocessing.lung_planes`, with the
scan's own noise; so the mask of the scan stays the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG, in_lungs

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

RIM_MM = 3.5
"""So far beyond the lung its edge may still show, half air: that goes too."""

SOFT_HU = -150.0
WATER_HU, CONSOLIDATED_HU, COLLAPSED_HU = (0.0, 25.0), (15.0, 70.0), (30.0, 90.0)
AIRY_HU = -600.0


@dataclass(frozen=True, eq=False)
class Side:
    """One lung to paint in.

    Parameters
    ----------
    mask : (z, y, x) bool
    depth : (z, y, x) float32
        Millimetres from the lung's surface; 0 outside.
    at : three arrays that broadcast to (z, y, x)
        Millimetres from the lung's centre, along z, y and x.
    outwards : int
        The sign of x away from the mediastinum.
    spacing : (z, y, x) mm
    """

    mask: Mask
    depth: Floats
    at: tuple[Floats, Floats, Floats]
    outwards: int
    spacing: tuple[float, float, float]

    def grain(self, rng: np.random.Generator, length_mm: float) -> Floats:
        """Smooth noise of unit variance with that length."""
        noise = rng.standard_normal(self.mask.shape).astype(np.float32)
        smooth = ndimage.gaussian_filter(noise, length_mm / np.array(self.spacing), mode="wrap")
        return (smooth / max(float(smooth.std()), 1e-6)).astype(np.float32)

    def inner_point(self, rng: np.random.Generator) -> tuple[float, float, float]:
        """A place in the lung, mm from its centre, rather near the surface."""
        inside = np.argwhere(self.mask)
        tried = inside[rng.integers(len(inside), size=3)]
        nearest = tried[np.argmin(self.depth[tuple(tried.T)])]
        z, y, x = (float(axis.ravel()[i]) for axis, i in zip(self.at, nearest, strict=True))
        return z, y, x

    def apart(self, point: tuple[float, float, float]) -> list[Floats]:
        """Millimetres from a place, along each axis."""
        return [axis - np.float32(p) for axis, p in zip(self.at, point, strict=True)]


Painted = tuple[Floats, Floats]
"""How much of each voxel is taken, 0 to 1, and its HU then."""

Kind = Callable[[Side, np.random.Generator], Painted]


def consolidation(side: Side, rng: np.random.Generator) -> Painted:
    """An airless patch with a ragged edge and, in half of them, bronchi that kept their air."""
    radius = rng.uniform(18, 65)
    far = _far(side.apart(side.inner_point(rng)), rng.uniform(0.7, 1.4, 3))
    rough = far - radius + rng.uniform(3, 10) * side.grain(rng, rng.uniform(5, 14))
    hu = _hu(side, rng, CONSOLIDATED_HU)
    if rng.random() < 0.5:
        airy = np.abs(side.grain(rng, 6.0)) + np.abs(side.grain(rng, 9.0)) < 0.18
        hu[airy] = AIRY_HU
    return _below(rough, rng.uniform(1.5, 6)), hu


def lobe(side: Side, rng: np.random.Generator) -> Painted:
    """All of a lung behind a plane that leans as a fissure does, as in a lobar pneumonia."""
    z, y, x = side.apart(side.inner_point(rng))
    lean, turn = np.deg2rad(rng.uniform((20, -15), (75, 15)))
    over = np.cos(lean) * z - np.sin(lean) * y + np.sin(turn) * x
    over = over * rng.choice([1, -1], p=[0.8, 0.2])  # mostly the lower and hinder part
    rough = over + rng.uniform(1, 4) * side.grain(rng, 9.0)
    return _below(rough, rng.uniform(1, 4)), _hu(side, rng, CONSOLIDATED_HU)


def effusion(side: Side, rng: np.random.Generator) -> Painted:
    """Fluid that has run to the back, thickest at the base, with collapsed lung beneath it."""
    z, y, x = side.at
    reach = _ramp(-z, rng.uniform(-60, 60), rng.uniform(60, 160))
    angle = y / np.sqrt(y**2 + x**2 + 1)
    lean = rng.uniform(-0.2, 0.5)
    thick = rng.uniform(20, 90) * reach * (angle + lean).clip(0, 1)
    over = side.depth - thick + 1.5 * side.grain(rng, 15.0)
    band = rng.uniform(0, 15) * (thick > 4)
    hu = np.where(over < 0, _hu(side, rng, WATER_HU), _hu(side, rng, COLLAPSED_HU))
    taken = _below(over - band, rng.uniform(1, 3)) * (thick > 2)
    return taken.astype(np.float32), hu.astype(np.float32)


def fluid_level(side: Side, rng: np.random.Generator) -> Painted:
    """Everything behind a level, as when the lung floats on a large effusion."""
    z, y, x = side.at
    hind = float(y.ravel()[np.flatnonzero(side.mask.any(axis=(0, 2)))[-1]])
    level = hind - rng.uniform(15, 110)
    over = level - y + rng.uniform(-0.1, 0.5) * z + rng.uniform(0, 0.2) * side.outwards * -x
    over = over + 2 * side.grain(rng, 12.0)
    return _below(over, rng.uniform(1, 4)), _hu(side, rng, WATER_HU)


def atelectasis(side: Side, rng: np.random.Generator) -> Painted:
    """Collapsed lung at the base or as a wedge from the hilum."""
    hu = _hu(side, rng, COLLAPSED_HU)
    grain = rng.uniform(1, 4) * side.grain(rng, 8.0)
    z, y, _ = side.at
    if rng.random() < 0.5:
        lowest = float(z.ravel()[np.flatnonzero(side.mask.any(axis=(1, 2)))[0]])
        over = z - lowest - rng.uniform(15, 80) - rng.uniform(0, 0.8) * y
        return _below(over + grain, 2.0), hu
    dz, dy, dx = side.apart(side.inner_point(rng))
    turn = rng.uniform(-np.pi, np.pi)
    along = np.cos(turn) * dy + np.sin(turn) * dx
    aside = np.abs(-np.sin(turn) * dy + np.cos(turn) * dx)
    wedge = np.maximum(aside - 0.5 * (along + 25), np.abs(dz) - rng.uniform(8, 30))
    return _below(wedge + grain, 2.0), hu


def ground_glass(side: Side, rng: np.random.Generator) -> Painted:
    """Patches of haze, mostly under the pleura."""
    where = side.grain(rng, rng.uniform(10, 25)) + 0.5 * side.grain(rng, 5.0)
    where = where - side.depth / rng.uniform(10, 40) + rng.uniform(-0.5, 1.0)
    hu = _hu(side, rng, (-650.0, -250.0)) + 60 * side.grain(rng, 4.0)
    return (1.2 * where).clip(0, 1).astype(np.float32), hu


def white_lung(side: Side, rng: np.random.Generator) -> Painted:
    """The whole lung without air, but for a rest."""
    left = side.grain(rng, 20.0) - rng.uniform(1.3, 4)
    return _below(8 * left, 4.0), _hu(side, rng, (5.0, 60.0))


def mass(side: Side, rng: np.random.Generator) -> Painted:
    """A lobulated mass of 5 to 10 cm on the pleura."""
    radius = rng.uniform(25, 50)
    point = side.inner_point(rng)
    z, y, x = side.apart(point)
    bumps = [(rng.normal(0, 0.5 * radius, 3), rng.uniform(0.5, 0.8) * radius) for _ in range(4)]
    over = np.sqrt(z**2 + y**2 + x**2) - radius
    for (bz, by, bx), r in bumps:
        apart = np.sqrt((z - bz) ** 2 + (y - by) ** 2 + (x - bx) ** 2)
        over = np.minimum(over, apart - r)
    hu = _hu(side, rng, (25.0, 60.0))
    if rng.random() < 0.5:  # the middle of it dead
        hu[over < -0.6 * radius] -= 20
    return _below(over.astype(np.float32), 1.5), hu


def loculated_effusion(side: Side, rng: np.random.Generator) -> Painted:
    """A lens of fluid held on the side or front wall."""
    turn = rng.uniform(-np.pi / 2, np.pi / 4)
    y, x = (axis - np.float32(0) for axis in side.at[1:])
    along = np.cos(turn) * side.outwards * x + np.sin(turn) * y
    inside = side.mask & (np.abs(side.at[0]) < 25)
    wall = float(np.broadcast_to(along, side.mask.shape)[inside].max()) if inside.any() else 60.0
    thick, tall = rng.uniform(25, 50), rng.uniform(90, 170)
    aside = np.abs(-np.sin(turn) * side.outwards * x + np.cos(turn) * y)
    middle = side.at[0] - np.float32(rng.uniform(-40, 40))
    lens = ((wall - along) / thick) ** 2 + (aside / (0.7 * tall)) ** 2 + (middle / tall) ** 2
    over = (np.sqrt(lens) - 1) * thick
    return _below(over.astype(np.float32), 1.5), _hu(side, rng, WATER_HU)


LEARNED_KINDS: tuple[Kind, ...] = (
    consolidation, lobe, effusion, fluid_level, atelectasis, ground_glass, white_lung,
)  # fmt: skip
"""What a lung network is taught."""

UNSEEN_KINDS: tuple[Kind, ...] = (mass, loculated_effusion)
"""What is kept back from it, to see whether it has understood."""


def paste(
    hu: NDArray[np.float32],
    labels: NDArray[np.uint8],
    spacing: tuple[float, float, float],
    kinds: tuple[Kind, ...],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Paint these kinds into the lungs, each into one of them drawn anew.

    Parameters
    ----------
    hu : (z, y, x) float32
    labels : (z, y, x) uint8
        The lungs, see `data.labels`.
    spacing : (z, y, x) mm
    """
    painted = hu.copy()
    noise = np.float32(noise_of(hu, labels))
    there = [label for label in (RIGHT_LUNG, LEFT_LUNG) if np.any(labels == label)]
    for kind in kinds if there else ():
        box, side = _side(labels, there[rng.integers(len(there))], spacing)
        here = painted[box]
        taken, dense = kind(side, rng)
        grain = rng.standard_normal(here.shape).astype(np.float32)
        grain = ndimage.gaussian_filter(grain, (0, 0.5, 0.5)) / np.float32(0.56)
        denser = np.maximum(dense + noise * grain - here, 0)
        here += np.where(side.mask | _rim(side, here), taken, 0) * denser
    return painted


def noise_of(hu: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Standard deviation of a scan's noise, HU, from soft tissue outside the lungs."""
    tissue = (hu > 0) & (hu < 120) & ~in_lungs(labels)
    tissue &= ndimage.minimum_filter(hu, (1, 5, 5)) > -20
    rough = hu - ndimage.uniform_filter(hu, (1, 3, 3))
    if np.count_nonzero(tissue) < 100:
        return 10.0
    return float(1.4826 * np.median(np.abs(rough[tissue])) / np.sqrt(8 / 9))


def _side(
    labels: NDArray[np.uint8], label: int, spacing: tuple[float, float, float]
) -> tuple[tuple[slice, ...], Side]:
    """A lung, and the box of the scan with a margin that it lies in."""
    (found,) = ndimage.find_objects((labels == label).view(np.uint8))
    margin = [int(np.ceil(RIM_MM / mm)) + 1 for mm in spacing]
    box = tuple(slice(max(f.start - m, 0), f.stop + m) for f, m in zip(found, margin, strict=True))
    mask = labels[box] == label
    centre = ndimage.center_of_mass(mask)
    z, y, x = (
        ((np.arange(n) - c) * mm).astype(np.float32)
        for n, c, mm in zip(mask.shape, centre, spacing, strict=True)
    )
    depth = ndimage.distance_transform_edt(np.pad(mask, 1, "edge"), sampling=spacing)
    inner = depth[1:-1, 1:-1, 1:-1].astype(np.float32)
    at = (z[:, None, None], y[None, :, None], x[None, None, :])
    return box, Side(mask, inner, at, -1 if label == RIGHT_LUNG else 1, spacing)


def _rim(side: Side, hu: NDArray[np.float32]) -> Mask:
    """Samples beside the lung that hold some of its air: a dense lung has no such rim."""
    near = ndimage.distance_transform_edt(~side.mask, sampling=side.spacing) < RIM_MM
    return near & ~side.mask & (hu < SOFT_HU)


def _far(apart: list[Floats], stretch: NDArray[np.float64]) -> Floats:
    z, y, x = (axis / np.float32(s) for axis, s in zip(apart, stretch, strict=True))
    far: Floats = np.sqrt(z**2 + y**2 + x**2)
    return far


def _below(over: Floats, soft_mm: float) -> Floats:
    """1 where ``over`` (mm) is well below zero, 0 well above, straight between."""
    share: Floats = (0.5 - over / np.float32(soft_mm)).clip(0, 1).astype(np.float32)
    return share


def _ramp(along: Floats, start: float, length: float) -> Floats:
    rising: Floats = ((along + np.float32(start)) / np.float32(length)).clip(0, 1)
    return rising


def _hu(side: Side, rng: np.random.Generator, span: tuple[float, float]) -> Floats:
    """One density drawn from a span, a little uneven."""
    uneven = np.float32(rng.uniform(0, 8)) * side.grain(rng, 12.0)
    return (np.float32(rng.uniform(*span)) + uneven).astype(np.float32)
