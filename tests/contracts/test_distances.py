from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import DISTANCES


def _posterior(n: int, seed: int) -> Posterior:
    rng = np.random.default_rng(seed)
    return Posterior(
        rng.normal(size=(n, 8)).astype(np.float32),
        rng.uniform(0.2, 2.0, (n, 8)).astype(np.float32),
    )


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)
def test_a_distance_is_zero_on_itself_and_never_negative(distance):
    apart = distance(_posterior(7, 0), _posterior(7, 0))
    np.testing.assert_allclose(np.diag(apart), 0.0, atol=1e-5)
    assert apart.min() >= 0


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)
def test_a_distance_takes_one_posterior_against_many(distance):
    one = _posterior(1, 1)
    many = _posterior(5, 2)
    single = Posterior(one.mean[0], one.sd[0])
    np.testing.assert_allclose(distance(single, many), distance(one, many))
    assert distance(many, single).shape == (5, 1)


@pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)
def test_a_distance_is_symmetric_unless_it_says_not(distance):
    a, b = _posterior(4, 1), _posterior(5, 2)
    agrees = np.allclose(distance(a, b), distance(b, a).T, rtol=1e-6)
    assert agrees != ("neither symmetric" in (distance.__doc__ or ""))
