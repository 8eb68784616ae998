from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from napari_vaemed.data.posterior import DirichletPosterior, Posterior
from napari_vaemed.retrieval.latent_map import (
    ASKED,
    among,
    coordinates,
    drawn,
    main_axes,
    stochastic_neighbours,
    trustworthiness,
)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return rng.normal(size=(120, 7)) * (3.0, 2.0, 1.0, 1.0, 0.5, 0.5, 0.1) + 4.0


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(1)
    return np.concatenate([rng.normal(size=(60, 6)), rng.normal(size=(60, 6)) + 8.0])


def test_the_main_axes_are_those_of_the_singular_value_decomposition(points):
    found = main_axes(points)
    off = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(off, full_matrices=False)
    expected = left[:, :2] * sizes[:2]
    turned = np.sign((expected * found.places).sum(axis=0))
    np.testing.assert_allclose(found.places, expected * turned, atol=1e-8)
    shares = np.square(sizes[:2]) / np.square(sizes).sum()
    assert found.figures["first_share"] == pytest.approx(shares[0])
    assert found.figures["second_share"] == pytest.approx(shares[1])


def test_an_axis_points_where_its_largest_loading_does(points):
    turned = points * (-1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    for each in (points, turned):
        places = main_axes(each).places
        for axis in range(2):
            assert np.corrcoef(places[:, axis], each[:, axis])[0, 1] > 0.9


def test_one_dimension_is_a_line():
    places = main_axes(np.array([[1.0], [2.0], [4.0]])).places
    np.testing.assert_allclose(np.diff(places[:, 0]), [1.0, 2.0])
    np.testing.assert_allclose(places[:, 1], 0.0)


def test_codes_that_are_all_the_same_lie_on_one_spot():
    with np.errstate(invalid="ignore", divide="ignore"):
        found = main_axes(np.ones((5, 3)))
    np.testing.assert_allclose(found.places, 0.0)
    assert found.figures == {"first_share": 0.0, "second_share": 0.0}


def test_coordinates_are_means_and_of_shares_centred_log_ratios():
    mean = np.array([[1.0, -2.0], [0.0, 3.0]], np.float32)
    np.testing.assert_array_equal(coordinates(Posterior(mean, mean * 0 + 1)), mean)
    found = coordinates(DirichletPosterior(np.array([[2.0, 1.0, 4.0]], np.float32)))
    root = 8.0 ** (1 / 3)  # the geometric mean of 2, 1 and 4
    np.testing.assert_allclose(found, np.log([[2 / root, 1 / root, 4 / root]]), atol=1e-6)


def test_two_planted_groups_come_apart_by_every_method(blobs):
    for layout in (main_axes(blobs), stochastic_neighbours(blobs, 0)):
        one, other = layout.places[:60], layout.places[60:]
        apart = np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))
        assert apart > 3 * max(one.std(axis=0).max(), other.std(axis=0).max())


def test_the_same_seed_gives_the_same_neighbours_map(blobs):
    once, again = (stochastic_neighbours(blobs, 3).places for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_one_among_others_is_put_at_their_weighed_mean():
    points = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [9.0, 9.0], [8.0, 9.0], [99.0, 99.0]])
    places = np.arange(12.0).reshape(6, 2)
    query = np.array([[0.0, 1.0]])
    near = np.linalg.norm(points[:5] - query, axis=1)
    expected = (places[:5] / near[:, None]).sum(axis=0) / (1 / near).sum()
    np.testing.assert_allclose(among(points, places, query)[0], expected)
    np.testing.assert_allclose(among(points, places, points), places, atol=1e-6)


def test_trustworthiness_is_that_of_its_definition(points):
    places = main_axes(points).places
    found, k, n = trustworthiness(points, places)
    assert (k, n) == (10, 120)
    true, shown = cdist(points, points), cdist(places, places)
    for apart in (true, shown):
        np.fill_diagonal(apart, np.inf)
    rank = true.argsort(axis=1).argsort(axis=1) + 1
    near = shown.argsort(axis=1)[:, :k]
    excess = np.maximum(np.take_along_axis(rank, near, 1) - k, 0).sum()
    assert found == pytest.approx(1 - 2 * excess / (n * k * (2 * n - 3 * k - 1)))


def test_a_map_that_is_the_space_itself_is_trusted_and_chance_is_not():
    points = np.random.default_rng(0).normal(size=(300, 2))
    assert trustworthiness(points, points)[0] == 1.0
    assert trustworthiness(points, np.random.default_rng(1).normal(size=(300, 2)))[0] < 0.6


def test_of_many_nodules_some_are_asked():
    points = np.random.default_rng(0).normal(size=(ASKED + 50, 3))
    assert trustworthiness(points, points[:, :2])[2] == ASKED
    rows = drawn(10_000, 100, 0)
    assert len(np.unique(rows)) == 100
    np.testing.assert_array_equal(rows, np.sort(rows))
    np.testing.assert_array_equal(rows, drawn(10_000, 100, 0))
