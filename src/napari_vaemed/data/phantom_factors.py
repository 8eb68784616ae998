"""Nodules of known factors in plain lung: to see which latent of a model follows which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FACTORS = ("radius", "hu", "elongation", "spiculation")
"""What varies: radius 3–8 mm, mean HU −500–150, axes 1–1.8 : 1 in plane, spikes 0–60 % long."""

RANGES = ((3.0, 8.0), (-500.0, 150.0), (1.0, 1.8), (0.0, 0.6))
LUNG_HU = -850.0
NOISE_HU = 15.0
SPIKES = 9
"""Odd, so that mirroring and turning never map one spike onto all others."""


@dataclass(frozen=True, eq=False)
class FactorNodules:
    """Patches of n nodules of known making.

    Parameters
    ----------
    hu : (n, 32, 32, 32) int16
        At 1 mm, the nodule in the middle.
    mask : (n, 32, 32, 32) bool
    factors : (n, 4) float
        In the order of `FACTORS`, each uniform in its range and independent of the others.
    """

    hu: NDArray[np.int16]
    mask: NDArray[np.bool_]
    factors: NDArray[np.float64]


def factor_nodules(n: int, *, seed: int = 0, size: int = 32) -> FactorNodules:
    """Draw nodules: ellipsoids of one long axis in plane, with spikes around them in plane."""
    rng = np.random.default_rng(seed)
    low, high = np.array(RANGES).T
    factors = rng.uniform(low, high, (n, len(FACTORS)))
    z, y, x = np.indices((size,) * 3, dtype=np.float32) - np.float32((size - 1) / 2)
    hu = np.empty((n, size, size, size), np.int16)
    mask = np.empty(hu.shape, bool)
    for row, (radius, value, elongation, spiculation) in enumerate(factors):
        long, short = np.sqrt(elongation), 1.0 / np.sqrt(elongation)
        flat = np.hypot(x / long, y / short)
        spike = np.cos(0.5 * SPIKES * np.arctan2(y / short, x / long)) ** 12
        reach = radius * (1.0 + spiculation * spike * flat / np.maximum(np.hypot(flat, z), 0.5))
        inside = reach - np.hypot(flat, z)  # mm, roughly
        share = np.clip(0.5 + inside / 1.5, 0.0, 1.0)  # the scanner's blur
        noise = rng.normal(0.0, NOISE_HU, hu.shape[1:])
        hu[row] = np.round(LUNG_HU + share * (value - LUNG_HU) + noise)
        mask[row] = inside > 0
    return FactorNodules(hu, mask, factors)
