"""Soft tissue of a phantom: chest wall, mediastinum, heart, great vessels and upper abdomen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.interpolate import PchipInterpolator

from napari_vaemed.data.phantom_fields import (
    Box,
    Floats,
    Grid,
    Point,
    Shape,
    blend,
    ellipsoid,
    field,
    fraction,
    noise,
    paint,
    slabs,
    smooth_max,
    smooth_min,
)
from napari_vaemed.data.phantom_thorax import (
    LEVELS,
    Patient,
    Profile,
    cage,
    capsule,
    diaphragm,
    heart,
    spine_column,
    spine_depth,
)
from napari_vaemed.data.phantom_tubes import Tubes, paint_tubes

AIR_HU, FAT_HU, SKIN_HU, MUSCLE_HU = -1000.0, -105.0, 15.0, 52.0
BLOOD_HU, CONTRAST_HU = 45.0, 190.0
body_width = Profile.through(
    LEVELS, (160.0, 172.0, 178.0, 178.0, 174.0, 167.0, 162.0, 159.0, 155.0, 151.0, 152.0)
)
body_front = Profile.through(
    LEVELS, (-48.0, -62.0, -71.0, -82.0, -95.0, -106.0, -112.0, -114.0, -112.0, -110.0, -110.0)
)
body_back = Profile.through(
    LEVELS, (88.0, 99.0, 105.0, 110.0, 114.0, 117.0, 117.0, 115.0, 111.0, 106.0, 104.0)
)


CHAMBERS: tuple[tuple[Point, Point], ...] = (
    ((38.0, -32.0, -166.0), (24.0, 19.0, 30.0)),
    ((8.0, -52.0, -160.0), (26.0, 16.0, 32.0)),
    ((-18.0, -24.0, -154.0), (18.0, 25.0, 30.0)),
    ((10.0, 4.0, -138.0), (26.0, 15.0, 17.0)),
)
KIDNEYS: tuple[tuple[Point, Point], ...] = (
    ((-60.0, 44.0, -318.0), (27.0, 25.0, 52.0)),
    ((60.0, 44.0, -308.0), (27.0, 25.0, 52.0)),
)
COLON: tuple[tuple[Point, float], ...] = (
    ((104.0, -44.0, -262.0), 18.0),
    ((112.0, -18.0, -288.0), 17.0),
    ((40.0, -74.0, -330.0), 20.0),
)


def body(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """The skin, flattened by the table at the back."""
    extra = patient.fat - 13.0
    width = body_width(z) + extra
    front, back = body_front(z) - extra, body_back(z)
    u = np.abs(x) / width
    v = np.abs(y - (front + back) / 2) / ((back - front) / 2)
    rho = (u**2.25 + v**2.25) ** np.float32(1 / 2.25) + 1e-6
    slope = np.sqrt((u / width) ** 2 + (v / ((back - front) / 2)) ** 2) + 1e-6
    groove = 5.0 * np.exp(-np.square(x / 9.0)) * np.clip((y - 40) / 30, 0, 1)
    return smooth_max(rho * (rho - 1.0) / slope, y - 111.0, 10.0) + groove


def muscle(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Chest wall muscles: a sheet on the ribs, thick at the pectorals, back and shoulders."""

    def bump(value: Floats, centre: float, width: float) -> Floats:
        return np.exp(-np.square((value - centre) / width))

    ribs = cage(x, y, z)
    upper = np.clip((z + 150.0) / 60.0, 0.0, 1.0)
    pectoral = 15.0 * bump(np.abs(x), 62.0, 42.0) * np.clip((-y - 20) / 40, 0, 1)
    pectoral = pectoral * np.clip((z + 140.0) / 50.0, 0.0, 1.0)
    back = 17.0 * np.clip((y - 20.0) / 45.0, 0.0, 1.0) * upper
    erector = 16.0 * bump(np.abs(x), 30.0, 24.0) * np.clip((y - 35.0) / 25.0, 0.0, 1.0)
    side = 9.0 * np.clip((z + 230.0) / 60.0, 0.0, 1.0) * np.clip((60 - np.abs(y - 20)) / 30, 0, 1)
    shoulder = 80.0 * np.clip((z + 55.0) / 60.0, 0.0, 1.0)
    thick = 10.0 + pectoral + np.maximum(back, erector) + side + shoulder
    return smooth_max(ribs - thick, body(x, y, z, patient) + 0.55 * patient.fat, 6.0)


def neck(x: Floats, y: Floats, z: Floats) -> Floats:
    """Muscle beside the spine within the rib cage, and the root of the neck above the lungs."""
    beside = spine_column(x, y, z) + 1.0
    root = np.maximum(-4.0 - z, np.hypot(x / 1.2, y - 4.0) - 44.0)
    return np.maximum(smooth_min(beside, root, 6.0), cage(x, y, z) - 2.0)


def liver(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Liver under the right dome, its left lobe crossing the midline."""
    shape = smooth_max(diaphragm(x, y, z, patient) + 3.0, cage(x, y, z) + 1.5, 6.0)
    left = (x - 34.0 + 0.55 * (y + 30.0)) * np.float32(0.87)
    below = (-232.0 + 0.72 * (x - 40.0) - 0.25 * (y + 20) - z) * np.float32(0.78)
    shape = smooth_max(smooth_max(shape, left, 12.0), below, 14.0)
    shape = smooth_max(shape, 4.0 - ellipsoid(x, y, z, *KIDNEYS[0]), 8.0)
    return smooth_max(shape, 7.0 - spine_column(x, y, z), 8.0)


def stomach(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Stomach under the left dome."""
    fundus = ellipsoid(x, y, z, (62, 0, -228), (36, 44, 34))
    antrum = capsule_chain(x, y, z, ((66, -20, -245), (46, -48, -285), (8, -52, -300)), 24.0)
    shape = smooth_min(fundus, antrum, 14.0)
    return smooth_max(shape, diaphragm(x, y, z, patient) + 4.0, 5.0)


def capsule_chain(x: Floats, y: Floats, z: Floats, path: tuple[Point, ...], r: float) -> Floats:
    """Union of rods along a path."""
    whole = capsule(x, y, z, path[0], path[1], r)
    for a, b in pairwise(path):
        whole = np.minimum(whole, capsule(x, y, z, a, b, r))
    return whole


def spleen(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Spleen behind the stomach."""
    shape = ellipsoid(x, y, z, (100, 40, -232), (30, 40, 46))
    shape = smooth_max(shape, cage(x, y, z) + 5.0, 6.0)
    shape = smooth_max(shape, 6.0 - ellipsoid(x, y, z, (62, 0, -228), (36, 44, 34)), 8.0)
    return smooth_max(shape, diaphragm(x, y, z, patient) + 4.0, 6.0)


def great_vessels(grid: Grid, patient: Patient) -> Tubes:
    """Aorta with its branches, caval and brachiocephalic veins, pulmonary trunk, azygos."""
    paths: tuple[tuple[tuple[tuple[float, float, float, float], ...]], ...] | list = [
        (
            (4, -22, -132, 15),
            (-10, -34, -108, 16),
            (-13, -33, -88, 16),
            (-6, -24, -72, 15),
            (10, -8, -64, 14),
            (23, 8, -67, 13),
            (27, 18, -82, 13),
            (26, 20, -120, 12.5),
            (20, 20, -170, 12),
            (12, 16, -215, 11.5),
            (4, 8, -260, 11),
            (3, 0, -320, 10),
            (2, -6, -420, 9),
        ),
        ((-8, -26, -66, 7), (-15, -24, -40, 6.5), (-27, -16, -5, 6), (-40, -14, 40, 4)),
        ((6, -14, -60, 4.5), (15, -15, -20, 4), (22, -16, 40, 3.5)),
        ((20, 2, -60, 5.5), (26, 0, -25, 5), (44, -8, 4, 4.5), (90, -20, 16, 4)),
        ((-28, -28, -52, 9.5), (-29, -24, -90, 10), (-28, -20, -128, 11)),
        ((-28, -28, -52, 8), (-36, -28, -10, 7), (-44, -26, 40, 5)),
        ((-28, -28, -54, 7), (0, -38, -42, 6.5), (34, -36, -24, 6.5), (44, -28, 40, 5)),
        (
            (14, -50, -138, 14),
            (18, -42, -116, 14),
            (22, -26, -106, 13),
            (30, -4, -104, 11),
            (35, 6, -110, 9),
        ),
        ((18, -34, -112, 12), (2, -16, -113, 11), (-20, -6, -113, 10.5), (-35, 5, -114, 9)),
        ((-22, 0, -172, 12), (-22, 2, -230, 12), (-18, 2, -320, 11), (-16, 0, -420, 10)),
        ((-8, 22, -90, 3.5), (-8, 22, -160, 3.5), (-4, 14, -260, 3)),
    ]
    parts = []
    for path in paths:
        rows = np.asarray(path, float)
        t = np.linspace(0, len(rows) - 1, 4 * len(rows))
        smooth = np.column_stack([spline(rows[:, i], t) for i in range(4)])
        parts.append(Tubes.along(grid.world(patient.placed(smooth[:, :3])), smooth[:, 3]))
    return Tubes.together(parts)


def spline(values: Floats, at: Floats) -> Floats:
    """A smooth curve through equally spaced values."""
    return np.asarray(PchipInterpolator(np.arange(len(values)), values)(at))


def corner_box(grid: Grid, low: Point, high: Point) -> Box:
    """Voxels between two standard-patient corners."""
    return grid.box(grid.world(np.array(low)), grid.world(np.array(high)))


def moved(shape: Shape, patient: Patient) -> Shape:
    """A standard shape as this patient has it."""
    return lambda x, y, z: shape(*patient.warped(x, y, z))


def paint_wall(hu: Floats, grid: Grid, patient: Patient, rng: np.random.Generator) -> None:
    """Table, skin, fat and muscle; the inside of the rib cage becomes fat."""
    width, everywhere = grid.voxel_mm, grid.everywhere
    _, y, x = grid.axes
    table = y[:, None] - np.float32(grid.stretch[1]) * (120.0 - 0.0006 * x[None, :] ** 2)
    hu += np.where(np.abs(table) < 1.6, 700.0, np.where((table > 0) & (table < 22), 60.0, 0.0))
    skins = field(grid, moved(lambda x, y, z: body(x, y, z, patient), patient), everywhere)
    flesh = field(grid, moved(lambda x, y, z: muscle(x, y, z, patient), patient), everywhere)
    cages = field(grid, moved(cage, patient), everywhere)
    marbling = noise(grid, rng, everywhere, 15.0)
    for slab in slabs(everywhere[0]):
        here, skin, inner = hu[slab], skins.rows(slab), cages.rows(slab)
        blend(here, fraction(skin, width), SKIN_HU)
        blend(here, fraction(skin + 1.8, width), FAT_HU)
        marble = marbling.rows(slab)
        here += fraction(skin + 3.0, width) * marble * 7.0
        marble = np.clip(0.7 - np.abs(marble) * 6.0, 0.0, 1.0)
        blend(here, fraction(flesh.rows(slab), width) * (1.0 - marble), MUSCLE_HU)
        sheet = np.clip(1.6 - np.abs(inner - 11.5) / 1.2, 0.0, 1.0)
        blend(here, 0.7 * sheet * fraction(skin + 8.0, width), FAT_HU)
        blend(here, fraction(np.abs(inner - 3.5) - 3.5, width), MUSCLE_HU)
        blend(here, fraction(inner, width), FAT_HU + 8.0)


def paint_organs(hu: Floats, grid: Grid, patient: Patient, contrast: bool) -> None:
    """Heart, great vessels, oesophagus, liver, stomach, spleen, kidneys and colon."""
    blood = CONTRAST_HU if contrast else BLOOD_HU

    def fill(shape: Shape, low: Point, high: Point, value: float) -> None:
        box = corner_box(grid, low, high)
        paint(hu, grid, field(grid, moved(shape, patient), box), value)

    def fill_ellipsoid(centre: Point, radii: Point, value: float) -> None:
        low, high = np.subtract(centre, radii) - 9.0, np.add(centre, radii) + 9.0
        fill(lambda x, y, z: ellipsoid(x, y, z, centre, radii), tuple(low), tuple(high), value)

    column = (-60, -60, -460), (60, 112, 60)
    fill(neck, *column, MUSCLE_HU)
    fill(lambda x, y, z: heart(x, y, z, patient.heart), (-75, -110, -230), (120, 55, -90), 50.0)
    for centre, radii in CHAMBERS:
        fill_ellipsoid(centre, radii, blood)
    low, high = (-150, -110, -460), (150, 100, -150)
    fill(lambda x, y, z: liver(x, y, z, patient), low, high, 62.0)
    fill(lambda x, y, z: spleen(x, y, z, patient), (50, -20, -300), (145, 95, -170), 54.0)
    paint_stomach(hu, grid, patient)
    for centre, radii in KIDNEYS:
        fill_ellipsoid(centre, radii, 36.0)
    for centre, r in COLON:
        fill_ellipsoid(centre, (r, r, 1.3 * r), 40.0)
        fill_ellipsoid(centre, (r - 2.5, r - 2.5, 1.3 * r - 2.5), -850.0)
    paint_tubes(hu, grid, great_vessels(grid, patient), blood)
    paint_oesophagus(hu, grid, patient)


def paint_stomach(hu: Floats, grid: Grid, patient: Patient) -> None:
    """Stomach wall and content, with gas on top (the patient lies on the back)."""
    width = grid.voxel_mm
    box = corner_box(grid, (-30, -100, -340), (120, 60, -180))
    distance = field(grid, moved(lambda x, y, z: stomach(x, y, z, patient), patient), box).full()
    level = grid.axes[1][box[1]][None, :, None] + np.float32(34.0 * grid.stretch[1])
    blend(hu[box], fraction(distance, width), 45.0)
    blend(hu[box], fraction(distance + 4.0, width), 22.0)
    blend(hu[box], fraction(np.maximum(distance + 4.0, level), width), -960.0)


def paint_oesophagus(hu: Floats, grid: Grid, patient: Patient) -> None:
    """Oesophagus in front of the spine, with a little air in it."""
    z = np.linspace(60, -215, 45)
    y = spine_depth(z) - 23
    path = np.column_stack([4 + 8 * np.clip((-z - 140) / 70, 0, 1), y, z])
    path = grid.world(patient.placed(path))
    paint_tubes(hu, grid, Tubes.along(path, 7.0), 38.0)
    paint_tubes(hu, grid, Tubes.along(path, 1.6), -500.0)
