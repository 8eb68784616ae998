from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
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
