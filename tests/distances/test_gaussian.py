from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import bhattacharyya, jeffreys, kl, wasserstein2


def _posterior(n: int, seed: int, d: int = 6) -> Posterior:
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n, d)).astype(np.float32)
    return Posterior(mean, np.exp(0.5 * rng.normal(size=(n, d))).astype(np.float32))


def _torch_kl(a: Posterior, b: Posterior) -> np.ndarray:
    def normals(p: Posterior) -> list[Independent]:
        pairs = zip(p.mean, p.sd, strict=True)
        return [Independent(Normal(torch.tensor(m), torch.tensor(s)), 1) for m, s in pairs]

    return np.array([[float(kl_divergence(p, q)) for q in normals(b)] for p in normals(a)])


def test_kl_agrees_with_torch_distributions():
    a, b = _posterior(3, 0), _posterior(5, 1)
    np.testing.assert_allclose(kl(a, b), _torch_kl(a, b), rtol=1e-4, atol=1e-4)


def test_jeffreys_is_the_sum_of_both_directions():
    a, b = _posterior(3, 0), _posterior(5, 1)
    np.testing.assert_allclose(jeffreys(a, b), _torch_kl(a, b) + _torch_kl(b, a).T, rtol=1e-4)


def test_wasserstein_agrees_with_its_definition_pair_by_pair():
    a, b = _posterior(3, 0), _posterior(5, 1)
    for i in range(3):
        for j in range(5):
            squares = (a.mean[i] - b.mean[j]) ** 2 + (a.sd[i] - b.sd[j]) ** 2
            assert wasserstein2(a, b)[i, j] == pytest.approx(np.sqrt(squares.sum()), rel=1e-5)


def test_bhattacharyya_agrees_with_the_integral_on_a_line():
    a = Posterior(np.float32([[0.3]]), np.float32([[0.8]]))
    b = Posterior(np.float32([[-1.1]]), np.float32([[1.7]]))
    x = np.linspace(-20, 20, 200_001)

    def density(p: Posterior) -> np.ndarray:
        m, s = float(p.mean[0, 0]), float(p.sd[0, 0])
        return np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2 * np.pi))

    overlap = np.trapezoid(np.sqrt(density(a) * density(b)), x)
    assert bhattacharyya(a, b)[0, 0] == pytest.approx(-np.log(overlap), abs=1e-6)
