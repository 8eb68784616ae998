"""Nodules of a phantom: star-shaped bodies of known volume, planted in the lungs.

A nodule's radius is a smooth function of direction; its volume is measured on samples far finer
than the scan's voxels and scaled to the diameter asked for, so that the truth does not depend on
the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data import diameters as calipers
from napari_vaemed.data.phantom_fields import Box, Floats, Grid

KINDS = (
    "solid",
    "part-solid",
    "ground-glass",
    "spiculated",
    "juxtapleural",
    "juxtavascular",
    "calcified",
    "cavitated",
)
CORE_HU = {
    "solid": 35.0,
    "part-solid": 20.0,
    "ground-glass": -570.0,
    "spiculated": 40.0,
    "juxtapleural": 35.0,
    "juxtavascular": 35.0,
    "calcified": 480.0,
    "cavitated": 30.0,
}
CORE_SHARE = 0.55
"""Radius of a part-solid nodule's solid part, as a share of the nodule's in that direction."""

GAP_MM = 10.0
SIDES = {"right": -1, "left": 1}
ZONES = ("upper", "middle", "lower")


@dataclass(frozen=True)
class NoduleSpec:
    """A nodule to plant.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    diameter_mm : float
        Of the sphere with the nodule's volume.
    side : "right", "left" or None
        None: either lung.
    zone : "upper", "middle", "lower" or None
        Third of the lung's height; None: any.
    """

    kind: str
    diameter_mm: float
    side: str | None = None
    zone: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"A nodule's kind is one of {', '.join(KINDS)}; got {self.kind!r}.")
        if not 2.0 <= self.diameter_mm <= 40.0:
            raise ValueError(
                f"A nodule's diameter must lie between 2 and 40 mm; got {self.diameter_mm}."
            )
        if self.side not in (None, *SIDES):
            raise ValueError(f"A side is 'right', 'left' or None; got {self.side!r}.")
        if self.zone not in (None, *ZONES):
            raise ValueError(f"A zone is one of {', '.join(ZONES)} or None; got {self.zone!r}.")


@dataclass(frozen=True)
class PlantedNodule:
    """The truth of one planted nodule.

    Parameters
    ----------
    label : int
        Its value in the label map.
    kind : str
        One of `KINDS`.
    centre_mm : (x, y, z)
        Centre of mass in patient coordinates, LPS mm.
    diameter_mm : float
        Of the sphere with its volume.
    volume_mm3 : float
        Measured on fine samples, not by counting the scan's voxels. A cavity counts as nodule.
    hu : float
        Of its core: the solid part of a part-solid nodule, the wall of a cavitated one, the
        calcified centre of a calcified one.
    longest_mm, perpendicular_mm : float
        The longest diameter of any one axial section, and the longest across it there (RECIST),
        on fine samples; what is thin beside the body does not count (`diameters.THIN`).
    solid_mm3 : float or None
        Volume of a part-solid nodule's solid part.
    """

    label: int
    kind: str
    centre_mm: tuple[float, float, float]
    diameter_mm: float
    volume_mm3: float
    hu: float
    longest_mm: float
    perpendicular_mm: float
    solid_mm3: float | None = None


@dataclass(frozen=True, eq=False)
class Body:
    """A star-shaped body: radius = scale * (1 + bumps) in each direction.

    Parameters
    ----------
    scale : float
        mm.
    bumps : (n, 5)
        Direction x, y, z, height relative to the radius, and sharpness; sharp ones are spikes.
    """

    scale: float
    bumps: NDArray[np.float64]

    @classmethod
    def drawn(cls, rng: np.random.Generator, kind: str) -> Body:
        """A random body of unit scale."""
        soft = 7
        heights, sharpness = rng.uniform(-0.13, 0.13, soft), rng.uniform(2.0, 7.0, soft)
        if kind == "spiculated":
            spikes = int(rng.integers(14, 21))
            heights = np.concatenate([heights, rng.uniform(0.3, 0.65, spikes)])
            sharpness = np.concatenate([sharpness, rng.uniform(60.0, 110.0, spikes)])
        directions = rng.standard_normal((len(heights), 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return cls(1.0, np.column_stack([directions, heights, sharpness]))

    @property
    def reach(self) -> float:
        """The largest radius in mm, from above."""
        return self.scale * (1.0 + float(np.maximum(self.bumps[:, 3], 0).max()) + 0.25)

    def distance(self, dx: Floats, dy: Floats, dz: Floats) -> tuple[Floats, Floats]:
        """Distance to the surface along the ray from the centre (mm), and relative radius."""
        far = np.sqrt(dx * dx + dy * dy + dz * dz) + np.float32(1e-4)
        radius = np.ones(np.broadcast(dx, dy, dz).shape, np.float32)
        for x, y, z, height, sharpness in self.bumps.astype(np.float32):
            cosine = (dx * x + dy * y + dz * z) / far
            radius += height * np.exp(sharpness * (cosine - 1.0))
        radius *= np.float32(self.scale)
        return far - radius, far / radius


@dataclass(frozen=True, eq=False)
class Seat:
    """A body at its place, sampled finely over the voxels around it.

    Parameters
    ----------
    centre : (3,) x, y, z
        World mm.
    body : Body
    box : slices
        Voxels that hold it.
    fine : (z, y, x) int
        Samples per voxel along each axis.
    """

    centre: NDArray[np.float64]
    body: Body
    box: Box
    fine: tuple[int, int, int]

    @classmethod
    def at(cls, grid: Grid, centre: NDArray[np.float64], body: Body) -> Seat:
        """Sample every 0.5 mm or finer (one sixteenth of the diameter for small bodies)."""
        step = float(np.clip(body.scale / 8.0, 0.2, 0.5))
        z, y, x = (max(1, int(np.ceil(s / step))) for s in grid.spacing)
        margin = body.reach + max(grid.spacing)
        return cls(centre, body, grid.box(centre - margin, centre + margin), (z, y, x))

    def samples(self, grid: Grid) -> tuple[Floats, Floats, Floats]:
        """Offsets (mm) of the fine samples from the centre, broadcastable, as x, y, z."""
        offsets = []
        for axis in range(3):
            n, step = self.fine[axis], grid.spacing[axis]
            inside = ((np.arange(n) + 0.5) / n - 0.5) * step
            middle = grid.axes[axis][self.box[axis]]
            fine = (middle[:, None] + inside).ravel() - self.centre[2 - axis]
            offsets.append(fine.astype(np.float32))
        z, y, x = offsets
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def per_voxel(self, samples: Floats) -> Floats:
        """Mean of the fine samples in each voxel."""
        shape: list[int] = []
        for n, fine in zip(samples.shape, self.fine, strict=True):
            shape += [n // fine, fine]
        return samples.reshape(shape).mean((1, 3, 5), dtype=np.float32)

    def refined(self, coarse: Floats) -> Floats:
        """A smooth field of the box's voxels at the fine samples."""
        for axis, fine in enumerate(self.fine):
            n = coarse.shape[axis]
            at = (np.arange(n * fine) + 0.5) / fine - 0.5
            low = np.clip(np.floor(at).astype(int), 0, max(n - 2, 0))
            shape = [-1 if a == axis else 1 for a in range(3)]
            t = (at - low).astype(np.float32).reshape(shape)
            high = np.minimum(low + 1, n - 1)
            coarse = np.take(coarse, low, axis) * (1 - t) + np.take(coarse, high, axis) * t
        return coarse


def sized(
    grid: Grid, centre: NDArray[np.float64], body: Body, diameter: float, lung: Floats | None
) -> tuple[Seat, NDArray[np.bool_], Floats]:
    """Scale a body at its place until its volume is right.

    Parameters
    ----------
    lung : (z, y, x) or None
        Signed distance to the lung; given, the body ends where the lung does.

    Returns
    -------
    The seat, whether each fine sample is inside, and its relative radius.
    """
    wanted = np.pi / 6 * diameter**3
    body = replace(body, scale=diameter / 2)
    for _ in range(5):
        seat = Seat.at(grid, centre, body)
        distance, relative = body.distance(*seat.samples(grid))
        inside = distance < 0
        if lung is not None:
            inside &= seat.refined(lung[seat.box]) < 0
        volume = inside.sum() * float(np.prod(np.divide(grid.spacing, seat.fine)))
        if abs(volume / wanted - 1) < 0.002:
            break
        body = replace(body, scale=body.scale * (wanted / max(volume, 1e-3)) ** (1 / 3))
    return seat, inside, relative


def layers(kind: str, relative: Floats) -> Floats:
    """HU of a nodule at each fine sample."""
    hu = np.full(relative.shape, CORE_HU[kind], np.float32)
    if kind == "part-solid":
        hu[relative > CORE_SHARE] = -520.0
    elif kind == "calcified":
        hu[relative > 0.7] = 60.0
    elif kind == "cavitated":
        hu[relative < 0.55] = -900.0
    return hu


def plant(
    hu: Floats,
    labels: NDArray[np.uint16],
    grid: Grid,
    spec: NoduleSpec,
    label: int,
    centre: NDArray[np.float64],
    lung: Floats,
    rng: np.random.Generator,
) -> PlantedNodule:
    """Blend one nodule into ``hu`` and ``labels`` in place and give its truth."""
    body = Body.drawn(rng, spec.kind)
    bound = lung if spec.kind == "juxtapleural" else None
    seat, inside, relative = sized(grid, centre, body, spec.diameter_mm, bound)
    amount = seat.per_voxel(inside.astype(np.float32))
    inner = layers(spec.kind, relative)
    painted, share = inside, amount
    if bound is not None:  # a voxel into the wall, or its partial volume leaves a dark line
        painted = (relative < 1) & (seat.refined(bound[seat.box]) < grid.voxel_mm)
        share = seat.per_voxel(painted.astype(np.float32))
    sheer = seat.per_voxel(painted * inner)
    old = hu[seat.box]
    if spec.kind in ("ground-glass", "part-solid"):
        texture = ndimage.gaussian_filter(
            rng.standard_normal(old.shape, np.float32), 1.0
        ) * np.float32(60.0)
        new = sheer + amount * texture + (1 - amount) * old
        hu[seat.box] = np.where(amount > 0, np.maximum(new, old), old)
    else:
        hu[seat.box] = sheer + (1 - share) * old
    labels[seat.box][amount >= 0.5] = label
    return _truth(spec, label, grid, seat, inside, relative)


def _truth(
    spec: NoduleSpec,
    label: int,
    grid: Grid,
    seat: Seat,
    inside: NDArray[np.bool_],
    relative: Floats,
) -> PlantedNodule:
    """What is true of a planted nodule, from its fine samples."""
    offsets = seat.samples(grid)
    x, y, z = (
        float((inside * offset).sum() / inside.sum()) + float(c)
        for offset, c in zip(offsets, seat.centre, strict=True)
    )
    sample_mm3 = float(np.prod(np.divide(grid.spacing, seat.fine)))
    volume = float(inside.sum()) * sample_mm3
    longest, perpendicular = axial_diameters(inside, offsets[1], offsets[0])
    solid = float((inside & (relative <= CORE_SHARE)).sum()) * sample_mm3
    return PlantedNodule(
        label=label,
        kind=spec.kind,
        centre_mm=(x, y, z),
        diameter_mm=(6 * volume / np.pi) ** (1 / 3),
        volume_mm3=volume,
        hu=CORE_HU[spec.kind],
        longest_mm=longest,
        perpendicular_mm=perpendicular,
        solid_mm3=solid if spec.kind == "part-solid" else None,
    )


def axial_diameters(inside: NDArray[np.bool_], y: Floats, x: Floats) -> tuple[float, float]:
    """The longest diameter (mm) of any one axial section, and the longest across it there.

    Both end a quarter of a sample beyond the outermost ones, as `segmentation.measure` ends them.
    What is thin beside the body does not count (`diameters.THIN`).
    """
    step = np.array([float(np.diff(axis.ravel()[:2])[0]) for axis in (y, x)])
    sections = [section for section in inside if section.any()]
    thin = calipers.thin_radius(calipers.half_thickness(sections, step))
    best, chosen = 0.0, np.zeros((0, 2))
    for section in sorted(sections, key=lambda each: -calipers.most_reach(each, step)):
        if calipers.most_reach(section, step) <= best:
            break
        body = calipers.opened(section, thin, step)
        if body.any():
            outline = calipers.convex_outline(calipers.outermost(body) * step)
            if calipers.reach(outline) > best:
                best, chosen = calipers.reach(outline), outline
    if not best:
        return 0.0, 0.0
    return best, calipers.length(calipers.across(chosen, calipers.longest(chosen)))


DEFAULT_NODULES: Sequence[NoduleSpec] = (
    NoduleSpec("solid", 9.0, "right", "upper"),
    NoduleSpec("part-solid", 18.0, "left", "upper"),
    NoduleSpec("ground-glass", 14.0, "right", "middle"),
    NoduleSpec("spiculated", 20.0, "right", "upper"),
    NoduleSpec("juxtapleural", 12.0, "left", "middle"),
    NoduleSpec("juxtavascular", 10.0, "right", "lower"),
    NoduleSpec("calcified", 7.0, "left", "lower"),
    NoduleSpec("cavitated", 22.0, "left", "lower"),
    NoduleSpec("solid", 6.0, "right", "middle"),
)
