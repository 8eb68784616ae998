"""Distances, or what no distance falls below, as one inner product of two vectors.

For each distance listed here there are vectors f(query) and g(known) and a number c(query) such
that the *score* c + ⟨f, g⟩ tells at which known posteriors a distance of at most t is possible at
all: those with a score of at most `Form.reach` (t). So one matrix product sorts out a whole index.

KL either way, Jeffreys, 2-Wasserstein, Euclid and cosine are the score itself, up to a monotone
function (in an exponential family KL is linear in (η, F(η)) of one side). For the others the
score is a bound:

- Fisher–Rao ≥ √2 arccosh(1 + Σu), u = (Δ²/2 + (σa−σb)²) / (2σaσb), summed over the dimensions:
  arccosh²(1+u) is concave in u, and 0 at 0. Σu is an inner product.
- Bhattacharyya, Σ Δ²/(4(σa²+s)) + ½ ln((σa²+s)/(2σa√s)) with s = σb²: the factor of Δ² is convex
  in s, the logarithm in ln s, so both lie above their tangents at s = 1 (after each dimension was
  divided by its usual σ), and with the tangents in their place it is an inner product.
- From the overlap BC = exp(−Bhattacharyya) follow Hellinger² = 1 − BC and
  Jensen–Shannon ≥ ln 2 (1 − BC).
- Geometric Jensen–Shannon is J/4 − BD ≥ J/4 − Σu/2, as ln(1+v) ≤ v.

Numbers in a vector, with d latent dimensions: 2d+1 for KL and 2-Wasserstein, 4d+1 for Jeffreys,
3d for Σu, 6d for Bhattacharyya, 7d+1 for geometric Jensen–Shannon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import gaussian, points
from napari_vaemed.distances.gaussian import moments
from napari_vaemed.distances.jensen_shannon import jensen_shannon, jensen_shannon_bounds

Numbers = NDArray[np.float64]

_ROUNDING = 1e-15  # of 1 − Hellinger² and 1 − JS/ln 2 in float64


@dataclass(frozen=True)
class Form:
    """A distance's inner product.

    Parameters
    ----------
    query : function
        From posteriors (n, d) to f (n, features) and c (n,).
    known : function
        From posteriors (m, d) to g (m, features).
    reach : function
        From a distance t to the largest score at which a distance of t is possible.
    bound : function or None
        A distance that is never larger and much cheaper, to be asked before the distance itself.
    tight : bool
        True if the score gives the distance, False if it only bounds it.
    invariant : {"affine", "shift", ""}
        Whether the distance stays the same when each dimension is moved and divided by a number
        of its own, or when it is moved.
    """

    query: Callable[[Posterior], tuple[Numbers, Numbers]]
    known: Callable[[Posterior], Numbers]
    reach: Callable[[Numbers], Numbers]
    bound: Callable[[Posterior, Posterior], Numbers] | None = None
    tight: bool = True
    invariant: str = "affine"


def _kl_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    return _join(sd**2 + mean**2, mean, _ones(mean)), -np.log(sd).sum(1) - 0.5 * mean.shape[1]


def _kl_known(p: Posterior) -> Numbers:
    mean, sd = moments(p)
    precision = sd**-2.0
    constant = (np.log(sd) + 0.5 * mean**2 * precision).sum(1, keepdims=True)
    return _join(0.5 * precision, -mean * precision, constant)


def _reverse_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    precision = sd**-2.0
    constant = (np.log(sd) + 0.5 * mean**2 * precision).sum(1) - 0.5 * mean.shape[1]
    return _join(0.5 * precision, -mean * precision, _ones(mean)), constant


def _reverse_known(p: Posterior) -> Numbers:
    mean, sd = moments(p)
    return _join(sd**2 + mean**2, mean, -np.log(sd).sum(1, keepdims=True))


def _jeffreys_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    precision = sd**-2.0
    vectors = _join(0.5 * (sd**2 + mean**2), 0.5 * precision, -mean, -mean * precision, _ones(mean))
    return vectors, 0.5 * (mean**2 * precision).sum(1) - mean.shape[1]


def _jeffreys_known(p: Posterior) -> Numbers:
    mean, sd = moments(p)
    precision = sd**-2.0
    constant = 0.5 * (mean**2 * precision).sum(1, keepdims=True)
    return _join(precision, sd**2 + mean**2, mean * precision, mean, constant)


def _wasserstein_query(p: Posterior) -> tuple[Numbers, Numbers]:
    both = _join(*moments(p, zero_sd=True))
    return _join(-2.0 * both, _ones(both)), (both**2).sum(1)


def _wasserstein_known(p: Posterior) -> Numbers:
    both = _join(*moments(p, zero_sd=True))
    return _join(both, np.einsum("ij,ij->i", both, both)[:, None])


def _euclidean_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean = _means(p)
    return _join(-2.0 * mean, _ones(mean)), (mean**2).sum(1)


def _euclidean_known(p: Posterior) -> Numbers:
    mean = _means(p)
    return _join(mean, (mean**2).sum(1, keepdims=True))


def _cosine_query(p: Posterior) -> tuple[Numbers, Numbers]:
    vectors = points.unit(_means(p))
    return _join(-vectors, _ones(vectors)), 0.5 * (vectors**2).sum(1)


def _cosine_known(p: Posterior) -> Numbers:
    vectors = points.unit(_means(p))
    return _join(vectors, 0.5 * (vectors**2).sum(1, keepdims=True))


def _u_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    vectors = _join(0.5 * (0.5 * mean**2 + sd**2) / sd, 0.5 / sd, -0.5 * mean / sd)
    return vectors, np.full(len(mean), -float(mean.shape[1]))


def _u_known(p: Posterior) -> Numbers:
    mean, sd = moments(p)
    return _join(1.0 / sd, (0.5 * mean**2 + sd**2) / sd, mean / sd)


def _geometric_query(p: Posterior) -> tuple[Numbers, Numbers]:
    (j, j_offset), (u, u_offset) = _jeffreys_query(p), _u_query(p)
    return _join(0.25 * j, -0.5 * u), 0.25 * j_offset - 0.5 * u_offset


def _geometric_known(p: Posterior) -> Numbers:
    return _join(_jeffreys_known(p), _u_known(p))


def _overlap_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    both = sd**2 + 1.0
    slope = -0.25 / both**2
    level = 0.25 / both - slope
    lean = 1.0 / both - 0.5
    vectors = _join(level, -2 * level * mean, slope, -2 * slope * mean, slope * mean**2, lean)
    return vectors, (level * mean**2 + 0.5 * np.log(0.5 * both / sd)).sum(1)


def _overlap_known(p: Posterior) -> Numbers:
    mean, sd = moments(p)
    return _join(mean**2, mean, (sd * mean) ** 2, sd**2 * mean, sd**2, np.log(sd))


def _bhattacharyya_at(coefficient: Numbers) -> Numbers:
    """−ln of an overlap that came from a rounded distance near its largest value."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(np.maximum(coefficient - _ROUNDING, 0.0)))


FORMS: Mapping[Callable[..., Any], Form] = {
    gaussian.kl: Form(_kl_query, _kl_known, lambda t: t),
    gaussian.reverse_kl: Form(_reverse_query, _reverse_known, lambda t: t),
    gaussian.jeffreys: Form(_jeffreys_query, _jeffreys_known, lambda t: t),
    gaussian.wasserstein2: Form(
        _wasserstein_query, _wasserstein_known, np.square, invariant="shift"
    ),
    points.euclidean: Form(_euclidean_query, _euclidean_known, np.square, invariant="shift"),
    points.cosine: Form(_cosine_query, _cosine_known, lambda t: t, invariant=""),
    gaussian.fisher_rao: Form(
        _u_query, _u_known, lambda t: np.cosh(np.minimum(t / 2**0.5, 300.0)) - 1.0, tight=False
    ),
    gaussian.bhattacharyya: Form(_overlap_query, _overlap_known, lambda t: t, tight=False),
    gaussian.hellinger: Form(
        _overlap_query, _overlap_known, lambda t: _bhattacharyya_at(1.0 - t * t), tight=False
    ),
    jensen_shannon: Form(
        _overlap_query,
        _overlap_known,
        lambda t: _bhattacharyya_at(1.0 - t / log(2.0)),
        bound=lambda a, b: jensen_shannon_bounds(a, b)[0],
        tight=False,
    ),
    gaussian.geometric_jensen_shannon: Form(
        _geometric_query, _geometric_known, lambda t: t, tight=False
    ),
}
"""The distances an index can be sorted out for with one matrix product; others are only asked."""


def _join(*parts: Numbers) -> Numbers:
    return np.concatenate(parts, axis=1)


def _means(p: Posterior) -> Numbers:
    return np.atleast_2d(np.asarray(p.mean, float))


def _ones(like: Numbers) -> Numbers:
    return np.ones((len(like), 1))
