"""The standard patient of a phantom: chest wall, lungs, mediastinum and upper abdomen.

Everything is a signed distance (mm, negative inside) in standard-patient coordinates: x to the
left, y to the back, z above the lung apices, with the spine near x = 0. Levels: carina −95,
heart −110 to −205, right dome −178, costophrenic recess −250.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from napari_vaemed.data.phantom_fields import Floats, Point, ellipsoid, smooth_max, smooth_min

LEVELS = (30.0, 5.0, -12.0, -32.0, -62.0, -100.0, -150.0, -200.0, -250.0, -320.0, -420.0)
CAGE_WIDTH = (46.0, 56.0, 68.0, 86.0, 106.0, 121.0, 130.0, 133.0, 130.0, 126.0, 126.0)
CAGE_FRONT = (-9.0, -18.0, -30.0, -45.0, -61.0, -75.0, -85.0, -89.0, -89.0, -87.0, -87.0)
CAGE_BACK = (42.0, 50.0, 59.0, 70.0, 80.0, 87.0, 90.0, 88.0, 82.0, 76.0, 76.0)
CAGE_POWER = 2.2
SPINE_LEVELS = (40.0, 0.0, -60.0, -120.0, -180.0, -250.0, -420.0)
SPINE = (4.0, 14.0, 32.0, 40.0, 40.0, 32.0, 22.0)


@dataclass(frozen=True, eq=False)
class Profile:
    """A smooth curve over height z, held constant beyond its ends.

    Parameters
    ----------
    heights, values : (n,)
        Samples every millimetre, from foot to head.
    """

    heights: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def through(cls, levels: tuple[float, ...], values: tuple[float, ...]) -> Profile:
        """The curve through values given from head to foot."""
        heights = np.arange(levels[-1], levels[0] + 0.5)
        return cls(heights, PchipInterpolator(levels[::-1], values[::-1])(heights))

    def __call__(self, z: Floats) -> Floats:
        """Values at heights z."""
        return np.interp(z, self.heights, self.values).astype(np.float32)


cage_width = Profile.through(LEVELS, CAGE_WIDTH)
cage_front = Profile.through(LEVELS, CAGE_FRONT)
cage_back = Profile.through(LEVELS, CAGE_BACK)
spine_depth = Profile.through(SPINE_LEVELS, SPINE)


@dataclass(frozen=True)
class Patient:
    """How one patient differs from the standard one.

    Parameters
    ----------
    waves : (n, 4) float
        Wavenumber pairs (1/mm), phase and amplitude (mm) of the body's smooth irregularity.
    heart : float
        Heart size relative to the standard.
    dome_right, dome_left : float
        Heights of the diaphragm's domes.
    fat : float
        Thickness of the subcutaneous fat, mm.
    """

    waves: NDArray[np.float64]
    heart: float
    dome_right: float
    dome_left: float
    fat: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Patient:
        """A random patient."""
        waves = np.stack(
            [
                rng.uniform(-0.045, 0.045, 9),
                rng.uniform(-0.045, 0.045, 9),
                rng.uniform(0, 2 * np.pi, 9),
                rng.uniform(0.6, 1.8, 9),
            ],
            1,
        )
        dome = rng.uniform(-186, -172)
        return cls(
            waves,
            rng.uniform(0.92, 1.08),
            dome,
            dome - rng.uniform(6, 16),
            rng.uniform(9, 20),
        )

    def warped(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Coordinates at which the standard shapes are read for points of this patient."""

        def wave(a: Floats, b: Floats, rows: slice) -> Floats:
            parts = [
                amplitude * np.sin(p * a + q * b + phase)
                for p, q, phase, amplitude in self.waves[rows].tolist()
            ]
            return np.asarray(sum(parts), np.float32)

        return (
            x + wave(y, z, slice(0, 3)),
            y + wave(x, z, slice(3, 6)),
            z + wave(x, y, slice(6, 9)),
        )

    def placed(self, points: Floats) -> Floats:
        """Where standard points (n, 3) x, y, z lie in this patient (first order)."""
        x, y, z = (points[..., i].astype(np.float32) for i in range(3))
        moved = np.stack(self.warped(x, y, z), -1) - points
        return points - moved


def cage(x: Floats, y: Floats, z: Floats) -> Floats:
    """The thoracic cavity's outer surface, the parietal pleura."""
    width = cage_width(z)
    front, back = cage_front(z), cage_back(z)
    u = np.abs(x) / width
    v = np.abs(y - (front + back) / 2) / ((back - front) / 2)
    rho = (u**CAGE_POWER + v**CAGE_POWER) ** np.float32(1 / CAGE_POWER) + 1e-6
    slope = np.sqrt((u / width) ** 2 + (v / ((back - front) / 2)) ** 2) + 1e-6
    return rho * (rho - 1.0) / slope


def capsule(x: Floats, y: Floats, z: Floats, start: Point, end: Point, radius: float) -> Floats:
    """Signed distance to a rounded rod."""
    along = [float(b - a) for a, b in zip(start, end, strict=True)]
    dx, dy, dz = x - start[0], y - start[1], z - start[2]
    t = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / sum(a * a for a in along), 0, 1)
    gap2 = (dx - t * along[0]) ** 2 + (dy - t * along[1]) ** 2 + (dz - t * along[2]) ** 2
    return np.sqrt(gap2) - np.float32(radius)


def heart(x: Floats, y: Floats, z: Floats, size: float = 1.0) -> Floats:
    """Heart with its pericardium, apex to the left, front and below."""
    axis = np.array((0.66, -0.42, -0.62))
    axis /= np.linalg.norm(axis)
    side = np.cross(axis, (0.0, 0.0, 1.0))
    side /= np.linalg.norm(side)
    up = np.cross(side, axis)
    dx, dy, dz = x - 25.0, y + 30.0, z + 162.0
    u, v, w = (dx * a + dy * b + dz * c for a, b, c in np.stack([axis, side, up]).tolist())
    body = ellipsoid(u, v, w, (0, 0, 0), (66 * size, 45 * size, 43 * size))
    right = ellipsoid(x, y, z, (-14, -26, -156), (27 * size, 38 * size, 42 * size))
    left = ellipsoid(x, y, z, (10, 6, -138), (36 * size, 24 * size, 24 * size))
    return smooth_min(smooth_min(body, right, 14.0), left, 10.0)


def spine_column(x: Floats, y: Floats, z: Floats) -> Floats:
    """The spine with the tissue beside and behind it, which the lungs never enter."""
    depth = spine_depth(z)
    round_front = np.hypot(x, y - depth) - 21.0
    behind = smooth_max(np.abs(x) - (18.0 + 0.14 * np.maximum(y - depth, 0.0)), depth - y, 4.0)
    return smooth_min(round_front, behind, 6.0)


def mediastinum(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """All that lies between the lungs."""
    front, depth = cage_front(z), spine_depth(z)
    half_width = np.interp(
        z, (-320, -240, -160, -125, -100, -70, -40, -10, 10), (30, 28, 26, 26, 25, 29, 33, 30, 26)
    ).astype(np.float32)
    middle, half_depth = (depth - 16 + front) / 2, (depth - 10 - front) / 2 + 6
    rho = np.hypot(x / half_width, (y - middle) / half_depth) + 1e-6
    column = (rho - 1.0) * half_width
    whole = smooth_min(column, spine_column(x, y, z), 8.0)
    whole = smooth_min(whole, heart(x, y, z, patient.heart) - 3.0, 8.0)
    for side, level in ((-1.0, -116.0), (1.0, -110.0)):
        hilum = ellipsoid(x, y, z, (side * 30, 10, level), (15, 15, 24))
        whole = smooth_min(whole, hilum, 8.0)
    aorta = capsule(x, y, z, (23, 22, -80), (17, 24, -190), 16.0)
    arch = capsule(x, y, z, (-6, -22, -76), (22, 16, -76), 16.0)
    return smooth_min(smooth_min(whole, aorta, 6.0), arch, 6.0)


def diaphragm_height(x: Floats, y: Floats, patient: Patient) -> Floats:
    """Height of the diaphragm: a dome on each side that falls off towards the chest wall."""
    domes = []
    for centre, top in ((-62.0, patient.dome_right), (60.0, patient.dome_left)):
        u, v = (x - centre) / 74.0, (y + 14.0) / 86.0
        rho2 = u * u + v * v
        domes.append(top - 32.0 * rho2 - 28.0 * rho2 * rho2)
    return np.maximum(np.maximum(*domes), -264.0)


def diaphragm(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Signed distance to the abdomen: negative below the diaphragm."""
    return (z - diaphragm_height(x, y, patient)) * np.float32(0.8)


def lung(x: Floats, y: Floats, z: Floats, patient: Patient, side: int) -> Floats:
    """One lung; side −1 is the right one, +1 the left."""
    x, y, z = patient.warped(x, y, z)
    shape = smooth_max(cage(x, y, z), -mediastinum(x, y, z, patient), 5.0)
    shape = smooth_max(shape, -diaphragm(x, y, z, patient), 4.0)
    dome = ellipsoid(x, y, np.maximum(z, -110.0), (side * 52.0, 18.0, -110.0), (92, 92, 112))
    shape = smooth_max(shape, dome, 6.0)
    return np.maximum(shape, -side * x + 2.0)


def junction(x: Floats, y: Floats, z: Floats, patient: Patient, side: int) -> Floats:
    """The part of a lung that reaches the other one behind the sternum, where they touch."""
    x, y, z = patient.warped(x, y, z)
    recess = ellipsoid(x, y, z, (side * 12.0, -52.0, -92.0), (18.0, 13.0, 26.0))
    return np.maximum(smooth_max(recess, cage(x, y, z) + 1.0, 3.0), 0.25 - side * x)


def oblique_fissure(x: Floats, y: Floats, z: Floats, patient: Patient, side: int) -> Floats:
    """Signed distance to the major fissure, negative in the lower lobe."""
    x, y, z = patient.warped(x, y, z)
    high = -62.0 if side < 0 else -52.0
    bulge = 6.0 * np.sin((np.abs(x) - 40.0) / 34.0) + 0.0008 * np.square(y - 5.0)
    return (z - (high + 1.12 * (y - 76.0)) - bulge) * np.float32(0.66)


def minor_fissure(x: Floats, y: Floats, z: Floats, patient: Patient) -> Floats:
    """Signed distance to the right lung's horizontal fissure, negative in the middle lobe."""
    x, y, z = patient.warped(x, y, z)
    return z + 122.0 - 0.0016 * np.square(x + 80.0) - 0.03 * y


def lobes(points: NDArray[np.float64], patient: Patient, side: int) -> NDArray[np.int64]:
    """Lobe of standard points (n, 3): 0 upper, 1 middle (right only), 2 lower."""
    x, y, z = (points[:, i].astype(np.float32) for i in range(3))
    lobe = np.zeros(len(points), np.int64)
    if side < 0:
        lobe[minor_fissure(x, y, z, patient) < 0] = 1
    lobe[oblique_fissure(x, y, z, patient, side) < 0] = 2
    return lobe
