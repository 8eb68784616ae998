from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import DirichletPosterior, Posterior
from napari_vaemed.explanation.traversal import latent_axes, traverse


@pytest.fixture(scope="module")
def index() -> NoduleIndex:
    """Dimension 0 is dead, 1 knows a little, 2 is the diameter."""
    rng = np.random.default_rng(0)
    diameter = rng.uniform(4, 30, 200)
    mean = np.zeros((200, 3), np.float32)
    mean[:, 1] = rng.normal(size=200)
    mean[:, 2] = (diameter - 17) / 4
    sd = np.tile(np.float32([1.0, 0.6, 0.1]), (200, 1))
    records = tuple(
        NoduleRecord(f"N{i}", "P", "1.2", (0, 0, 0), float(d), {"malignancy": 1 + i % 5})
        for i, d in enumerate(diameter)
    )
    return NoduleIndex(records, Posterior(mean, sd), "abc", "made here")


def test_axes_come_most_informative_first_without_the_dead(index):
    axes = latent_axes(index)
    assert [axis.dim for axis in axes] == [2, 1]
    assert axes[0].kl > axes[1].kl


def test_an_axis_is_named_by_what_goes_with_it(index):
    axes = latent_axes(index)
    assert axes[0].name == "volume +1.00"
    assert axes[1].name == "unnamed"


def test_an_axis_reaches_three_standard_deviations(index):
    axis = latent_axes(index)[0]
    values = index.posterior.mean[:, 2]
    assert axis.low == pytest.approx(values.mean() - 3 * values.std(), rel=1e-5)
    assert axis.high == pytest.approx(values.mean() + 3 * values.std(), rel=1e-5)


def test_a_traversal_moves_one_dimension_only(index):
    axis = latent_axes(index)[0]
    walk = traverse(np.float32([0.1, 0.2, 0.3]), axis, steps=5)
    assert walk.shape == (5, 3)
    np.testing.assert_allclose(walk[:, :2], np.tile(np.float32([0.1, 0.2]), (5, 1)))
    np.testing.assert_allclose(walk[[0, -1], 2], [axis.low, axis.high], rtol=1e-5)


@pytest.fixture(scope="module")
def shares(index) -> NoduleIndex:
    """Corner 0 grows with the diameter, corner 3 is the same of all; the others share the rest."""
    diameter = np.array([record.diameter_mm for record in index.records])
    concentration = np.ones((200, 4), np.float32)
    concentration[:, 0] = diameter
    concentration[:, 1:3] += np.random.default_rng(0).uniform(0, 4, (200, 2))
    concentration *= 10
    concentration[:, 3] = 0.1 * concentration.sum(1)
    return NoduleIndex(index.records, DirichletPosterior(concentration), "abc", "made here")


def test_axes_of_shares_lead_to_corners_within_the_simplex(shares):
    axes = latent_axes(shares)
    assert axes[0].dim == 0
    assert axes[0].name.startswith("volume +0.8")
    assert 3 not in [axis.dim for axis in axes]  # it does not vary
    assert all(axis.corner and 0 <= axis.low < axis.high <= 1 for axis in axes)


def test_what_a_share_tells_is_half_the_log_of_one_plus_signal_over_noise(shares):
    axis, posterior = latent_axes(shares)[0], shares.posterior
    noise = np.mean(posterior.sd[:, 0] ** 2)
    assert axis.kl == pytest.approx(0.5 * np.log(1 + posterior.mean[:, 0].var() / noise), rel=1e-5)


def test_a_walk_to_a_corner_never_leaves_the_simplex(shares):
    axis = replace(latent_axes(shares)[0], low=0.0, high=1.0)
    start = shares.posterior.mean[7]
    walk = traverse(start, axis, steps=11)
    assert (walk >= 0).all()
    np.testing.assert_allclose(walk.sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(walk[:, 0], np.linspace(0, 1, 11), atol=1e-7)
    for at in walk[6:]:  # on the line (1 − t) z + t e
        t = (at[0] - start[0]) / (1 - start[0])
        np.testing.assert_allclose(at, (1 - t) * start + t * np.eye(4)[0], atol=1e-6)


def test_from_a_corner_the_way_back_is_shared_alike(shares):
    axis = latent_axes(shares)[0]
    np.testing.assert_allclose(axis.moved(np.float32([1, 0, 0, 0]), 0.7), [0.7, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(axis.moved(np.float32([0.4, 0.6, 0, 0]), 1.3), [1, 0, 0, 0])


def test_chances_of_classes_are_shares_among_themselves_and_the_style_stays(index):
    chance = np.random.default_rng(0).uniform(0, 1, (200, 1)).astype(np.float32)
    mean = np.hstack([index.posterior.mean, chance, 1 - chance])
    sd = np.hstack([index.posterior.sd, np.full((200, 2), 0.1, np.float32)])
    coded = replace(index, posterior=Posterior(mean, sd))
    axes = {axis.dim: axis for axis in latent_axes(coded, {3: "benign", 4: "malignant"})}
    assert (axes[4].name, axes[4].low, axes[4].high) == ("chance of malignant", 0.0, 1.0)
    assert axes[4].kl == pytest.approx(0.5 * np.log(1 + chance.var() / 0.01), rel=1e-5)
    assert axes[2].name == "volume +1.00"
    assert not axes[2].corner
    moved = axes[4].moved(np.float32([0.5, -2.0, 3.0, 0.9, 0.1]), 0.75)
    np.testing.assert_allclose(moved, [0.5, -2.0, 3.0, 0.25, 0.75])
    sure = axes[4].moved(np.float32([0.5, -2.0, 3.0, 0.0, 1.0]), 1.5)
    np.testing.assert_allclose(sure, [0.5, -2.0, 3.0, 0.0, 1.0])
