"""A synthetic chest CT from a seed, with the truth of everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data import phantom_thorax as thorax
from napari_vaemed.data import phantom_trees as trees
from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.phantom_fields import (
    Floats,
    Grid,
    Tubes,
    blend,
    blurred,
    field,
    fill_tubes,
    fraction,
    noise,
)
from napari_vaemed.data.phantom_nodules import (
    DEFAULT_NODULES,
    NoduleSpec,
    PlantedNodule,
    plant,
)
from napari_vaemed.data.phantom_placement import place
from napari_vaemed.data.progress import Progress, Work, finish
from napari_vaemed.data.volume import Volume

__all__ = ["NoduleSpec", "Phantom", "PlantedNodule", "chest_phantom", "making_chest_phantom"]

SIDES = ((-1, RIGHT_LUNG), (1, LEFT_LUNG))


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic chest and its truth, every mask on the volume's grid (z, y, x).

    Parameters
    ----------
    volume : Volume
    lungs : uint8
        1 right, 2 left, 3 trachea and main bronchi (see `data.labels`). Nodules, vessels and
        bronchi inside a lung count as lung.
    nodules : uint16
        Voxels at least half filled by nodule ``label``.
    planted : tuple of PlantedNodule
    ground_glass, consolidation : bool or None
        Where there is such disease.
    vessels : bool
        Arteries and veins of the lungs.
    bones : bool
    """

    volume: Volume
    lungs: NDArray[np.uint8]
    nodules: NDArray[np.uint16]
    planted: tuple[PlantedNodule, ...]
    ground_glass: NDArray[np.bool_] | None
    consolidation: NDArray[np.bool_] | None
    vessels: NDArray[np.bool_]
    bones: NDArray[np.bool_]


def chest_phantom(
    *,
    shape: tuple[int, int, int] = (160, 384, 384),
    spacing: tuple[float, float, float] = (2.0, 0.9, 0.9),
    seed: int = 0,
    nodules: Sequence[NoduleSpec] | None = None,
    ground_glass: bool = False,
    consolidation: bool = False,
    noise_hu: float = 20.0,
) -> Phantom:
    """Make a chest CT; see `making_chest_phantom`."""
    return finish(
        making_chest_phantom(
            shape=shape,
            spacing=spacing,
            seed=seed,
            nodules=nodules,
            ground_glass=ground_glass,
            consolidation=consolidation,
            noise_hu=noise_hu,
        )
    )


def lung_trees(
    grid: Grid, lung: Floats, side: int, patient: thorax.Patient, rng: np.random.Generator
) -> tuple[Tubes, Tubes]:
    """Vessels and bronchi (lumen) of one lung."""
    count = int(np.clip(700 / grid.voxel_mm**1.2, 150, 900))
    inside = np.flatnonzero(lung.ravel() < -4.0)
    chosen = rng.choice(inside, count, replace=False)
    index = np.column_stack(np.unravel_index(chosen, lung.shape)).astype(float)
    points = (index * grid.spacing)[:, ::-1] + grid.origin
    lobe = thorax.lobes(grid.standard(points), patient, side)
    hilum = grid.world(np.array((side * 34.0, 4.0, -112.0)))
    tree = trees.grow(hilum, points, lobe)
    radii = tree.radii(0.55)
    bronchi = 0.8 * radii
    beside = trees.beside(tree, radii + 1.4 * bronchi, np.array((-side * 0.5, 0.6, 0.6)))
    return trees.tubes(tree, radii), trees.tubes(beside, bronchi, 0.9)


def making_chest_phantom(
    *,
    shape: tuple[int, int, int] = (160, 384, 384),
    spacing: tuple[float, float, float] = (2.0, 0.9, 0.9),
    seed: int = 0,
    nodules: Sequence[NoduleSpec] | None = None,
    ground_glass: bool = False,
    consolidation: bool = False,
    noise_hu: float = 20.0,
) -> Work[Phantom]:
    """Make a chest CT from a seed, step by step.

    Parameters
    ----------
    shape, spacing : (z, y, x)
        Voxels and mm.
    seed : int
        The same seed and grid give the same scan.
    nodules : sequence of NoduleSpec, optional
        What to plant; by default nine nodules of all kinds.
    ground_glass : bool
        Add patchy peripheral ground glass in both lungs, as in COVID-19.
    consolidation : bool
        Add a consolidated segment with air bronchograms, as in bacterial pneumonia.
    noise_hu : float
        Standard deviation of the image noise.

    Raises
    ------
    ValueError
        When the nodules do not fit.
    """
    rng = np.random.default_rng(seed)
    grid = Grid.fitted(shape, spacing)
    patient = thorax.Patient.drawn(rng)
    specs = DEFAULT_NODULES if nodules is None else tuple(nodules)
    box, width = grid.everywhere, grid.voxel_mm

    yield Progress("Body")
    hu = np.full(shape, -1000.0, np.float32)
    wall = field(grid, thorax.cage, box)
    blend(hu, fraction(wall - 35, width), -100.0)
    blend(hu, fraction(wall - 15, width), 50.0)
    lungs = {s: field(grid, lambda x, y, z, s=s: thorax.lung(x, y, z, patient, s), box, 3.0)
             for s, _ in SIDES}
    labels = np.zeros(shape, np.uint8)
    for s, label in SIDES:
        labels[lungs[s] < 0] = label
        blend(hu, fraction(lungs[s], width), -860.0)

    yield Progress("Vessels and airways")
    parts = [lung_trees(grid, lungs[s], s, patient, rng) for s, _ in SIDES]
    blood = Tubes.together(p[0] for p in parts)
    vessel = np.zeros(shape, np.float32)
    fill_tubes(vessel, grid, blood, width)
    blend(hu, vessel, 45.0)
    air = Tubes.together(p[1] for p in parts)
    trachea = Tubes.along(grid.world(np.array([(0, -2, 40), (0, 8, -92)])), 9.0)
    lumen = np.zeros(shape, np.float32)
    fill_tubes(lumen, grid, trachea, width)
    labels[(lumen > 0.5) & (labels == 0)] = AIRWAYS
    fill_tubes(lumen, grid, air, width)
    blend(hu, lumen, -990.0)

    yield Progress("Nodules")
    found = np.zeros(shape, np.uint16)
    centres = place(specs, lungs, grid, blood, rng)
    planted = []
    for k, (spec, centre) in enumerate(zip(specs, centres, strict=True), 1):
        side = -1 if depth_in(lungs[-1], grid, centre) else 1
        planted.append(plant(hu, found, grid, spec, k, centre, lungs[side], rng))

    yield Progress("Noise")
    hu = blurred(hu, (0.0, 0.45 / spacing[1], 0.45 / spacing[2]))
    hu += rng.standard_normal(shape, np.float32) * np.float32(noise_hu)
    volume = Volume(
        np.clip(np.rint(hu), -1024, 3071).astype(np.int16),
        spacing,
        grid.origin,
        description=f"Synthetic chest (seed {seed})",
    )
    return Phantom(
        volume, labels, found, tuple(planted), None, None, vessel >= 0.5, np.zeros(shape, bool)
    )


def depth_in(lung: Floats, grid: Grid, centre: NDArray[np.float64]) -> bool:
    """Whether a world point lies in a lung."""
    z, y, x = np.rint((centre - grid.origin)[::-1] / grid.spacing).astype(int)
    return bool(lung[z, y, x] < 0)
