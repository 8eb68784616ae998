"""Where a phantom's nodules go: apart from each other, inside the lungs, on what they touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_vaemed.data.phantom_fields import Floats, Grid
from napari_vaemed.data.phantom_nodules import GAP_MM, SIDES, ZONES, NoduleSpec
from napari_vaemed.data.phantom_tubes import Tubes

TRIES = 12
COSTAL_MM = 60.0


@dataclass(frozen=True, eq=False)
class Sites:
    """Random points of one lung that could become a nodule's centre.

    Parameters
    ----------
    points : (n, 3) x, y, z
        World mm.
    depth : (n,)
        Distance to the lung's surface, mm.
    room : (n,)
        Distance to the nearest vessel's wall, mm.
    """

    points: NDArray[np.float64]
    depth: NDArray[np.float64]
    room: NDArray[np.float64]


def reach(spec: NoduleSpec) -> float:
    """Largest distance (mm) from a nodule's centre to its rim, from above."""
    return spec.diameter_mm / 2 * (1.75 if spec.kind == "spiculated" else 1.3)


def depths(lung: Floats, grid: Grid, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (mm) of points (n, 3) to a lung's surface, negative or zero outside."""
    index = np.rint((points - grid.origin)[:, ::-1] / grid.spacing).astype(int)
    inside = ((index >= 0) & (index < grid.shape)).all(1)
    z, y, x = np.clip(index, 0, np.array(grid.shape) - 1).T
    return np.where(inside, -lung[z, y, x], -1.0)


def sites(lung: Floats, grid: Grid, vessels: Tubes, rng: np.random.Generator) -> Sites:
    """Up to 30,000 random points of a lung."""
    inside = np.flatnonzero(lung.ravel() < -1.0)
    chosen = rng.choice(inside, min(30_000, len(inside)), replace=False)
    index = np.column_stack(np.unravel_index(chosen, lung.shape))
    points = (index * grid.spacing)[:, ::-1] + np.array(grid.origin)
    middles = (vessels.start + vessels.end) / 2
    nearest = cKDTree(np.concatenate([vessels.start, middles, vessels.end])).query(points)
    radius = np.concatenate(
        [vessels.start_radius, (vessels.start_radius + vessels.end_radius) / 2, vessels.end_radius]
    )
    room = nearest[0] - radius[nearest[1]]
    return Sites(points, -lung.ravel()[chosen].astype(np.float64), room)


def beside_vessels(
    spec: NoduleSpec, lung: Floats, grid: Grid, vessels: Tubes, rng: np.random.Generator
) -> Sites:
    """Points from which a nodule just reaches into a vessel."""
    radius = np.minimum(vessels.start_radius, vessels.end_radius)
    wide = np.flatnonzero((radius > 1.2) & (radius < 3.5))
    chosen = rng.choice(wide, 4000)
    along = vessels.end[chosen] - vessels.start[chosen]
    across = np.cross(along, rng.standard_normal((len(chosen), 3)))
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    middle = (vessels.start[chosen] + vessels.end[chosen]) / 2
    points = middle + across * (spec.diameter_mm / 2 + 0.3 * radius[chosen])[:, None]
    depth = depths(lung, grid, points)
    return Sites(points, depth, np.zeros(len(points)))


def allowed(spec: NoduleSpec, at: Sites, grid: Grid) -> NDArray[np.bool_]:
    """Which points suit a nodule by its depth in the lung, its zone and the scan's edges."""
    radius, far = spec.diameter_mm / 2, reach(spec)
    if spec.kind == "juxtapleural":
        fits = (at.depth > 0.45 * radius) & (at.depth < 0.65 * radius)
        fits &= np.abs(at.points[:, 0]) > COSTAL_MM * grid.stretch[2]
    else:
        fits = at.depth > far + 2.0
    height = at.points[:, 2]
    edge = grid.axes[0][[0, -1]] + np.array((1, -1)) * (far + 2 * grid.spacing[0])
    fits &= (height > edge[0]) & (height < edge[1])
    if spec.zone is not None and fits.any():
        inside = at.points[at.depth > 0, 2]
        low, high = inside.min(), inside.max()
        third = np.clip(((high - height) / max(high - low, 1e-6) * 3).astype(int), 0, 2)
        fits &= third == ZONES.index(spec.zone)
    return fits


def seat(
    spec: NoduleSpec,
    options: Sequence[Sites],
    grid: Grid,
    taken: Sequence[tuple[NDArray[np.float64], float]],
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """One free point for a nodule, away from vessels where there is a choice."""
    points, room = [], []
    for at in options:
        fits = allowed(spec, at, grid)
        for centre, far in taken:
            gap = np.linalg.norm(at.points - centre, axis=1) - far - reach(spec)
            fits &= gap >= GAP_MM
        points.append(at.points[fits])
        room.append(at.room[fits])
    free, space = np.concatenate(points), np.concatenate(room)
    if len(free) == 0:
        return None
    roomy = np.flatnonzero(space >= min(spec.diameter_mm / 2 + 3.0, np.quantile(space, 0.95)))
    return np.asarray(free[rng.choice(roomy)])


def place(
    specs: Sequence[NoduleSpec],
    lungs: dict[int, Floats],
    grid: Grid,
    vessels: Tubes,
    rng: np.random.Generator,
) -> list[NDArray[np.float64]]:
    """World centres (x, y, z) for nodules, at least `GAP_MM` apart from rim to rim.

    Parameters
    ----------
    lungs : by side (-1 right, 1 left), (z, y, x) float32
        Signed distance to each lung.

    Raises
    ------
    ValueError
        When the lungs have no room for all of them.
    """
    around = {side: sites(lung, grid, vessels, rng) for side, lung in lungs.items()}
    order = sorted(range(len(specs)), key=lambda i: -reach(specs[i]))
    stuck = None
    for _ in range(TRIES):
        found: dict[int, NDArray[np.float64]] = {}
        taken: list[tuple[NDArray[np.float64], float]] = []
        for i in order:
            spec = specs[i]
            here = [SIDES[spec.side]] if spec.side else list(lungs)
            if spec.kind == "juxtavascular":
                options = [beside_vessels(spec, lungs[s], grid, vessels, rng) for s in here]
            else:
                options = [around[s] for s in here]
            centre = seat(spec, options, grid, taken, rng)
            if centre is None:
                stuck = spec
                break
            found[i] = centre
            taken.append((centre, reach(spec)))
        else:
            return [found[i] for i in range(len(specs))]
    raise ValueError(
        f"No room in these lungs for {len(specs)} nodules at least {GAP_MM:.0f} mm apart: "
        f"{stuck} did not fit. Ask for fewer or smaller ones, or a scan that shows more of the "
        f"chest than {grid.shape} voxels of {grid.spacing} mm."
    )
