"""Distances between Dirichlet distributions that have closed forms.

All take posteriors of shape (n, K) or (K,) and (m, K) or (K,) and give (n, m) in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from napari_vaemed.data.posterior import DirichletPosterior
from napari_vaemed.distances.properties import stated

Numbers = NDArray[np.float64]


@stated("Hellinger", symmetric=True, metric=True, largest=1.0)
def hellinger(a: DirichletPosterior, b: DirichletPosterior) -> Numbers:
    """Hellinger distance, √(1 − ∫√(ab)): a metric in [0, 1]."""
    return np.sqrt(-np.expm1(-bhattacharyya(a, b)))


@stated("Bhattacharyya", symmetric=True, metric=False)
def bhattacharyya(a: DirichletPosterior, b: DirichletPosterior) -> Numbers:
    """Bhattacharyya distance in nats, ½ (ln B(a) + ln B(b)) − ln B((a+b)/2); symmetric."""
    left, right = _concentrations(a), _concentrations(b)
    halves = np.array([_log_beta(0.5 * (row + right)) for row in left])
    return np.maximum(0.5 * (_log_beta(left)[:, None] + _log_beta(right)) - halves, 0.0)


def bhattacharyya_coefficient(a: DirichletPosterior, b: DirichletPosterior) -> Numbers:
    """∫√(ab), the overlap of two posteriors: a similarity in [0, 1], 1 between equals."""
    return np.exp(-bhattacharyya(a, b))


@stated("Jeffreys", symmetric=True, metric=False)
def jeffreys(a: DirichletPosterior, b: DirichletPosterior) -> Numbers:
    """Jeffreys divergence, KL(a‖b) + KL(b‖a), in nats; symmetric."""
    left, right = _concentrations(a), _concentrations(b)
    mean_a, mean_b = _mean_log(left), _mean_log(right)
    apart = [
        ((row - right) * (mean - mean_b)).sum(-1) for row, mean in zip(left, mean_a, strict=True)
    ]
    return np.maximum(np.array(apart), 0.0)


@stated("geometric Jensen–Shannon", symmetric=True, metric=False)
def geometric_jensen_shannon(a: DirichletPosterior, b: DirichletPosterior) -> Numbers:
    """Jensen–Shannon with the geometric mean (α = ½), J/4 − BD, in nats; symmetric."""
    return np.maximum(0.25 * jeffreys(a, b) - bhattacharyya(a, b), 0.0)


@stated("Kullback–Leibler", symmetric=False, metric=False)
def kl(a: DirichletPosterior, b: DirichletPosterior) -> Numbers:
    """Kullback–Leibler divergence KL(a‖b) in nats; neither symmetric nor bounded nor a metric."""
    left, right = _concentrations(a), _concentrations(b)
    inner = [
        ((row - right) * mean).sum(-1) for row, mean in zip(left, _mean_log(left), strict=True)
    ]
    return np.maximum(np.array(inner) + _log_beta(right) - _log_beta(left)[:, None], 0.0)


@stated("reverse Kullback–Leibler", symmetric=False, metric=False)
def reverse_kl(a: DirichletPosterior, b: DirichletPosterior) -> Numbers:
    """Kullback–Leibler divergence KL(b‖a) in nats; neither symmetric nor bounded nor a metric."""
    return kl(b, a).T


def _concentrations(posterior: DirichletPosterior) -> Numbers:
    values = np.atleast_2d(np.asarray(posterior.concentration, float))
    if not ((values > 0) & (values < np.inf)).all():
        raise ValueError(
            f"Concentrations must be positive and finite; the smallest is {values.min()}, the "
            f"largest {values.max()}."
        )
    return values


def _log_beta(concentration: Numbers) -> Numbers:
    """ln B, the logarithm of the multivariate Beta function, over the last axis."""
    inner: Numbers = gammaln(concentration).sum(-1)
    return inner - gammaln(concentration.sum(-1))


def _mean_log(concentration: Numbers) -> Numbers:
    """Mean of ln x under each Dirichlet, same shape."""
    inner: Numbers = digamma(concentration)
    return inner - digamma(concentration.sum(-1, keepdims=True))
