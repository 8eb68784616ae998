"""Jensen–Shannon divergence of diagonal Gaussians: no closed form, so bounds and sampling."""

from __future__ import annotations

from functools import lru_cache
from math import log

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances.gaussian import Numbers, bhattacharyya_coefficient, moments
from napari_vaemed.distances.properties import stated

LN2 = log(2.0)

_SURE = 1e-4  # nats; where the bounds are nearer to each other, sampling could add nothing
_BLOCK = 1 << 20


@stated("Jensen–Shannon", symmetric=True, metric=False, largest=LN2)
def jensen_shannon(a: Posterior, b: Posterior, *, samples: int = 1024, seed: int = 0) -> Numbers:
    """Jensen–Shannon divergence in nats, in [0, ln 2]; symmetric, and its root is a metric.

    ½ E_a[ln a/m] + ½ E_b[ln b/m] with m = (a+b)/2, each mean over the same scrambled Sobol
    points, then moved between `jensen_shannon_bounds`. With 1024 samples the standard error is
    below 0.01 nats (2e-3 is usual). Where the bounds agree to 1e-4, their middle is given.

    Parameters
    ----------
    samples : int
        A power of two.
    seed : int
        Of the points; the same seed gives the same value.
    """
    lower, upper = jensen_shannon_bounds(a, b)
    result = 0.5 * (lower + upper)
    (mean, sd), (means, sds) = moments(a), moments(b)
    rows, columns = np.nonzero(upper - lower > _SURE)
    if not len(rows):
        return result
    basis = _basis(mean.shape[-1], samples, seed)
    step = max(1, _BLOCK // samples)
    for start in range(0, len(rows), step):
        i, j = rows[start : start + step], columns[start : start + step]
        other = (i, j) if means.ndim == 3 else j
        halves = (
            _from_middle(basis, mean[i], sd[i], means[other], sds[other]),
            _from_middle(basis, means[other], sds[other], mean[i], sd[i]),
        )
        result[i, j] = np.clip(0.5 * sum(halves), lower[i, j], upper[i, j])
    return result


def jensen_shannon_bounds(a: Posterior, b: Posterior) -> tuple[Numbers, Numbers]:
    """Below and above the Jensen–Shannon divergence: ln 2 (1 − BC) and ln 2 (1 − BC²)."""
    overlap = bhattacharyya_coefficient(a, b)
    return LN2 * (1.0 - overlap), LN2 * (1.0 - overlap * overlap)


@lru_cache(maxsize=4)
def _basis(dims: int, samples: int, seed: int) -> Numbers:
    """ε² and ε, (2 dims, samples), of standard normal ε."""
    uniform = qmc.Sobol(dims, rng=np.random.default_rng(seed)).random(samples)
    noise = ndtri(np.clip(uniform, 1e-16, 1.0 - 1e-16)).T
    return np.concatenate([noise * noise, noise])


def _from_middle(
    basis: Numbers, mean: Numbers, sd: Numbers, means: Numbers, sds: Numbers
) -> Numbers:
    """KL from pairs' first Gaussian to the middle of both, (pairs,), by samples of the first.

    The log ratio of the two densities at mean + sd·ε is a quadratic in ε: one matrix product with
    ``basis``, which holds ε² and ε.
    """
    ratio, shift = sd / sds, (mean - means) / sds
    weights = np.concatenate([0.5 * (ratio - 1.0) * (ratio + 1.0), ratio * shift], axis=1)
    constant = (0.5 * shift * shift - np.log(ratio)).sum(-1)
    log_ratio = weights @ basis + constant[:, None]
    return LN2 - np.logaddexp(0.0, -log_ratio).mean(-1)
