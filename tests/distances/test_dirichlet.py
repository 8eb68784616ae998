from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import beta
from torch.distributions import Dirichlet, kl_divergence

from napari_vaemed.data.posterior import DirichletPosterior
from napari_vaemed.distances import dirichlet


def draw(n: int, seed: int, dims: int = 5) -> DirichletPosterior:
    return DirichletPosterior(np.exp(np.random.default_rng(seed).normal(size=(n, dims))))


def torch_kl(a: DirichletPosterior, b: DirichletPosterior) -> np.ndarray:
    left, right = (torch.tensor(p.concentration) for p in (a, b))
    return kl_divergence(Dirichlet(left[:, None]), Dirichlet(right[None])).numpy()


def test_kl_agrees_with_torch_distributions():
    a, b = draw(3, 0), draw(4, 1)
    np.testing.assert_allclose(dirichlet.kl(a, b), torch_kl(a, b), rtol=1e-9)
    np.testing.assert_allclose(dirichlet.reverse_kl(a, b), torch_kl(b, a).T, rtol=1e-9)
    both = torch_kl(a, b) + torch_kl(b, a).T
    np.testing.assert_allclose(dirichlet.jeffreys(a, b), both, rtol=1e-9)


def test_overlap_of_beta_distributions_agrees_with_its_integral():
    a, b = np.array([[2.0, 3.5]]), np.array([[4.0, 1.5]])
    overlap = quad(lambda x: np.sqrt(beta.pdf(x, *a[0]) * beta.pdf(x, *b[0])), 0, 1)[0]
    pair = DirichletPosterior(a), DirichletPosterior(b)
    ours = dirichlet.bhattacharyya_coefficient(*pair)[0, 0]
    assert ours == pytest.approx(overlap, abs=1e-9)
    assert dirichlet.hellinger(*pair)[0, 0] == pytest.approx(np.sqrt(1 - overlap), abs=1e-9)


def test_overlap_and_geometric_js_agree_with_a_million_samples():
    a, b = draw(1, 2), draw(1, 3)
    rng = np.random.default_rng(0)
    p, q = (Dirichlet(torch.tensor(v.concentration[0])) for v in (a, b))
    x, y = (torch.tensor(rng.dirichlet(v.concentration[0], 1_000_000)) for v in (a, b))
    root = torch.exp(0.5 * (q.log_prob(x) - p.log_prob(x)))
    error = 4 * float(root.std()) / 1e3
    whole = dirichlet.bhattacharyya_coefficient(a, b)[0, 0]
    assert whole == pytest.approx(float(root.mean()), abs=error)
    halves = [
        one.log_prob(z) - 0.5 * (p.log_prob(z) + q.log_prob(z)) + np.log(whole)
        for one, z in ((p, x), (q, y))
    ]
    js = 0.5 * sum(float(half.mean()) for half in halves)
    error = 2 * sum(float(half.std()) for half in halves) / 1e3
    assert dirichlet.geometric_jensen_shannon(a, b)[0, 0] == pytest.approx(js, abs=error)


def test_a_concentration_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="must be positive"):
        dirichlet.kl(DirichletPosterior(np.array([1.0, 0.0])), draw(1, 0, 2))
