"""Every distance against a value from elsewhere; what is no metric by a counter-example."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.linalg import sqrtm
from torch.distributions import Independent, Normal, kl_divergence

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances.gaussian import (
    bhattacharyya,
    bhattacharyya_coefficient,
    fisher_rao,
    fisher_rao_bound,
    geometric_jensen_shannon,
    hellinger,
    jeffreys,
    kl,
    mmd,
    reverse_kl,
    wasserstein2,
)

PAIRS = [(0.3, 0.8, -1.1, 1.7), (0.0, 1.0, 0.0, 0.2), (2.0, 0.5, 2.5, 0.6), (-3.0, 1.0, 3.0, 1.0)]
"""Two Gaussians on a line: mean, sd, mean, sd."""


def density(x: np.ndarray, mean: float, sd: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))


def on_line(integrand) -> float:
    return quad(integrand, -30, 30, epsabs=1e-13, epsrel=1e-12, limit=500, points=(-3, 0, 2))[0]


def torch_kl(a: Posterior, b: Posterior) -> np.ndarray:
    def normals(p: Posterior, where: tuple) -> Independent:
        return Independent(Normal(torch.tensor(p.mean)[where], torch.tensor(p.sd)[where]), 1)

    every = slice(None)
    return kl_divergence(normals(a, (every, None)), normals(b, (None, every))).numpy()


def test_kl_agrees_with_torch_distributions(gaussians):
    a, b = gaussians(3, 0), gaussians(5, 1)
    np.testing.assert_allclose(kl(a, b), torch_kl(a, b), rtol=1e-12)
    np.testing.assert_allclose(reverse_kl(a, b), torch_kl(b, a).T, rtol=1e-12)
    np.testing.assert_allclose(jeffreys(a, b), torch_kl(a, b) + torch_kl(b, a).T, rtol=1e-12)


def test_wasserstein_agrees_with_the_bures_distance_of_full_covariances(gaussians):
    a, b = gaussians(3, 0), gaussians(4, 1)
    for i in range(3):
        for j in range(4):
            c, d = np.diag(a.sd[i] ** 2), np.diag(b.sd[j] ** 2)
            root = sqrtm(sqrtm(c) @ d @ sqrtm(c)).real
            square = ((a.mean[i] - b.mean[j]) ** 2).sum() + np.trace(c + d - 2 * root)
            assert wasserstein2(a, b)[i, j] == pytest.approx(np.sqrt(square), rel=1e-9)


def test_wasserstein_agrees_with_python_optimal_transport(gaussians):
    transport = pytest.importorskip("ot")
    a, b = gaussians(2, 0), gaussians(2, 1)
    for i in range(2):
        for j in range(2):
            other = transport.gaussian.bures_wasserstein_distance(
                a.mean[i], b.mean[j], np.diag(a.sd[i] ** 2), np.diag(b.sd[j] ** 2)
            )
            assert wasserstein2(a, b)[i, j] == pytest.approx(float(other), rel=1e-6)


@pytest.mark.parametrize("pair", PAIRS)
def test_overlap_agrees_with_its_integral(pair, line):
    m, s, n, t = pair
    a, b = line(m, s), line(n, t)
    overlap = on_line(lambda x: np.sqrt(density(x, m, s) * density(x, n, t)))
    assert bhattacharyya_coefficient(a, b)[0, 0] == pytest.approx(overlap, abs=1e-10)
    assert bhattacharyya(a, b)[0, 0] == pytest.approx(-np.log(overlap), abs=1e-9)
    square = on_line(lambda x: 0.5 * (density(x, m, s) ** 0.5 - density(x, n, t) ** 0.5) ** 2)
    assert hellinger(a, b)[0, 0] == pytest.approx(np.sqrt(square), abs=1e-9)


@pytest.mark.parametrize("pair", PAIRS)
def test_geometric_jensen_shannon_agrees_with_its_definition(pair, line):
    m, s, n, t = pair
    whole = on_line(lambda x: np.sqrt(density(x, m, s) * density(x, n, t)))

    def log_ratio(x, mean, sd):  # of one of the two to their normalised geometric mean
        def log(m, s):
            return -0.5 * ((x - m) / s) ** 2 - np.log(s)

        return log(mean, sd) - 0.5 * (log(m, s) + log(n, t)) + np.log(whole)

    halves = [on_line(lambda x, p=p: density(x, *p) * log_ratio(x, *p)) for p in ((m, s), (n, t))]
    ours = geometric_jensen_shannon(line(m, s), line(n, t))[0, 0]
    assert ours == pytest.approx(0.5 * sum(halves), abs=1e-9)


@pytest.mark.parametrize("pair", PAIRS)
def test_fisher_rao_is_the_length_of_the_shortest_path(pair, line):
    m, s, n, t = pair
    if m == n:
        length = quad(lambda y: np.sqrt(2) / y, min(s, t), max(s, t))[0]
    else:  # geodesics are half circles around a point of the axis, in (mean / √2, sd)
        x, w = m / np.sqrt(2), n / np.sqrt(2)
        middle = (w * w + t * t - x * x - s * s) / (2 * (w - x))
        ends = sorted(np.arctan2([s, t], [x - middle, w - middle]))
        length = quad(lambda angle: np.sqrt(2) / np.sin(angle), *ends, epsabs=1e-12)[0]
    assert fisher_rao(line(m, s), line(n, t))[0, 0] == pytest.approx(length, rel=1e-9)


def test_fisher_rao_of_many_dimensions_is_that_of_a_product(gaussians, line):
    a, b = gaussians(1, 0), gaussians(1, 1)
    each = [
        fisher_rao(line(*p), line(*q))[0, 0]
        for p, q in zip(
            zip(a.mean[0], a.sd[0], strict=True), zip(b.mean[0], b.sd[0], strict=True), strict=True
        )
    ]
    assert fisher_rao(a, b)[0, 0] == pytest.approx(np.linalg.norm(each), rel=1e-12)


@pytest.mark.parametrize("dims", [1, 3, 4, 24, 27])
def test_the_quick_bound_is_never_above_fisher_rao(gaussians, dims):
    a, b = gaussians(30, 0, d=dims), gaussians(40, 1, d=dims)
    bound, true = fisher_rao_bound(a, b), fisher_rao(a, b)
    assert (bound <= true * (1 + 1e-12)).all()
    assert np.median(bound / true) > 0.7


@pytest.mark.parametrize("width", [0.7, None])
def test_mmd_agrees_with_the_kernel_means_on_a_grid(width, line):
    x = np.linspace(-12, 12, 1601)
    kernel = np.exp(-0.5 * ((x[:, None] - x) / (width or 1.0)) ** 2)
    for m, s, n, t in PAIRS:
        apart = density(x, m, s) - density(x, n, t)
        square = apart @ kernel @ apart * (x[1] - x[0]) ** 2
        ours = mmd(line(m, s), line(n, t), width=width)[0, 0]
        assert ours == pytest.approx(np.sqrt(square), abs=1e-6)


def test_overlap_and_mmd_agree_with_a_million_samples(gaussians):
    a, b = gaussians(1, 2, d=3), gaussians(1, 3, d=3)
    torch.manual_seed(0)
    p, q = (Normal(torch.tensor(v.mean[0]), torch.tensor(v.sd[0])) for v in (a, b))
    x, y = p.sample((1_000_000,)), q.sample((1_000_000,))
    ratio = torch.exp(0.5 * (q.log_prob(x) - p.log_prob(x)).sum(-1))
    error = 4 * float(ratio.std()) / 1e3
    assert bhattacharyya_coefficient(a, b)[0, 0] == pytest.approx(float(ratio.mean()), abs=error)

    def kernel(u, v):
        return float(torch.exp(-((u - v) ** 2).sum(-1) / 6).mean())

    half = 500_000
    square = (
        kernel(x[:half], x[half:]) + kernel(y[:half], y[half:])
        - kernel(x[:half], y[half:]) - kernel(x[half:], y[:half])
    )  # fmt: skip
    assert mmd(a, b)[0, 0] ** 2 == pytest.approx(square, abs=4e-3)


def test_roots_of_jeffreys_bhattacharyya_and_geometric_js_are_no_metrics(line):
    def roots(distance, a, b, c):
        return [np.sqrt(distance(p, q)[0, 0]) for p, q in ((a, c), (a, b), (b, c))]

    whole, first, second = roots(jeffreys, line(0, 1), line(0, np.e), line(0, np.e**2))
    assert whole > first + second + 1
    whole, first, second = roots(bhattacharyya, line(0, 1), line(10, 5), line(20, 1))
    assert whole > first + second + 1
    whole, first, second = roots(geometric_jensen_shannon, line(0, 1), line(10, 2), line(20, 1))
    assert whole > first + second + 0.1


def test_a_deviation_of_zero_is_refused_in_words_but_by_wasserstein(line):
    with pytest.raises(ValueError, match="euclidean or cosine"):
        kl(line(0, 0), line(0, 1))
    assert wasserstein2(line(0, 0), line(3, 4))[0, 0] == 5.0


def test_posteriors_of_two_models_are_refused_in_words(gaussians):
    with pytest.raises(ValueError, match="one model"):
        kl(gaussians(1, 0, d=2), gaussians(1, 0, d=3))
