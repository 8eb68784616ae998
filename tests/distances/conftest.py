from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_vaemed.data.posterior import Posterior


@pytest.fixture(scope="session")
def gaussians() -> Callable[..., Posterior]:
    """Draw n posteriors of d dimensions."""

    def draw(n: int, seed: int, d: int = 6) -> Posterior:
        rng = np.random.default_rng(seed)
        return Posterior(rng.normal(size=(n, d)), np.exp(0.5 * rng.normal(size=(n, d))))

    return draw


@pytest.fixture(scope="session")
def line() -> Callable[[float, float], Posterior]:
    """One Gaussian on a line."""
    return lambda mean, sd: Posterior(np.array([[mean]]), np.array([[sd]]))
