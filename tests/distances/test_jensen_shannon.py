from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch.distributions import Normal

from napari_vaemed.distances.jensen_shannon import LN2, jensen_shannon, jensen_shannon_bounds


def by_quadrature(m: float, s: float, n: float, t: float) -> float:
    def integrand(x):
        logs = [
            -0.5 * ((x - c) / w) ** 2 - np.log(w * np.sqrt(2 * np.pi)) for c, w in ((m, s), (n, t))
        ]
        middle = np.logaddexp(*logs) - LN2
        return 0.5 * sum(np.exp(log) * (log - middle) for log in logs)

    low, high = min(m - 12 * s, n - 12 * t), max(m + 12 * s, n + 12 * t)
    return quad(integrand, low, high, points=(m, n), epsabs=1e-11, limit=1000)[0]


def test_on_a_line_it_agrees_with_quadrature(line):
    rng = np.random.default_rng(0)
    errors = []
    for m, s, n, t in np.concatenate(
        [rng.normal(size=(30, 1)), np.exp(rng.normal(size=(30, 1))),
         rng.normal(size=(30, 1)), np.exp(rng.normal(size=(30, 1)))], axis=1
    ):  # fmt: skip
        errors.append(jensen_shannon(line(m, s), line(n, t))[0, 0] - by_quadrature(m, s, n, t))
    assert np.abs(errors).max() < 0.01
    assert np.abs(errors).mean() < 0.002


def test_in_many_dimensions_it_agrees_with_a_million_samples(gaussians):
    a, b = gaussians(1, 0, d=5), gaussians(1, 1, d=5)
    torch.manual_seed(0)
    p, q = (Normal(torch.tensor(v.mean[0]), torch.tensor(v.sd[0])) for v in (a, b))
    halves = []
    for one in (p, q):
        x = one.sample((1_000_000,))
        logs = torch.stack([p.log_prob(x).sum(-1), q.log_prob(x).sum(-1)])
        middle = torch.logsumexp(logs, 0) - LN2
        halves.append(float((one.log_prob(x).sum(-1) - middle).mean()))
    assert jensen_shannon(a, b)[0, 0] == pytest.approx(sum(halves) / 2, abs=0.01)
    assert jensen_shannon(a, b, samples=65536)[0, 0] == pytest.approx(sum(halves) / 2, abs=0.002)


def test_it_lies_between_its_bounds(gaussians):
    a, b = gaussians(20, 0, d=4), gaussians(20, 1, d=4)
    lower, upper = jensen_shannon_bounds(a, b)
    between = jensen_shannon(a, b)
    assert (lower <= between).all()
    assert (between <= upper).all()
    assert upper.max() <= LN2


def test_the_bounds_hold_for_the_true_value(line):
    rng = np.random.default_rng(1)
    for m, n, log_s, log_t in rng.normal(size=(30, 4)):
        pair = line(m, np.exp(log_s)), line(n, np.exp(log_t))
        lower, upper = (float(v[0, 0]) for v in jensen_shannon_bounds(*pair))
        true = by_quadrature(m, np.exp(log_s), n, np.exp(log_t))
        assert lower - 1e-9 <= true <= upper + 1e-9


def test_its_root_keeps_the_triangle_on_a_line():
    rng = np.random.default_rng(2)
    for _ in range(20):
        corners = [(m, np.exp(s)) for m, s in rng.normal(size=(3, 2))]
        root = [[np.sqrt(max(by_quadrature(*p, *q), 0)) for q in corners] for p in corners]
        assert root[0][2] <= root[0][1] + root[1][2] + 1e-6


def test_the_same_seed_gives_the_same_value(gaussians):
    a, b = gaussians(2, 0), gaussians(2, 1)
    np.testing.assert_array_equal(jensen_shannon(a, b), jensen_shannon(a, b))
    assert not np.array_equal(jensen_shannon(a, b), jensen_shannon(a, b, seed=1))
