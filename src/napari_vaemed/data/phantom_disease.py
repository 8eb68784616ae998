"""Disease of a phantom: patchy ground glass, and a consolidated segment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data import phantom_thorax as thorax
from napari_vaemed.data.phantom_fields import Box, Floats, Grid, field, fraction, noise
from napari_vaemed.data.phantom_lungs import LEFT, RIGHT, Lungs

GROUND_GLASS_HU, CONSOLIDATION_HU = -590.0, 32.0


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
