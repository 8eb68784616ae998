"""Distances between diagonal Gaussians, each from n of them to m others.

All take posteriors of shape (n, d) or (d,) and (m, d) or (d,) and give (n, m) in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_vaemed.data.posterior import Posterior


def wasserstein2(a: Posterior, b: Posterior) -> NDArray[np.float64]:
    """2-Wasserstein distance, sqrt Σ (Δμ² + Δσ²): a metric."""
    left, right = (np.concatenate(_moments(p), axis=1) for p in (a, b))
    return cdist(left, right)  # differences first: a nodule is at exactly 0 from itself


def kl(a: Posterior, b: Posterior) -> NDArray[np.float64]:
    """Kullback–Leibler divergence KL(a‖b) in nats; neither symmetric nor a metric."""
    (mean_a, sd_a), (mean_b, sd_b) = _moments(a), _moments(b)
    var_a, precision = np.square(sd_a), 1.0 / np.square(sd_b)
    cross = (var_a + np.square(mean_a)) @ precision.T - 2 * mean_a @ (mean_b * precision).T
    constant_b = (np.square(mean_b) * precision + 2 * np.log(sd_b)).sum(1)
    constant_a = (2 * np.log(sd_a) + 1.0).sum(1)
    return np.maximum(0.5 * (cross + constant_b - constant_a[:, None]), 0.0)


def jeffreys(a: Posterior, b: Posterior) -> NDArray[np.float64]:
    """Jeffreys divergence, KL(a‖b) + KL(b‖a), in nats; symmetric."""
    return kl(a, b) + kl(b, a).T


def bhattacharyya(a: Posterior, b: Posterior) -> NDArray[np.float64]:
    """Bhattacharyya distance, −ln ∫ √(ab); symmetric; exp(−it) is a similarity in 0–1."""
    (mean_a, sd_a), (mean_b, sd_b) = _moments(a), _moments(b)
    result = np.empty((len(mean_a), len(mean_b)))
    for row, (mean, sd) in enumerate(zip(mean_a, sd_a, strict=True)):
        both = sd**2 + np.square(sd_b)
        shift = np.square(mean - mean_b) / (4 * both)
        result[row] = (shift + 0.5 * np.log(both / (2 * sd * sd_b))).sum(1)
    return np.maximum(result, 0.0)


def _moments(posterior: Posterior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, sd = (np.atleast_2d(np.asarray(v, float)) for v in (posterior.mean, posterior.sd))
    return mean, sd
