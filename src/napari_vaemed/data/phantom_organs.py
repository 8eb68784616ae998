"""Soft tissue of a phantom: chest wall, mediastinum, heart, great vessels and upper abdomen."""

from __future__ import annotations

import numpy as np

from napari_vaemed.data.phantom_fields import (
    Box,
    Floats,
    Grid,
    Point,
    Shape,
    Tubes,
    blend,
    ellipsoid,
    field,
    fill_tubes,
    fraction,
    noise,
    smooth_max,
    smooth_min,
)
from napari_vaemed.data.phantom_thorax import (
    LEVELS,
    Patient,
    at_level,
    cage,
    diaphragm,
    heart,
    profile,
    spine_column,
    spine_depth,
)

AIR_HU, FAT_HU, SKIN_HU, MUSCLE_HU = -1000.0, -105.0, 15.0, 52.0
BLOOD_HU, CONTRAST_HU = 45.0, 190.0
body_width = profile(
    LEVELS, (160.0, 172.0, 178.0, 178.0, 174.0, 167.0, 162.0, 159.0, 155.0, 151.0, 152.0)
)
body_front = profile(
    LEVELS, (-46.0, -58.0, -66.0, -76.0, -88.0, -99.0, -106.0, -108.0, -106.0, -105.0, -106.0)
)
body_back = profile(
    LEVELS, (84.0, 94.0, 99.0, 104.0, 109.0, 112.0, 112.0, 110.0, 106.0, 101.0, 99.0)
)


def body(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """The skin, flattened by the table at the back."""
    extra = patient.fat - 13.0
    width = at_level(body_width, z) + extra
    front, back = at_level(body_front, z) - extra, at_level(body_back, z)
    u = np.abs(x) / width
    v = np.abs(y - (front + back) / 2) / ((back - front) / 2)
    rho = (u**2.5 + v**2.5) ** np.float32(0.4) + 1e-6
    slope = np.sqrt((u / width) ** 2 + (v / ((back - front) / 2)) ** 2) + 1e-6
    groove = 5.0 * np.exp(-np.square(x / 9.0)) * np.clip((y - 40) / 30, 0, 1)
    return smooth_max(rho * (rho - 1.0) / slope, y - 108.0, 10.0) + groove


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


def liver(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Liver under the right dome, its left lobe crossing the midline."""
    shape = smooth_max(diaphragm(x, y, z, patient) + 3.0, cage(x, y, z) + 4.0, 6.0)
    left = (x - 34.0 + 0.55 * (y + 30.0)) * np.float32(0.87)
    below = (-232.0 + 0.72 * (x - 40.0) - 0.25 * (y + 20) - z) * np.float32(0.78)
    shape = smooth_max(smooth_max(shape, left, 12.0), below, 14.0)
    return smooth_max(shape, 7.0 - spine_column(x, y, z), 8.0)


def stomach(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Stomach under the left dome."""
    fundus = ellipsoid(x, y, z, (62, 0, -228), (36, 44, 34))
    antrum = capsule_chain(x, y, z, ((66, -20, -245), (46, -48, -285), (8, -52, -300)), 24.0)
    shape = smooth_min(fundus, antrum, 14.0)
    return smooth_max(shape, diaphragm(x, y, z, patient) + 4.0, 5.0)


def capsule_chain(x: Floats, y: Floats, z: Floats, path: tuple[Point, ...], r: float) -> Floats:
    """Union of rods along a path."""
    from napari_vaemed.data.phantom_thorax import capsule

    whole = capsule(x, y, z, path[0], path[1], r)
    for a, b in zip(path[1:-1], path[2:], strict=True):
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
        ((4, -22, -132, 15), (-10, -34, -108, 16), (-13, -33, -88, 16), (-6, -24, -72, 15),
         (10, -8, -64, 14), (23, 8, -67, 13), (27, 18, -82, 13), (26, 20, -120, 12.5),
         (20, 20, -170, 12), (12, 16, -215, 11.5), (4, 8, -260, 11), (3, 0, -320, 10),
         (2, -6, -420, 9)),
        ((-8, -26, -66, 7), (-15, -24, -40, 6.5), (-27, -16, -5, 6), (-40, -14, 40, 4)),
        ((6, -14, -60, 4.5), (15, -15, -20, 4), (22, -16, 40, 3.5)),
        ((20, 2, -60, 5.5), (26, 0, -25, 5), (44, -8, 4, 4.5), (90, -20, 16, 4)),
        ((-28, -28, -52, 9.5), (-29, -24, -90, 10), (-28, -20, -128, 11)),
        ((-28, -28, -52, 8), (-36, -28, -10, 7), (-44, -26, 40, 5)),
        ((-28, -28, -54, 7), (0, -38, -42, 6.5), (34, -36, -24, 6.5), (44, -28, 40, 5)),
        ((14, -50, -138, 14), (18, -42, -116, 14), (22, -26, -106, 13), (30, -4, -104, 11),
         (35, 6, -110, 9)),
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
    from scipy.interpolate import PchipInterpolator

    return np.asarray(PchipInterpolator(np.arange(len(values)), values)(at))


def corner_box(grid: Grid, low: Point, high: Point) -> Box:
    """Voxels between two standard-patient corners."""
    return grid.box(grid.world(np.array(low)), grid.world(np.array(high)))


def paint_wall(hu: Floats, grid: Grid, patient: Patient, rng: np.random.Generator) -> None:
    """Table, skin, fat and muscle; the inside of the rib cage becomes fat."""
    width, everywhere = grid.voxel_mm, grid.everywhere

    def moved(shape: Shape) -> Shape:
        return lambda x, y, z: shape(*patient.warped(x, y, z))

    _, y, x = grid.axes
    table = y[:, None] - np.float32(grid.stretch[1]) * (118.0 - 0.0009 * x[None, :] ** 2)
    hu += np.where(np.abs(table) < 1.6, 700.0, np.where((table > 0) & (table < 22), 60.0, 0.0))
    skin = field(grid, moved(lambda x, y, z: body(x, y, z, patient)), everywhere)
    blend(hu, fraction(skin, width), SKIN_HU)
    blend(hu, fraction(skin + 1.8, width), FAT_HU)
    marble = noise(grid, rng, everywhere, 13.0)
    hu += np.where(skin < -3.0, 7.0 * marble, 0.0)
    flesh = field(grid, moved(lambda x, y, z: muscle(x, y, z, patient)), everywhere)
    planes = np.clip(1.5 - np.abs(marble) * 9.0, 0.0, 1.0)
    blend(hu, fraction(flesh, width) * (1.0 - 0.85 * planes), MUSCLE_HU)
    inner = field(grid, moved(cage), everywhere)
    sheet = np.clip(1.6 - np.abs(inner - 11.5) / 1.2, 0.0, 1.0)
    blend(hu, 0.7 * sheet * fraction(skin + 8.0, width), FAT_HU)
    blend(hu, fraction(np.abs(inner - 3.5) - 3.5, width), MUSCLE_HU)
    blend(hu, fraction(inner, width), FAT_HU + 8.0)


def paint_organs(
    hu: Floats, grid: Grid, patient: Patient, rng: np.random.Generator, contrast: bool
) -> None:
    """Heart, great vessels, oesophagus, liver, stomach, spleen, kidneys and colon."""
    width = grid.voxel_mm
    blood = CONTRAST_HU if contrast else BLOOD_HU

    def paint(shape: Shape, low: Point, high: Point, value: float) -> None:
        box = corner_box(grid, low, high)
        distance = field(grid, lambda x, y, z: shape(*patient.warped(x, y, z)), box)
        blend(hu[box], fraction(distance, width), value)

    column = (-60, -40, -460), (60, 112, 60)
    paint(lambda x, y, z: spine_column(x, y, z) + 1.0, *column, MUSCLE_HU)
    size = patient.heart
    paint(lambda x, y, z: heart(x, y, z, size), (-75, -105, -225), (110, 55, -90), 48.0)
    for centre, radii in (
        ((30, -28, -162), (24, 19, 30)),
        ((2, -48, -158), (26, 18, 32)),
        ((-22, -22, -152), (19, 26, 30)),
        ((8, 6, -138), (28, 15, 17)),
    ):
        paint(
            lambda x, y, z, c=centre, r=radii: ellipsoid(x, y, z, c, r),
            tuple(np.subtract(centre, radii) - 8.0),
            tuple(np.add(centre, radii) + 8.0),
            blood,
        )
    low, high = (-150, -110, -460), (150, 100, -150)
    paint(lambda x, y, z: liver(x, y, z, patient), low, high, 62.0)
    paint(lambda x, y, z: spleen(x, y, z, patient), (50, -20, -300), (145, 95, -170), 54.0)
    paint_stomach(hu, grid, patient)
    for side, z0 in ((-1, -318), (1, -308)):
        kidney = (side * 60.0, 44.0, z0), (27.0, 25.0, 52.0)
        paint(lambda x, y, z, k=kidney: ellipsoid(x, y, z, *k),
              (side * 60 - 35, 10, z0 - 60), (side * 60 + 35, 78, z0 + 60), 36.0)
    for centre, r in (((104, -44, -262), 19.0), ((112, -20, -286), 18.0), ((40, -74, -330), 22.0)):
        for shrink, value in ((0.0, 40.0), (2.5, -850.0)):
            paint(
                lambda x, y, z, c=centre, q=r - shrink: ellipsoid(x, y, z, c, (q, q, 1.3 * q)),
                tuple(np.subtract(centre, 1.5 * r)),
                tuple(np.add(centre, 1.5 * r)),
                value,
            )
    amount = np.zeros(grid.shape, np.float32)
    fill_tubes(amount, grid, great_vessels(grid, patient), width)
    blend(hu, amount, blood)
    paint_oesophagus(hu, grid, patient)


def paint_stomach(hu: Floats, grid: Grid, patient: Patient) -> None:
    """Stomach wall and content, with gas on top (the patient lies on the back)."""
    width = grid.voxel_mm
    box = corner_box(grid, (-30, -100, -340), (120, 60, -180))
    distance = field(grid, lambda x, y, z: stomach(*patient.warped(x, y, z), patient), box)
    level = grid.axes[1][box[1]][None, :, None] + np.float32(20.0 * grid.stretch[1])
    blend(hu[box], fraction(distance, width), 45.0)
    blend(hu[box], fraction(distance + 4.0, width), 22.0)
    gas = np.maximum(distance + 4.0, level)
    blend(hu[box], fraction(gas, width), -960.0)


def paint_oesophagus(hu: Floats, grid: Grid, patient: Patient) -> None:
    """Oesophagus in front of the spine, with a little air in it."""
    z = np.linspace(60, -215, 45)
    path = np.column_stack([4 + 8 * np.clip((-z - 140) / 70, 0, 1), spine_depth(np.clip(z, -420, 40)) - 23, z])
    path = grid.world(patient.placed(path))
    for radius, value in ((7.0, 38.0), (1.6, -500.0)):
        amount = np.zeros(grid.shape, np.float32)
        fill_tubes(amount, grid, Tubes.along(path, radius), grid.voxel_mm)
        blend(hu, amount, value)
