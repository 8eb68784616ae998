"""Distances between diagonal Gaussians, each from n of them to m others.

All take posteriors of shape (n, d) or (d,) and (m, d) or (d,) and give (n, m) in float64; where the
second have shape (n, m, d), each of the first is compared with m of its own. Differences come
before sums, so that two equal posteriors are at exactly 0 and standard deviations from 1e-4 to 1e4
lose no digits. Search uses other forms of the same quantities, see
`napari_vaemed.retrieval.forms`. Below, σ is a standard deviation, Δ the difference of two means,
and sums run over the latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances.points import apart
from napari_vaemed.distances.properties import stated

Numbers = NDArray[np.float64]

_BLOCK = 1 << 16  # numbers in a temporary array: it stays in the cache
_FACTORS = 16  # multiplied before a logarithm is taken: 16 factors of 1e±19 stay in range


@stated("2-Wasserstein", symmetric=True, metric=True)
def wasserstein2(a: Posterior, b: Posterior) -> Numbers:
    """2-Wasserstein distance, √Σ (Δ² + (σa−σb)²): a metric, in the unit of the latent space."""
    left, right = (np.concatenate(moments(p, zero_sd=True), axis=-1) for p in (a, b))
    return apart(left, right)


@stated("Fisher–Rao", symmetric=True, metric=True)
def fisher_rao(a: Posterior, b: Posterior) -> Numbers:
    """Length of the shortest path between two Gaussians in the Fisher metric: a metric.

    √(2 Σ arccosh²(1+u)) with u = (Δ²/2 + (σa−σb)²) / (2 σa σb), Atkinson and Mitchell 1981.
    """

    def term(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
        angle = _arccosh_above_1(_u(mean, sd, means, sds))
        return np.vecdot(angle, angle)

    return np.sqrt(2.0 * _in_blocks(term, a, b))


def fisher_rao_bound(a: Posterior, b: Posterior) -> Numbers:
    """Never above `fisher_rao`, up to rounding, and cheaper: one logarithm for four dimensions.

    arccosh²(1+u) is concave in u and 0 at 0, so that of a sum is not above the sum of each.
    """

    def term(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
        u = _u(mean, sd, means, sds)
        few = u.shape[-1] // 4
        some = u[..., :few] + u[..., few : 2 * few]
        some += u[..., 2 * few : 3 * few]
        some += u[..., 3 * few : 4 * few]
        angle = _arccosh_above_1(np.concatenate([some, u[..., 4 * few :]], axis=-1))
        return np.vecdot(angle, angle)

    return np.sqrt(2.0 * _in_blocks(term, a, b))


def _u(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
    """cosh of the distance of two points of the half plane, less 1."""
    shift, spread = mean - means, sd - sds
    shift *= shift
    shift *= 0.5
    spread *= spread
    shift += spread
    shift /= 2.0 * sd * sds
    return shift


def _arccosh_above_1(u: Numbers) -> Numbers:
    """arccosh(1+u), without loss near 0."""
    angle = u + 2.0
    angle *= u
    np.sqrt(angle, out=angle)
    angle += u
    return np.log1p(angle, out=angle)


@stated("Hellinger", symmetric=True, metric=True, largest=1.0)
def hellinger(a: Posterior, b: Posterior) -> Numbers:
    """Hellinger distance, √(1 − ∫√(ab)): a metric in [0, 1]; near 1 it saturates."""
    return np.sqrt(-np.expm1(-bhattacharyya(a, b)))


@stated("Bhattacharyya", symmetric=True, metric=False)
def bhattacharyya(a: Posterior, b: Posterior) -> Numbers:
    """Bhattacharyya distance, −ln ∫√(ab), in nats; symmetric, neither it nor its root a metric.

    Σ Δ²/(4(σa²+σb²)) + ½ ln((σa²+σb²)/(2σaσb)). It is also the dual geometric Jensen–Shannon
    divergence at α = ½.
    """

    def term(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
        shift, spread = mean - means, sd - sds
        both = sd * sd + sds * sds
        return (shift * shift / (4.0 * both)).sum(-1) + 0.5 * _log_of_product(
            1.0 + spread * spread / (2.0 * sd * sds)
        )

    return _in_blocks(term, a, b)


def bhattacharyya_coefficient(a: Posterior, b: Posterior) -> Numbers:
    """∫√(ab), the overlap of two posteriors: a similarity in [0, 1], 1 between equals."""
    return np.exp(-bhattacharyya(a, b))


@stated("Jeffreys", symmetric=True, metric=False)
def jeffreys(a: Posterior, b: Posterior) -> Numbers:
    """Jeffreys divergence, KL(a‖b) + KL(b‖a), in nats; symmetric, its root no metric."""

    def term(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
        ratio, shift = sd / sds, mean - means
        apart, left, right = ratio - 1.0 / ratio, shift / sd, shift / sds
        return 0.5 * (apart * apart + left * left + right * right).sum(-1)

    return _in_blocks(term, a, b)


@stated("geometric Jensen–Shannon", symmetric=True, metric=False)
def geometric_jensen_shannon(a: Posterior, b: Posterior) -> Numbers:
    """Jensen–Shannon divergence with the geometric mean (α = ½), J/4 − BD, in nats.

    Symmetric; neither it nor its root is a metric.
    """
    return np.maximum(0.25 * jeffreys(a, b) - bhattacharyya(a, b), 0.0)


@stated("maximum mean discrepancy", symmetric=True, metric=True, largest=sqrt(2.0))
def mmd(a: Posterior, b: Posterior, *, width: float | None = None) -> Numbers:
    """Maximum mean discrepancy under a Gaussian kernel: a metric in [0, √2].

    √(K(a,a) + K(b,b) − 2K(a,b)), K = Π √(h²/(h²+σa²+σb²)) exp(−Δ²/(2(h²+σa²+σb²))).

    Parameters
    ----------
    width : float or None
        h, in the unit of the latent space; default √d, about the distance at which points of the
        prior lie from its middle.
    """
    square = np.atleast_2d(a.mean).shape[1] if width is None else width * width

    def log_kernel(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
        shift, spread = mean - means, (sd * sd + sds * sds) / square
        inner = (shift * shift / (square * (1.0 + spread))).sum(-1)
        return -0.5 * (inner + _log_of_product(1.0 + spread))

    def own(posterior: Posterior) -> Numbers:
        mean, sd = moments(posterior)
        return np.exp(log_kernel(mean, sd, mean, sd))

    cross = np.exp(_in_blocks(log_kernel, a, b))
    return np.sqrt(np.maximum(own(a)[:, None] + own(b) - 2.0 * cross, 0.0))


@stated("Kullback–Leibler", symmetric=False, metric=False)
def kl(a: Posterior, b: Posterior) -> Numbers:
    """Kullback–Leibler divergence KL(a‖b) in nats; neither symmetric nor bounded nor a metric."""

    def term(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
        ratio, shift = sd / sds, (mean - means) / sds
        squares = ((ratio - 1.0) * (ratio + 1.0) + shift * shift).sum(-1)
        return np.maximum(0.5 * squares - _log_of_product(ratio), 0.0)

    return _in_blocks(term, a, b)


@stated("reverse Kullback–Leibler", symmetric=False, metric=False)
def reverse_kl(a: Posterior, b: Posterior) -> Numbers:
    """Kullback–Leibler divergence KL(b‖a) in nats; neither symmetric nor bounded nor a metric."""

    def term(mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers) -> Numbers:
        ratio, shift = sds / sd, (mean - means) / sd
        squares = ((ratio - 1.0) * (ratio + 1.0) + shift * shift).sum(-1)
        return np.maximum(0.5 * squares - _log_of_product(ratio), 0.0)

    return _in_blocks(term, a, b)


def moments(posterior: Posterior, *, zero_sd: bool = False) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation, (n, d) or (n, m, d) float64 each.

    Raises
    ------
    ValueError
        If a standard deviation is not positive (with ``zero_sd``: is negative).
    """
    mean, sd = (np.atleast_2d(np.asarray(v, float)) for v in (posterior.mean, posterior.sd))
    check_deviations(sd, zero=zero_sd)
    return mean, sd


def check_deviations(sd: NDArray[np.floating], *, zero: bool = False) -> None:
    """Refuse standard deviations that are not positive and finite; ``zero`` lets 0 pass.

    Raises
    ------
    ValueError
        If there are such.
    """
    if not sd.size:
        return
    smallest, largest = sd.min(), sd.max()  # NaN if there is one
    if not ((smallest >= 0 if zero else smallest > 0) and largest < inf):
        raise ValueError(
            f"Standard deviations must be positive and finite; the smallest is {smallest}, the "
            f"largest {largest}. For the points of an autoencoder use euclidean or cosine."
        )


def _in_blocks(
    term: Callable[[Numbers, Numbers, Numbers, Numbers], Numbers], a: Posterior, b: Posterior
) -> Numbers:
    """Fill (n, m) with ``term`` of (rows, 1, d) against (1, columns, d), a block at a time."""
    (mean, sd), (means, sds) = moments(a), moments(b)
    if mean.shape[-1] != means.shape[-1]:
        raise ValueError(
            f"Posteriors of {mean.shape[-1]} and of {means.shape[-1]} dimensions cannot be "
            "compared. Use those of one model."
        )
    dims, own = mean.shape[-1], means.ndim == 3
    out = np.empty((len(mean), means.shape[-2]))
    columns = max(1, min(out.shape[1], _BLOCK // dims))
    rows = max(1, _BLOCK // (columns * dims))
    for top in range(0, len(out), rows):
        some = slice(top, top + rows)
        left = mean[some, None], sd[some, None]
        for start in range(0, out.shape[1], columns):
            others = slice(start, start + columns)
            right = (v[some, others] if own else v[None, others] for v in (means, sds))
            out[some, others] = term(*left, *right)
    return out


def _log_of_product(factors: Numbers) -> Numbers:
    """Σ ln over the last axis, with one logarithm for many factors."""
    starts = np.arange(0, factors.shape[-1], _FACTORS)
    return np.log(np.multiply.reduceat(factors, starts, axis=-1)).sum(-1)
