"""Distances between points, for the codes of an autoencoder; of a posterior only the mean counts.

Shapes as in `napari_vaemed.distances.gaussian`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances.properties import stated

Numbers = NDArray[np.float64]


@stated("Euclidean", symmetric=True, metric=True)
def euclidean(a: Posterior, b: Posterior) -> Numbers:
    """Euclidean distance of the means, a metric on points, in the unit of the latent space."""
    return apart(*(np.atleast_2d(np.asarray(p.mean, float)) for p in (a, b)))


@stated("cosine", symmetric=True, metric=False, largest=2.0)
def cosine(a: Posterior, b: Posterior) -> Numbers:
    """1 − cos of the angle between the means, in [0, 2]; symmetric, no metric.

    Half the squared distance of the unit vectors. The zero vector, which has no direction, is at 0
    from itself and at ½ from all others.
    """
    left, right = (unit(np.atleast_2d(np.asarray(p.mean, float))) for p in (a, b))
    return np.minimum(0.5 * apart(left, right) ** 2, 2.0)


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Vectors (…, d) of length 1 in the same directions and precision; zero stays zero."""
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    scaled = vectors / np.where(largest > 0, largest, 1.0)
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    turned: NDArray[Any] = scaled / np.where(length > 0, length, 1.0)
    return turned


def apart(left: Numbers, right: Numbers) -> Numbers:
    """Euclidean distances (n, m) from (n, d) to (m, d), or to (n, m, d): each to its own m."""
    if right.ndim == 2:
        return cdist(left, right)
    own = [cdist(one[None], others)[0] for one, others in zip(left, right, strict=True)]
    return np.array(own).reshape(right.shape[:2])
