"""Pictures made worse, to see what a classifier still makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOISE = (0.1, 0.2, 0.3, 0.5)
"""Deviations of the noise that classifiers are tested with; white is 1."""


def with_noise(pictures: NDArray[np.uint8], sd: float, *, seed: int = 0) -> NDArray[np.float32]:
    """Pictures of bytes, any shape, in [0, 1] with Gaussian noise of this deviation, clipped."""
    unit: NDArray[np.float32] = np.divide(pictures, 255, dtype=np.float32)
    if sd == 0:
        return unit
    rng = np.random.default_rng(seed)
    noisy = unit + sd * rng.standard_normal(unit.shape)
    return noisy.clip(0.0, 1.0).astype(np.float32)
