"""What tells a nodule from a vessel and from the chest wall: how far it runs, and into what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.segmentation.nodule_box import NoduleBox

Mask = NDArray[np.bool_]
Seed = tuple[int, int, int]

TWO_SIDED_SHARE = 97
SHORT_REACH, LONG_REACH = 1.35, 2.8
MOST_BALLS = 12.0
BIG_MM = 5.0
MOST_RUNNING, MOST_RUNNING_BIG = 24.0, 40.0
MOST_WALL = 0.5
ARM_SHARE, ARM_MM, RUNS_ON_MM = 0.6, 3.0, 2.0
VESSEL_BESIDE_MM = 11.0


@dataclass(frozen=True)
class NoduleShape:
    """Ratios to the largest ball that fits in at the seed; a ball has 1, 1, 0, 1 and 0.

    Parameters
    ----------
    radius : float
        Of that ball, mm.
    opened_ratio : float
        Volume left by the gentlest opening; tens to hundreds for a vessel tree.
    kept_ratio : float
        Volume of the final piece.
    exits : float
        Section of everything that leads farther than 2.2 radii away, in sections of the ball.
    reach : float
        How far one can go both ways along a line, in radii: far in a vessel.
    wall_share : float
        Part of the piece's surface that is a cut through the wall, not a border to air.
    """

    radius: float
    opened_ratio: float
    kept_ratio: float
    exits: float
    reach: float
    wall_share: float

    @property
    def is_vessel(self) -> bool:
        """Whether it runs on like a vessel.

        The limits were set so that of the LIDC-IDRI nodules about one in thirty is lost.
        """
        running = self.opened_ratio * np.sqrt(1 + self.exits)
        limit = MOST_RUNNING if self.radius < BIG_MM else MOST_RUNNING_BIG
        compact = self.reach < SHORT_REACH and self.kept_ratio < MOST_BALLS / 2
        runs_on = running > limit and not compact
        return bool(runs_on or self.kept_ratio > MOST_BALLS or self.reach > LONG_REACH)

    @property
    def is_wall(self) -> bool:
        """Whether it is mostly a slice of the chest wall or the mediastinum."""
        return self.wall_share > MOST_WALL


def radii_from(box: NoduleBox, sample: Seed) -> NDArray[np.float64]:
    """Distance in mm of every sample of a box from one of them."""
    z, y, x = sample
    line = np.arange(len(box.hu))
    squares = (line - z)[:, None, None] ** 2 + (line - y)[:, None] ** 2 + (line - x) ** 2
    distances: NDArray[np.float64] = np.sqrt(squares) * box.step
    return distances


def exit_section(box: NoduleBox, grown: Mask, seed: Seed, radius: float) -> float:
    """`NoduleShape.exits`."""
    shell = np.abs(radii_from(box, seed) - 2.2 * radius - 1) <= 0.5
    section = int((grown & shell & box.measured).sum()) * box.step**3
    return section / (np.pi * radius**2)


def two_sided_reach(box: NoduleBox, grown: Mask, seed: Seed, farthest_mm: float = 24.0) -> float:
    """How far (mm) one stays inside both ways along the longest lines through the seed."""
    inside = grown & box.measured
    steps = np.arange(1, round(2 * farthest_mm / box.step)) * 0.5
    ways = []
    for directions in (_HALF_SPHERE, -_HALF_SPHERE):
        at = np.rint(directions[:, None] * steps[:, None] + seed).astype(int)
        on_box = ((at >= 0) & (at < len(grown))).all(axis=-1)
        z, y, x = np.moveaxis(at.clip(0, len(grown) - 1), -1, 0)
        passed = on_box & inside[z, y, x]
        ways.append(np.where(passed.all(axis=1), len(steps), passed.argmin(axis=1)))
    shorter = np.minimum(ways[0], ways[1])
    return float(np.percentile(shorter, TWO_SIDED_SHARE)) * 0.5 * box.step


def apart_from_vessel(box: NoduleBox, grown: Mask, kept: Mask, seed: Seed, radius: float) -> Mask:
    """Of a small nodule on a vessel as wide as itself, which no opening cuts, its ball alone."""
    from_seed = radii_from(box, seed)
    far = grown & (np.abs(from_seed - VESSEL_BESIDE_MM) <= 0.5)
    if far.sum() * box.step**3 <= 0.3 * np.pi * radius**2:
        return kept
    return kept & (from_seed <= radius + 0.05)


def vessels_running_on(
    box: NoduleBox, grown: Mask, kept: Mask, depth: NDArray[np.floating], seed: Seed
) -> Mask:
    """What leads from the nodule's ball out of the kept piece and is thin: vessels."""
    radius = float(depth[seed])
    from_seed = radii_from(box, seed)
    limit = 1.1 * radius + 0.9
    arms, count = ndimage.label(grown & (from_seed > limit))
    index = np.arange(1, count + 1)
    thickness = ndimage.maximum(np.where(kept, depth, 0), arms, index)
    farthest = ndimage.maximum(np.where(kept, 0, from_seed), arms, index)
    thin = np.asarray(thickness) < min(ARM_SHARE * radius, ARM_MM)
    vessels: Mask = np.isin(arms, index[thin & (np.asarray(farthest) > limit + RUNS_ON_MM)])
    return vessels


def wall_share(box: NoduleBox, kept: Mask, lung: Mask) -> float:
    """`NoduleShape.wall_share`."""
    rim = ndimage.binary_dilation(kept) & ~kept & box.measured
    return int((rim & ~lung).sum()) / max(int(rim.sum()), 1)


def _half_sphere(count: int) -> NDArray[np.float64]:
    """Unit vectors (count, 3) spread evenly over half a sphere: a Fibonacci spiral."""
    k = np.arange(count) + 0.5
    z = 1 - k / count
    turn = np.pi * (1 + 5**0.5) * k
    across = np.sqrt(1 - z**2)
    return np.stack([z, across * np.cos(turn), across * np.sin(turn)], axis=1)


_HALF_SPHERE = _half_sphere(160)
