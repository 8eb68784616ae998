"""Lungs of a phantom: parenchyma, fissures, bronchi, arteries and veins, and disease."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data import phantom_thorax as thorax
from napari_vaemed.data.phantom_fields import (
    Box,
    Floats,
    Grid,
    blend,
    blend_box,
    field,
    fraction,
    noise,
    slabs,
)
from napari_vaemed.data.phantom_trees import beside, grow, tubes
from napari_vaemed.data.phantom_tubes import Tubes, tube_fraction

RIGHT, LEFT = -1, 1
CARINA = (-2.0, -1.0, -82.0)
PARENCHYMA_HU = -862.0
AIR_HU, FISSURE_HU = -1000.0, -560.0


@dataclass(frozen=True, eq=False)
class Lungs:
    """Geometry of both lungs.

    Parameters
    ----------
    distance : by side, (z, y, x) float32
        Signed distance (mm) to each lung, negative inside, on the whole grid.
    boxes : by side
        Voxels that can hold it.
    vessels, bronchi, windpipe : Tubes
        Arteries and veins; bronchial lumen inside the lungs; trachea with main bronchi.
    """

    distance: dict[int, Floats]
    boxes: dict[int, Box]
    vessels: Tubes
    bronchi: Tubes
    windpipe: Tubes


def lung_distance(
    grid: Grid, patient: thorax.Patient, side: int, touching: bool = False
) -> tuple[Floats, Box]:
    """Signed distance to one lung on the whole grid, 1000 where it cannot be."""
    ends = sorted((side * -6.0, side * 146.0))
    low = grid.world(np.array((ends[0], -100.0, -275.0)))
    high = grid.world(np.array((ends[1], 105.0, 14.0)))
    box = grid.box(low, high)
    distance = np.full(grid.shape, 1000.0, np.float32)
    distance[box] = field(
        grid, lambda x, y, z: thorax.lung(x, y, z, patient, side), box, 3.0
    ).full()
    if touching:
        meeting = field(grid, partial(thorax.junction, patient=patient, side=side), box, 3.0)
        np.minimum(distance[box], meeting.full(), out=distance[box])
    return distance, box


def spread(
    grid: Grid, distance: Floats, box: Box, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """About ``count`` evenly spread points (n, 3) x, y, z, 3 mm or more inside a lung."""
    inside = np.flatnonzero(distance[box].ravel() < -3.0)
    chosen = rng.choice(inside, min(8 * count, len(inside)), replace=False)
    index = np.column_stack(np.unravel_index(chosen, distance[box].shape)).astype(float)
    index += [cut.start for cut in box] + rng.uniform(-0.5, 0.5, index.shape)
    points = (index * grid.spacing)[:, ::-1] + grid.origin
    edge = (len(inside) * float(np.prod(grid.spacing)) / count) ** (1 / 3)
    _, first = np.unique(np.floor(points / edge).astype(int), axis=0, return_index=True)
    return points[first]


def build_lungs(
    grid: Grid, patient: thorax.Patient, rng: np.random.Generator, touching: bool = False
) -> Lungs:
    """Shapes and trees of both lungs."""
    count = int(np.clip(1500 / grid.voxel_mm**1.5, 150, 1300))
    carina = grid.world(patient.placed(np.array(CARINA)))
    distance, boxes, blood, air, pipes = {}, {}, [], [], []
    for side in (RIGHT, LEFT):
        distance[side], boxes[side] = lung_distance(grid, patient, side, touching)
        hilum = np.array((side * 38.0, 4.0, -110.0 if side < 0 else -113.0))
        points = spread(grid, distance[side], boxes[side], count, rng)
        lobe = thorax.lobes(grid.standard(points), patient, side)
        artery = grow(grid.world(patient.placed(hilum)), points, lobe)
        wide = artery.radii(0.5)
        lumen = 0.9 * wide
        bronchus = beside(artery, wide + 1.25 * lumen + 0.3, np.array((-side * 0.3, 0.7, 0.6)))
        blood.append(tubes(artery, wide))
        air.append(tubes(bronchus, lumen, 0.7))
        start = bronchus.nodes[0]
        main = np.stack([carina, 0.5 * (carina + start) + (0, 0, 2.0), start])
        pipes.append(Tubes.along(main, np.array((7.0, 6.3, lumen[0]))))
        points = spread(grid, distance[side], boxes[side], int(0.8 * count), rng)
        lobe = thorax.lobes(grid.standard(points), patient, side)
        for group in (lobe < 2, lobe == 2):
            low = bool(lobe[group][0] == 2) if group.any() else False
            if group.any():
                root = np.array((side * 30.0, -4.0 if not low else 10.0, -128.0 - 14.0 * low))
                vein = grow(grid.world(patient.placed(root)), points[group], lobe[group])
                blood.append(tubes(vein, vein.radii(0.47)))
    top = np.array([(-1, -20, 60), (-1, -15, 0), (-3, -7, -50), CARINA], float)
    pipes.append(Tubes.along(grid.world(patient.placed(top)), 8.8))
    return Lungs(distance, boxes, Tubes.together(blood), Tubes.together(air), Tubes.together(pipes))


def paint_parenchyma(
    hu: Floats, grid: Grid, patient: thorax.Patient, lungs: Lungs, rng: np.random.Generator
) -> None:
    """Aerated lung with its gravity gradient and texture, and the fissures."""
    width = grid.voxel_mm
    gravity = 0.30 * grid.axes[1] / np.float32(grid.stretch[1])
    faint = np.float32(min(1.0, 0.9 / width))
    for side, box in lungs.boxes.items():
        coarse, fine = noise(grid, rng, box, 22.0), noise(grid, rng, box, 2.6)
        oblique = field(grid, partial(thorax.oblique_fissure, patient=patient, side=side), box, 4.0)
        minor = field(grid, partial(thorax.minor_fissure, patient=patient), box, 4.0)
        for slab, here in oblique.pieces():
            amount = fraction(lungs.distance[side][here], width)
            tissue = coarse.rows(slab) * 9.0 + fine.rows(slab) * 20.0
            tissue += PARENCHYMA_HU + gravity[box[1]][None, :, None]
            blend(hu[here], amount, tissue)
            gaps = oblique.rows(slab)
            if side == RIGHT:
                gaps = np.where(gaps > 0, np.minimum(gaps, np.abs(minor.rows(slab))), np.abs(gaps))
            line = np.clip(1.0 - np.abs(gaps) / np.float32(0.75 * width), 0.0, 1.0) * faint
            blend(hu[here], line * amount, FISSURE_HU)


def paint_trees(
    hu: Floats, grid: Grid, lungs: Lungs, blood: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Vessels, bronchial walls and lumina; gives the masks of vessels and of windpipe."""
    width = grid.voxel_mm
    vessels, windpipe = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    box, amount = tube_fraction(grid, lungs.vessels, width)
    vessels[box] = amount >= 0.5
    blend_box(hu, box, amount, blood)
    walls = Tubes.together([lungs.windpipe.grown(1.5), lungs.bronchi.grown(0.7)])
    box, amount = tube_fraction(grid, walls, width)
    inside = hu[box]
    for slab in slabs(slice(0, len(amount))):
        np.maximum(inside[slab], amount[slab] * 1030.0 - 1000.0, out=inside[slab])
    box, amount = tube_fraction(grid, lungs.windpipe, width)
    windpipe[box] = amount >= 0.5
    blend_box(hu, box, amount, AIR_HU + 8.0)
    box, amount = tube_fraction(grid, lungs.bronchi, width)
    vessels[box] &= amount < 0.5
    blend_box(hu, box, amount, AIR_HU + 8.0)
    return vessels & ~windpipe, windpipe
