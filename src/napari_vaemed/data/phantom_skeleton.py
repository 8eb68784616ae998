"""Bones of a phantom: ribs and their cartilage, spine, sternum, clavicles, scapulae, humeri.

All in standard-patient coordinates (see `phantom_thorax`), painted with a dense cortex around
spongy bone.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.phantom_fields import (
    Box,
    Floats,
    Grid,
    Shape,
    blend,
    blend_box,
    ellipsoid,
    field,
    fraction,
    noise,
    smooth_max,
)
from napari_vaemed.data.phantom_thorax import (
    CAGE_POWER,
    Patient,
    cage_back,
    cage_front,
    cage_width,
    capsule,
    spine_depth,
)
from napari_vaemed.data.phantom_tubes import Tubes, paint_tubes, tube_fraction

CORTEX_HU, SPONGY_HU, CARTILAGE_HU = 760.0, 150.0, 95.0
VERTEBRA_MM, FIRST_VERTEBRA = 21.8, 8.0
RIB_DROP = (26.0, 44.0, 56.0, 66.0, 72.0, 76.0, 78.0, 78.0, 74.0, 66.0, 48.0, 30.0)
RIB_SWEEP = (150.0, 152.0, 152.0, 150.0, 147.0, 143.0, 137.0, 128.0, 118.0, 106.0, 86.0, 62.0)
STERNUM_JOINTS = (-38.0, -72.0, -94.0, -114.0, -132.0, -148.0, -160.0)


def sternum_depth(z: Floats) -> Floats:
    """y of the sternum's middle at height z."""
    return cage_front(z) - 7.0


def around_cage(angle: Floats, z: Floats, out: float) -> NDArray[np.float64]:
    """Points (n, 3) ``out`` mm outside the pleura; angle 0 is the back, π the front."""
    width = cage_width(z) + out
    front, back = cage_front(z) - out, cage_back(z) + out
    s, c = np.sin(angle), np.cos(angle)
    power = 2 / CAGE_POWER
    x = width * np.abs(s) ** power
    y = (front + back) / 2 + (back - front) / 2 * np.sign(c) * np.abs(c) ** power
    return np.column_stack([x, y, z]).astype(np.float64)


def rib(number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A left rib's points and outward normals (n, 3); ribs count from 0."""
    head = FIRST_VERTEBRA - VERTEBRA_MM * number + 7.0
    sweep = np.deg2rad(np.linspace(26.0, RIB_SWEEP[number], 34))
    part = np.linspace(0.06, 1.0, 34)
    z = (head - RIB_DROP[number] * part**1.15).astype(np.float32)
    arc = around_cage(sweep.astype(np.float32), z, 5.5)
    depth = float(spine_depth(np.array(head)))
    neck = np.array([(16.0, depth + 3.0, head), (27.0, depth + 14.0, head)])
    points = np.concatenate([neck, arc])
    normals = np.gradient(points, axis=0)
    normals = np.column_stack([-normals[:, 1], normals[:, 0], np.zeros(len(points))])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return points, normals


def cartilage(number: int, end: NDArray[np.float64]) -> NDArray[np.float64]:
    """From a rib's front end to the sternum; ribs 8 to 10 join the one above."""
    if number < 7:
        z = STERNUM_JOINTS[number]
        goal = np.array((17.0, float(cage_front(np.array(z))) - 7.0, z))
    else:
        goal = end + np.array((-34.0, -16.0, 26.0))
    middle = (end + goal) / 2 + np.array((8.0, -5.0, -8.0))
    t = np.linspace(0, 1, 9)[:, None]
    return (1 - t) ** 2 * end + 2 * t * (1 - t) * middle + t**2 * goal


def rib_cage(grid: Grid, patient: Patient) -> tuple[Tubes, Tubes]:
    """All ribs, and all costal cartilages."""
    bones, soft = [], []
    for number in range(12):
        points, normals = rib(number)
        width = 5.0 + 1.6 * np.sin(np.linspace(0.3, 2.6, len(points)))
        gristle = cartilage(number, points[-1]) if number < 10 else None
        for side in (1.0, -1.0):
            mirror = np.array((side, 1.0, 1.0))
            here = grid.world(patient.placed(points * mirror))
            bones.append(Tubes.along(here, width, 1.45 * normals * mirror))
            if gristle is not None:
                path = grid.world(patient.placed(gristle * mirror))
                soft.append(Tubes.along(path, 5.0))
    return Tubes.together(bones), Tubes.together(soft)


def clavicles(grid: Grid, patient: Patient) -> Tubes:
    """Both collar bones, rising sideways from the manubrium."""
    path = np.array(
        [
            (20.0, -54.0, -34.0),
            (36.0, -60.0, -27.0),
            (62.0, -58.0, -17.0),
            (90.0, -42.0, -5.0),
            (116.0, -26.0, 4.0),
            (138.0, -16.0, 8.0),
        ]
    )
    sides = [patient.placed(path * (s, 1, 1)) for s in (1.0, -1.0)]
    radii = np.array((8.0, 6.5, 5.5, 5.5, 5.5, 6.5))
    return Tubes.together(Tubes.along(grid.world(p), radii) for p in sides)


def sternum(x: Floats, y: Floats, z: Floats) -> Floats:
    """Manubrium, body and xiphoid as one flat bone with two narrow joints."""
    levels = (-210, -196, -184, -120, -86, -80, -60, -36, -31)
    half = np.interp(z, levels, (2, 5, 13, 17, 13, 14, 24, 27, 20))
    off = y - sternum_depth(z)
    plate = np.hypot(np.maximum(np.abs(x) - half.astype(np.float32) + 4, 0), off) - 5.5
    ends = np.maximum(z + 32.0, -206.0 - z)
    joint = 1.4 - np.minimum(np.abs(z + 83.0), np.abs(z + 190.0))
    return np.maximum(np.maximum(plate, ends), joint)


def spine(x: Floats, y: Floats, z: Floats) -> Floats:
    """Vertebrae with bodies, arches, transverse and spinous processes."""
    depth = spine_depth(z)
    number = np.round((FIRST_VERTEBRA - z) / VERTEBRA_MM)
    w = z - (FIRST_VERTEBRA - VERTEBRA_MM * number)
    grow = np.clip(-z / 250.0, 0, 1.3)
    rx, ry = 14.0 + 4.5 * grow, 11.5 + 3.5 * grow
    waist = 1.0 - 0.09 * (1 - np.square(w / 9.5))
    off = y - depth
    rho = np.hypot(x / rx, off / ry)
    body = smooth_max((rho / waist - 1.0) * ry, np.abs(w) - 8.8, 2.5)
    behind = off - ry - 8.0
    canal = np.hypot(x, behind * 1.1)
    arch = smooth_max(np.abs(canal - 10.6) - 2.6, np.abs(w + 2.0) - 7.5, 2.0)
    arch = np.maximum(arch, -(off - ry + 1.0))
    slant = w + 0.55 * (behind - 12.0)
    spinous = np.maximum(
        np.maximum(np.abs(x) - 2.8, np.abs(slant) - 5.5), np.abs(behind - 21.0) - 12.0
    )
    swept = behind - 0.22 * np.abs(x) + 2.0
    wing = np.hypot(swept, w - 3.0) - 4.6
    transverse = np.maximum(np.maximum(wing, np.abs(x) - 31.0), 10.0 - np.abs(x))
    parts = np.minimum(np.minimum(body, arch), np.minimum(spinous, transverse))
    return np.maximum(parts, 8.2 - canal)


def scapula(x: Floats, y: Floats, z: Floats, side: int) -> Floats:
    """Blade, spine and neck of one shoulder blade."""
    u = side * x
    shell = (np.hypot(u / 140.0, (y + 8.0) / 101.0) - 1.0) * 112.0
    medial = 74.0 + 0.05 * np.abs(z + 60.0)
    lateral = 132.0 + 0.42 * np.minimum(z + 30.0, 0.0)
    edges = np.maximum(np.maximum(medial - u, u - lateral), np.maximum(z + 4.0, -128.0 - z))
    thick = 1.8 + 2.2 * np.exp(-np.square((u - lateral) / 7.0))
    blade = smooth_max(np.abs(shell) - thick, np.maximum(edges, -y - 5.0), 1.5)
    ridge = np.abs(z + 22.0 - 0.2 * (u - 74.0)) - 2.6
    ridge = np.maximum(np.maximum(ridge, np.abs(shell - 8.0) - 9.0), np.maximum(78 - u, u - 140))
    ridge = np.maximum(ridge, 5.0 - y)
    neck = capsule(u, y, z, (122, 28, -16), (142, 16, -8), 8.5)
    return np.minimum(np.minimum(blade, ridge), neck)


def humerus(x: Floats, y: Floats, z: Floats, side: int) -> Floats:
    """Head of an upper arm bone, the arm raised."""
    u = side * x
    head = ellipsoid(u, y, z, (160, 8, 4), (23, 23, 23))
    return np.minimum(head, capsule(u, y, z, (164, 6, 10), (172, -4, 80), 13.0))


def paint_shape(
    hu: Floats, bones: NDArray[np.bool_], grid: Grid, shape: Shape, box: Box, rim: float
) -> None:
    """Cortex and spongy bone of one shape."""
    distance = field(grid, shape, box, 2.0).full()
    blend(hu[box], fraction(distance, grid.voxel_mm), CORTEX_HU)
    blend(hu[box], fraction(distance + rim, grid.voxel_mm), SPONGY_HU)
    bones[box] |= distance < 0


def paint_skeleton(
    hu: Floats, grid: Grid, patient: Patient, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Blend the skeleton into ``hu`` in place and give its mask, cartilage left out."""
    bones = np.zeros(grid.shape, bool)
    ribs, soft = rib_cage(grid, patient)
    paint_tubes(hu, grid, soft, CARTILAGE_HU)
    tubes = Tubes.together([ribs, clavicles(grid, patient)])
    box, amount = tube_fraction(grid, tubes, grid.voxel_mm)
    bones[box] |= amount >= 0.5
    blend_box(hu, box, amount, CORTEX_HU)
    paint_tubes(hu, grid, tubes.grown(-1.6), SPONGY_HU)

    def corner(a: tuple[float, float, float], b: tuple[float, float, float]) -> Box:
        return grid.box(grid.world(np.array(a)), grid.world(np.array(b)))

    def moved(shape: Shape) -> Shape:
        return lambda x, y, z: shape(*patient.warped(x, y, z))

    paint_shape(hu, bones, grid, moved(spine), corner((-38, -20, -460), (38, 104, 60)), 1.2)
    paint_shape(hu, bones, grid, moved(sternum), corner((-34, -104, -212), (34, -30, -24)), 1.2)
    for side in (-1, 1):
        ends = sorted((side * 62.0, side * 152.0))
        box = corner((ends[0], -10, -134), (ends[1], 112, 8))
        paint_shape(hu, bones, grid, moved(partial(scapula, side=side)), box, 1.6)
        ends = sorted((side * 132.0, side * 200.0))
        box = corner((ends[0], -30, -24), (ends[1], 36, 90))
        paint_shape(hu, bones, grid, moved(partial(humerus, side=side)), box, 2.2)
    grain = corner((-24, -10, -460), (24, 60, 60))
    hu[grain] += np.where(bones[grain], noise(grid, rng, grain, 3.0).full() * 35.0, 0.0)
    return bones
