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
from napari_vaemed.distances.gaussian import check_deviations, moments
from napari_vaemed.distances.jensen_shannon import jensen_shannon, jensen_shannon_bounds

Numbers = NDArray[np.float64]
Floats = NDArray[np.floating]

_ROUNDING = 1e-15  # of 1 − Hellinger² and 1 − JS/ln 2 in float64


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a form makes of m known posteriors, in pieces and in the precision they are given in.

    Each number is made by a few operations none of which cancels, so that in float32 its error is
    a few roundings of itself; only what is summed into ``constant`` may have both signs.

    Parameters
    ----------
    parts : tuple of (m, d)
    constant : (m,) or None
        One more number.
    size : (m,) or None
        What the absolute values of its summands add up to, or more.
    squares : tuple of (m,) or empty
        The squared length of each part, where the form needs them itself.
    """

    parts: tuple[Floats, ...]
    constant: Floats | None = None
    size: Floats | None = None
    squares: tuple[Floats, ...] = ()

    def joined(self) -> Floats:
        """All of it, (m, features)."""
        last = () if self.constant is None else (self.constant[:, None],)
        return np.concatenate([*self.parts, *last], axis=1)


@dataclass(frozen=True)
class Form:
    """A distance's inner product.

    Parameters
    ----------
    query : function
        From posteriors (n, d) to f (n, features) and c (n,).
    known : function
        From posteriors (m, d) to g, as `Vectors`.
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
    known: Callable[[Posterior], Vectors]
    reach: Callable[[Numbers], Numbers]
    bound: Callable[[Any, Any], Numbers] | None = None
    tight: bool = True
    invariant: str = "affine"


def _kl_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    vectors = _join(0.5 * (sd**2 + mean**2), -mean, _ones(mean))
    return vectors, -np.log(sd).sum(1) - 0.5 * mean.shape[1]


def _kl_known(p: Posterior) -> Vectors:
    mean, sd = _as_given(p)
    precision, log = 1.0 / (sd * sd), np.log(sd)
    slope = mean * precision
    square = 0.5 * np.vecdot(mean, slope)
    return Vectors((precision, slope), _total(log) + square, _size(log) + square)


def _reverse_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    precision = sd**-2.0
    constant = (np.log(sd) + 0.5 * mean**2 * precision).sum(1) - 0.5 * mean.shape[1]
    return _join(0.5 * precision, -mean * precision, -_ones(mean)), constant


def _reverse_known(p: Posterior) -> Vectors:
    mean, sd = _as_given(p)
    log = np.log(sd)
    return Vectors((sd * sd + mean * mean, mean), _total(log), _size(log))


def _jeffreys_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    precision = sd**-2.0
    vectors = _join(0.5 * (sd**2 + mean**2), 0.5 * precision, -mean, -mean * precision, _ones(mean))
    return vectors, 0.5 * (mean**2 * precision).sum(1) - mean.shape[1]


def _jeffreys_known(p: Posterior) -> Vectors:
    mean, sd = _as_given(p)
    variance = sd * sd
    precision = 1.0 / variance
    slope = mean * precision
    square = 0.5 * np.vecdot(mean, slope)
    return Vectors((precision, variance + mean * mean, slope, mean), square, square)


def _wasserstein_query(p: Posterior) -> tuple[Numbers, Numbers]:
    both = _join(*moments(p, zero_sd=True))
    return _join(-2.0 * both, _ones(both)), (both**2).sum(1)


def _wasserstein_known(p: Posterior) -> Vectors:
    mean, sd = _as_given(p, zero_sd=True)
    squares = np.vecdot(mean, mean), np.vecdot(sd, sd)
    square = squares[0] + squares[1]
    return Vectors((mean, sd), square, square, squares)


def _euclidean_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean = _means(p)
    return _join(-2.0 * mean, _ones(mean)), (mean**2).sum(1)


def _euclidean_known(p: Posterior) -> Vectors:
    square = np.vecdot(p.mean, p.mean)
    return Vectors((p.mean,), square, square, (square,))


def _cosine_query(p: Posterior) -> tuple[Numbers, Numbers]:
    vectors = points.unit(_means(p))
    return _join(-vectors, _ones(vectors)), 0.5 * (vectors**2).sum(1)


def _cosine_known(p: Posterior) -> Vectors:
    vectors = points.unit(p.mean)
    square = 0.5 * np.vecdot(vectors, vectors)
    return Vectors((vectors,), square, square)


def _u_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    vectors = _join(0.5 * (0.5 * mean**2 + sd**2) / sd, 0.5 / sd, -0.5 * mean / sd)
    return vectors, np.full(len(mean), -float(mean.shape[1]))


def _u_known(p: Posterior) -> Vectors:
    mean, sd = _as_given(p)
    root = 1.0 / sd
    slope = mean * root
    return Vectors((root, 0.5 * mean * slope + sd, slope))


def _geometric_query(p: Posterior) -> tuple[Numbers, Numbers]:
    (j, j_offset), (u, u_offset) = _jeffreys_query(p), _u_query(p)
    vectors = _join(0.25 * j[:, :-1], -0.5 * u, 0.25 * j[:, -1:])
    return vectors, 0.25 * j_offset - 0.5 * u_offset


def _geometric_known(p: Posterior) -> Vectors:
    jeffreys = _jeffreys_known(p)
    return Vectors((*jeffreys.parts, *_u_known(p).parts), jeffreys.constant, jeffreys.size)


def _overlap_query(p: Posterior) -> tuple[Numbers, Numbers]:
    mean, sd = moments(p)
    both = sd**2 + 1.0
    slope = -0.25 / both**2
    level = 0.25 / both - slope
    lean = 1.0 / both - 0.5
    vectors = _join(level, -2 * level * mean, slope, -2 * slope * mean, slope * mean**2, lean)
    return vectors, (level * mean**2 + 0.5 * np.log(0.5 * both / sd)).sum(1)


def _overlap_known(p: Posterior) -> Vectors:
    mean, sd = _as_given(p)
    square, variance = mean * mean, sd * sd
    return Vectors((square, mean, square * variance, variance * mean, variance, np.log(sd)))


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
        _u_query,
        _u_known,
        lambda t: np.cosh(np.minimum(t / 2**0.5, 300.0)) - 1.0,
        bound=gaussian.fisher_rao_bound,
        tight=False,
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


def _as_given(p: Posterior, *, zero_sd: bool = False) -> tuple[Floats, Floats]:
    """Mean and standard deviation without a change of precision."""
    smallest = p.sd.min()  # what is too large is told from the features
    if not (smallest >= 0 if zero_sd else smallest > 0):
        check_deviations(p.sd, zero=zero_sd)
    return p.mean, p.sd


def _size(terms: Floats) -> Floats:
    """No less than the sum of the absolute values over the dimensions."""
    return np.sqrt(terms.shape[1] * np.vecdot(terms, terms))


def _total(terms: Floats) -> Floats:
    """Sum over the dimensions; a product is quicker at it than a sum of short rows."""
    return np.vecdot(terms, np.ones(terms.shape[1], terms.dtype))
