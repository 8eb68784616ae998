"""A synthetic chest CT from a seed, with the truth of everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.phantom_disease import (
    paint_consolidation,
    paint_effusion,
    paint_emphysema,
    paint_ground_glass,
    paint_mass,
)
from napari_vaemed.data.phantom_fields import Floats, Grid, blurred, slabs
from napari_vaemed.data.phantom_lungs import (
    LEFT,
    RIGHT,
    Lungs,
    build_lungs,
    paint_parenchyma,
    paint_trees,
)
from napari_vaemed.data.phantom_nodules import DEFAULT_NODULES, NoduleSpec, PlantedNodule, plant
from napari_vaemed.data.phantom_organs import (
    AIR_HU,
    BLOOD_HU,
    CONTRAST_HU,
    paint_organs,
    paint_wall,
)
from napari_vaemed.data.phantom_placement import place
from napari_vaemed.data.phantom_skeleton import paint_skeleton
from napari_vaemed.data.phantom_thorax import Patient
from napari_vaemed.data.progress import Progress, Work, finish
from napari_vaemed.data.volume import Volume

__all__ = ["NoduleSpec", "Phantom", "PlantedNodule", "chest_phantom", "making_chest_phantom"]

RESOLUTION_MM = 0.5


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
    ground_glass, consolidation, effusion, mass, emphysema : bool or None
        Where there is such disease; all but the effusion's fluid lie in a lung.
    vessels : bool
        Arteries and veins of the lungs, outside nodules.
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
    effusion: NDArray[np.bool_] | None = None
    mass: NDArray[np.bool_] | None = None
    emphysema: NDArray[np.bool_] | None = None


def chest_phantom(
    *,
    shape: tuple[int, int, int] = (160, 384, 384),
    spacing: tuple[float, float, float] = (2.0, 0.9, 0.9),
    seed: int = 0,
    nodules: Sequence[NoduleSpec] | None = None,
    ground_glass: bool = False,
    consolidation: bool = False,
    effusion: bool = False,
    mass: bool = False,
    emphysema: bool = False,
    touching: bool = False,
    contrast: bool = False,
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
            effusion=effusion,
            mass=mass,
            emphysema=emphysema,
            touching=touching,
            contrast=contrast,
            noise_hu=noise_hu,
        )
    )


def making_chest_phantom(
    *,
    shape: tuple[int, int, int] = (160, 384, 384),
    spacing: tuple[float, float, float] = (2.0, 0.9, 0.9),
    seed: int = 0,
    nodules: Sequence[NoduleSpec] | None = None,
    ground_glass: bool = False,
    consolidation: bool = False,
    effusion: bool = False,
    mass: bool = False,
    emphysema: bool = False,
    touching: bool = False,
    contrast: bool = False,
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
    effusion : bool
        Add fluid behind one lung, with collapsed lung at it.
    mass : bool
        Add a mass of 55 to 80 mm at the wall of a lung.
    emphysema : bool
        Make the lungs darker and full of holes, most at their tops.
    touching : bool
        Let the lungs meet behind the sternum, with nothing but pleura between them.
    contrast : bool
        Give the blood of heart, great vessels and lung vessels contrast medium.
    noise_hu : float
        Standard deviation of the image noise.

    Raises
    ------
    ValueError
        When the nodules do not fit.
    """
    grid = Grid.fitted(shape, spacing)
    body, tree, spots, grain = np.random.default_rng(seed).spawn(4)
    patient = Patient.drawn(body)
    specs = DEFAULT_NODULES if nodules is None else tuple(nodules)

    yield Progress("Body", 0, 6)
    hu = np.full(shape, AIR_HU, np.float32)
    paint_wall(hu, grid, patient, body)
    yield Progress("Organs", 1, 6)
    paint_organs(hu, grid, patient, contrast)
    yield Progress("Bones", 2, 6)
    bones = paint_skeleton(hu, grid, patient, body)
    yield Progress("Lungs", 3, 6)
    lungs = build_lungs(grid, patient, tree, touching)
    paint_parenchyma(hu, grid, patient, lungs, body)
    late = np.random.default_rng((seed, 2))
    holes = paint_emphysema(hu, grid, lungs, late) if emphysema else None
    haze = paint_ground_glass(hu, grid, lungs, spots) if ground_glass else None
    dense = paint_consolidation(hu, grid, patient, lungs, spots) if consolidation else None
    vessels, windpipe = paint_trees(hu, grid, lungs, CONTRAST_HU if contrast else BLOOD_HU)
    fluid = paint_effusion(hu, grid, lungs, late) if effusion else None
    tumour = paint_mass(hu, grid, lungs, late) if mass else None
    yield Progress("Nodules", 4, 6)
    hidden = [mask for mask in (dense, tumour) if mask is not None]
    found, planted = plant_all(hu, grid, specs, lungs, hidden, np.random.default_rng((seed, 1)))
    yield Progress("Noise", 5, 6)
    return Phantom(
        Volume(
            scanned(hu, grid, noise_hu, grain),
            spacing,
            grid.origin,
            description=f"Synthetic chest (seed {seed})",
        ),
        lung_labels(lungs, windpipe),
        found,
        planted,
        haze,
        dense,
        vessels & (found == 0) & (True if fluid is None else ~fluid),
        bones,
        fluid,
        tumour,
        holes,
    )


def plant_all(
    hu: Floats,
    grid: Grid,
    specs: Sequence[NoduleSpec],
    lungs: Lungs,
    dense: Sequence[NDArray[np.bool_]],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint16], tuple[PlantedNodule, ...]]:
    """Plant every nodule in ``hu`` in place; gives the label map and the truth.

    No nodule is centred in consolidated lung (``dense``), where nobody could see it.
    """
    labels = np.zeros(grid.shape, np.uint16)
    room = lungs.distance
    for mask in dense:
        room = {side: np.where(mask, np.float32(1), lung) for side, lung in room.items()}
    centres = place(specs, room, grid, lungs.vessels, rng)
    planted = []
    for label, (spec, centre) in enumerate(zip(specs, centres, strict=True), 1):
        z, y, x = np.rint((centre - grid.origin)[::-1] / grid.spacing).astype(int)
        side = RIGHT if lungs.distance[RIGHT][z, y, x] < lungs.distance[LEFT][z, y, x] else LEFT
        planted.append(plant(hu, labels, grid, spec, label, centre, lungs.distance[side], rng))
    return labels, tuple(planted)


def lung_labels(lungs: Lungs, windpipe: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Right lung, left lung and airways as one label map."""
    labels = np.zeros(windpipe.shape, np.uint8)
    for side, label in ((RIGHT, RIGHT_LUNG), (LEFT, LEFT_LUNG)):
        labels[lungs.distance[side] < 0] = label
    labels[windpipe] = AIRWAYS
    return labels


def scanned(hu: Floats, grid: Grid, noise_hu: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """What a scanner would show: blurred by its resolution, with correlated noise."""
    z, y, x = grid.spacing
    sigma = (0.35 / z, RESOLUTION_MM / y, RESOLUTION_MM / x)
    if noise_hu > 0:
        grain = np.zeros((1, 33, 33), np.float32)
        grain[0, 16, 16] = 1.0
        kept = float(np.sqrt(np.square(blurred(grain, (0.0, *sigma[1:]))).sum()))
        for slab in slabs(slice(0, len(hu))):
            here = hu[slab]
            here += rng.standard_normal(here.shape, np.float32) * np.float32(noise_hu / kept)
    hu = blurred(hu, sigma)
    np.clip(hu, -1024, 3071, out=hu)
    return np.rint(hu, out=hu).astype(np.int16)
