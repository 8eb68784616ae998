"""Disease of a phantom: ground glass, consolidation, effusion, a large mass, emphysema."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data import phantom_thorax as thorax
from napari_vaemed.data.phantom_fields import Box, Floats, Grid, field, fraction, noise
from napari_vaemed.data.phantom_lungs import LEFT, RIGHT, Lungs

GROUND_GLASS_HU, CONSOLIDATION_HU = -590.0, 32.0
FLUID_HU, COLLAPSED_HU, MASS_HU, EMPHYSEMA_HU = 8.0, 38.0, 36.0, -985.0


def paint_ground_glass(
    hu: Floats, grid: Grid, lungs: Lungs, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Patchy, peripheral, basal ground glass in both lungs with crazy paving (as in COVID-19).

    Vessels and airways painted later stay visible in it. Gives its mask (z, y, x).
    """
    mask = np.zeros(grid.shape, bool)
    for box in lungs.boxes.values():
        side = RIGHT if box is lungs.boxes[RIGHT] else LEFT
        depth = -lungs.distance[side][box]
        z = grid.axes[0][box[0]][:, None, None] / np.float32(grid.stretch[0]) + grid.top
        y = grid.axes[1][box[1]][None, :, None] / np.float32(grid.stretch[1])

        def texture(length: float, here: Box = box) -> Floats:
            return noise(grid, rng, here, length).full()

        where = texture(30.0) + 0.5 * texture(12.0)
        where += 1.1 - depth / 14.0 + np.clip((-z - 110.0) / 110.0, -0.8, 0.7) + 0.008 * y
        amount = np.clip((where - 0.8) * 1.6, 0.0, 1.0) * fraction(-depth, grid.voxel_mm)
        lines = np.minimum(np.abs(texture(7.0)), np.abs(texture(7.0)))
        paving = np.clip(1.0 - lines / 0.16, 0.0, 1.0) * 130.0
        haze = GROUND_GLASS_HU + paving + 40.0 * texture(5.0)
        here = hu[box]
        here += amount * np.maximum(haze - here, 0.0)
        mask[box] = (amount > 0.5) & (depth > 0)
    return mask


def paint_consolidation(
    hu: Floats, grid: Grid, patient: thorax.Patient, lungs: Lungs, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """One consolidated segment of a lower lobe, ending at the fissure (as in pneumonia).

    Bronchi painted later stay full of air in it. Gives its mask (z, y, x).
    """
    side = RIGHT if rng.random() < 0.5 else LEFT
    box = lungs.boxes[side]
    distance = lungs.distance[side][box]
    fissure = field(
        grid, lambda x, y, z: thorax.oblique_fissure(x, y, z, patient, side), box, 5.0
    ).full()
    lower = np.argwhere((distance < -8.0) & (fissure < -10.0))
    if len(lower) == 0:
        raise ValueError("This scan shows no lower lobe to consolidate. Ask for more slices.")
    centre = lower[np.argsort(lower[:, 1])[int(0.8 * len(lower)) :]]
    middle = centre[rng.integers(len(centre))]
    z, y, x = (
        axis[cut] - axis[cut][i] for axis, cut, i in zip(grid.axes, box, middle, strict=True)
    )
    radius = 40.0 * grid.stretch[1]
    far = np.sqrt(
        (z / np.float32(0.9))[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2
    )
    rough = far - radius + 7.0 * noise(grid, rng, box, 14.0).full()
    rough += 3.0 * noise(grid, rng, box, 5.0).full()
    edge = np.maximum(np.maximum(distance, fissure), rough)
    inside = np.maximum(distance, fissure)
    halo = np.clip(0.5 - rough / 14.0, 0.0, 1.0) * fraction(inside, grid.voxel_mm)
    here = hu[box]
    here += halo * 0.7 * np.maximum(-500.0 - here, 0.0)
    # a voxel into the wall, or the pleura's partial volume leaves a dark line
    reach = np.maximum(distance - np.float32(grid.voxel_mm), fissure)
    solid = np.clip(0.5 - rough / 5.0, 0.0, 1.0) * fraction(reach, grid.voxel_mm)
    here += solid * (CONSOLIDATION_HU - here)
    mask = np.zeros(grid.shape, bool)
    mask[box] = edge < 0
    return mask


def paint_effusion(
    hu: Floats, grid: Grid, lungs: Lungs, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Fluid behind one lung of a patient on the back, with a meniscus and collapsed lung at it.

    The lung ends at the fluid: its distance in ``lungs`` is changed in place. Gives the mask of
    the fluid (z, y, x).
    """
    side = RIGHT if rng.random() < 0.5 else LEFT
    box, width = lungs.boxes[side], grid.voxel_mm
    distance = lungs.distance[side][box]
    z = grid.axes[0][box[0]][:, None, None] / np.float32(grid.stretch[0]) + grid.top
    y = grid.axes[1][box[1]][None, :, None] / np.float32(grid.stretch[1])
    level = np.float32(rng.uniform(24.0, 36.0)) + 54.0 * np.clip((z + 225.0) / 130.0, 0.0, 1.0)
    above = level + 2.0 * noise(grid, rng, box, 25.0).full() - y
    above = (above - 12.0 * np.exp(np.minimum(distance, 0.0) / 7.0)) * np.float32(grid.stretch[1])
    here = hu[box]
    collapsed = np.clip((9.0 - above) / 5.0, 0.0, 1.0) * fraction(distance - width, width)
    here += collapsed * np.maximum(COLLAPSED_HU - here, 0.0)
    fluid = np.maximum(distance - np.float32(width), above)
    here += fraction(fluid, width) * (FLUID_HU - here)
    mask = np.zeros(grid.shape, bool)
    mask[box] = np.maximum(distance, above) < 0
    np.maximum(distance, -above, out=distance)
    return mask


def paint_mass(hu: Floats, grid: Grid, lungs: Lungs, rng: np.random.Generator) -> NDArray[np.bool_]:
    """One lobulated mass of 55 to 80 mm at the wall of a lung. Gives its mask (z, y, x)."""
    side = RIGHT if rng.random() < 0.5 else LEFT
    box, width = lungs.boxes[side], grid.voxel_mm
    distance = lungs.distance[side][box]
    places = np.argwhere((distance < -12.0) & (distance > -20.0))
    if len(places) == 0:
        raise ValueError("This scan shows too little lung for a mass. Ask for more slices.")
    middle = places[rng.integers(len(places))]
    z, y, x = (
        axis[cut] - axis[cut][i] for axis, cut, i in zip(grid.axes, box, middle, strict=True)
    )
    radius = rng.uniform(27.5, 40.0) * grid.stretch[1]
    far = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    rough = far - np.float32(radius) + 3.5 * noise(grid, rng, box, 16.0).full()
    rough += 1.5 * noise(grid, rng, box, 6.0).full()
    here = hu[box]
    here += fraction(np.maximum(distance - np.float32(width), rough), width) * (MASS_HU - here)
    mask = np.zeros(grid.shape, bool)
    mask[box] = np.maximum(distance, rough) < 0
    return mask


def paint_emphysema(
    hu: Floats, grid: Grid, lungs: Lungs, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Confluent emphysema of both lungs, most at the top, with bullae. Gives its mask (z, y, x).

    Vessels and airways painted later stay visible in it.
    """
    mask = np.zeros(grid.shape, bool)
    for side, box in lungs.boxes.items():
        distance = lungs.distance[side][box]
        z = grid.axes[0][box[0]][:, None, None] / np.float32(grid.stretch[0]) + grid.top
        where = noise(grid, rng, box, 16.0).full() + 0.7 * noise(grid, rng, box, 6.0).full()
        where += 0.3 + 1.2 * np.clip((z + 130.0) / 100.0, -0.7, 1.0)
        amount = np.clip(where, 0.0, 1.0) * fraction(distance, grid.voxel_mm)
        here = hu[box]
        here += amount * np.minimum(EMPHYSEMA_HU - here, 0.0)
        mask[box] = (amount > 0.5) & (distance < 0)
    return mask
