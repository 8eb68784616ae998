from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances.points import cosine, euclidean


def test_euclidean_and_cosine_agree_with_scikit_learn(gaussians):
    a, b = gaussians(4, 0), gaussians(5, 1)
    np.testing.assert_allclose(euclidean(a, b), euclidean_distances(a.mean, b.mean), rtol=1e-9)
    np.testing.assert_allclose(cosine(a, b), cosine_distances(a.mean, b.mean), atol=1e-12)


def test_deviations_do_not_count(gaussians):
    a, b = gaussians(4, 0), gaussians(5, 1)
    points = Posterior(a.mean, np.zeros_like(a.sd))
    np.testing.assert_array_equal(euclidean(points, b), euclidean(a, b))
    np.testing.assert_array_equal(cosine(points, b), cosine(a, b))


def test_the_point_without_a_direction_is_at_zero_from_itself():
    points = Posterior(np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((2, 2)))
    np.testing.assert_allclose(cosine(points, points), [[0.0, 0.5], [0.5, 0.0]], atol=1e-15)
