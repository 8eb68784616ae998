"""Every distance is what it says of itself, from deviations of 1e-4 to 1e4."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_vaemed.data.posterior import DirichletPosterior, Posterior
from napari_vaemed.distances import DIRICHLET_DISTANCES, DISTANCES
from napari_vaemed.distances.jensen_shannon import jensen_shannon
from napari_vaemed.distances.points import cosine, euclidean
from napari_vaemed.distances.properties import properties_of

EACH = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)
EACH_DIRICHLET = pytest.mark.parametrize("distance", DIRICHLET_DISTANCES, ids=lambda d: d.__name__)
EVERY = pytest.mark.parametrize(
    "distance",
    [*DISTANCES, *DIRICHLET_DISTANCES],
    ids=lambda d: f"{d.__module__.rsplit('.', 1)[1]}-{d.__name__}",
)
quick = settings(max_examples=12, deadline=None, derandomize=True, database=None)


@st.composite
def gaussians(draw, shift=1e4, spread=4.0):
    """Three Gaussians of 1 to 40 dimensions, deviations from 1e-4 to 1e4."""
    shape = (3, draw(st.integers(1, 40)))
    means = draw(hnp.arrays(float, shape, elements=st.floats(-shift, shift, width=32)))
    logs = draw(hnp.arrays(float, shape, elements=st.floats(-spread, spread, width=32)))
    return Posterior(means.astype(np.float32), (10.0**logs).astype(np.float32))


@st.composite
def dirichlets(draw):
    """Three Dirichlets of 2 to 12 classes, concentrations from 1e-3 to 1e3."""
    shape = (3, draw(st.integers(2, 12)))
    logs = draw(hnp.arrays(float, shape, elements=st.floats(-3, 3, width=32)))
    return DirichletPosterior(10.0**logs)


def check(distance, p) -> None:
    said = properties_of(distance)
    apart = distance(p, p)
    assert apart.shape == (3, 3)
    assert np.isfinite(apart).all()
    assert apart.min() >= 0
    assert apart.max() <= said.largest * (1 + 1e-12)
    rounding = 1e-9 * (1 + apart.max())
    np.testing.assert_allclose(np.diag(apart), 0.0, atol=2e-6)
    if said.symmetric:
        np.testing.assert_allclose(apart, apart.T, rtol=1e-9, atol=1e-9)
    if said.metric:
        assert said.symmetric
        assert apart[0, 2] <= apart[0, 1] + apart[1, 2] + rounding + 2e-6
    order = [2, 0, 1]
    np.testing.assert_allclose(
        distance(p[order], p), apart[order], rtol=1e-9, atol=1e-9 * (1 + apart.max())
    )


@EACH
@quick
@given(p=gaussians())
def test_a_distance_is_what_it_says_at_any_scale(distance, p):
    check(distance, p)


@EACH
@quick
@given(p=gaussians(shift=3.0, spread=0.5))
def test_a_distance_is_what_it_says_where_posteriors_overlap(distance, p):
    check(distance, p)


@EACH_DIRICHLET
@quick
@given(p=dirichlets())
def test_a_dirichlet_distance_is_what_it_says(distance, p):
    check(distance, p)


@EACH
@quick
@given(p=gaussians(shift=3.0, spread=0.5), seed=st.integers(0, 9))
def test_the_order_of_dimensions_does_not_matter(distance, p, seed):
    order = np.random.default_rng(seed).permutation(p.mean.shape[1])
    shuffled = Posterior(p.mean[:, order], p.sd[:, order])
    sampled = distance is jensen_shannon
    np.testing.assert_allclose(
        distance(shuffled, shuffled), distance(p, p), rtol=1e-8, atol=0.03 if sampled else 1e-7
    )


@EVERY
def test_one_that_is_not_said_to_be_symmetric_is_not(distance):
    rng = np.random.default_rng(0)
    kind = DirichletPosterior if "dirichlet" in distance.__module__ else Posterior
    numbers = rng.uniform(0.2, 2.0, (2 if kind is Posterior else 1, 4, 5))
    p = kind(*numbers)
    apart = distance(p, p)
    assert np.allclose(apart, apart.T, rtol=1e-6) == properties_of(distance).symmetric


@EVERY
def test_one_against_many_has_their_shape(distance):
    rng = np.random.default_rng(0)
    kind = DirichletPosterior if "dirichlet" in distance.__module__ else Posterior
    numbers = rng.uniform(0.2, 2.0, (2 if kind is Posterior else 1, 6, 5))
    one, many = kind(*numbers[:, 0]), kind(*numbers)
    assert distance(one, many).shape == (1, 6)
    assert distance(many, one).shape == (6, 1)
    np.testing.assert_allclose(distance(one, many), distance(many[:1], many), rtol=1e-12)


@EACH
def test_each_can_be_compared_with_many_of_its_own(distance):
    rng = np.random.default_rng(0)
    few, many = (Posterior(*rng.uniform(0.2, 2.0, (2, n, 5))) for n in (4, 30))
    own = rng.integers(0, 30, (4, 7))
    whole = distance(few, many)
    np.testing.assert_allclose(
        distance(few, many[own]), np.take_along_axis(whole, own, axis=1), rtol=1e-12, atol=1e-15
    )


@EACH
def test_one_that_counts_deviations_tells_posteriors_of_one_mean_apart(distance):
    apart = distance(
        Posterior(np.zeros((1, 3)), np.full((1, 3), 0.5)),
        Posterior(np.zeros((1, 3)), np.ones((1, 3))),
    )
    assert (apart[0, 0] > 0) == (distance not in (euclidean, cosine))


def test_the_default_is_a_metric_or_bounded():
    default = properties_of(DISTANCES[0])
    assert default.metric or default.bounded


@EVERY
def test_the_docstring_says_what_the_data_say(distance):
    said, words = properties_of(distance), distance.__doc__ or ""
    assert said.title
    assert not said.metric or "a metric" in words
    assert ("neither symmetric" in words) != said.symmetric
