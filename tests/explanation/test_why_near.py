from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances.gaussian import wasserstein2
from napari_vaemed.explanation.traversal import LatentAxis
from napari_vaemed.explanation.why_near import agreeing, differing, latent_gaps


@pytest.fixture
def gaps():
    axes = tuple(LatentAxis(dim, 2.0 - dim, -3.0 * (dim + 1), 3.0 * (dim + 1), f"name {dim}")
                 for dim in range(4))  # fmt: skip
    query = Posterior(np.array([0.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.5, 0.5, 0.5]))
    twin = Posterior(np.array([0.1, -1.0, 3.0, 0.4]), np.array([0.5, 0.5, 0.5, 0.9]))
    return latent_gaps(query, twin, axes), query, twin


def test_gaps_are_in_deviations_of_the_known_nodules_and_share_the_whole_distance(gaps):
    found, query, twin = gaps
    assert [gap.apart for gap in found] == pytest.approx([0.1, -1.0, 1.0, 0.1])
    assert sum(gap.share for gap in found) == pytest.approx(1.0)
    whole = wasserstein2(query, twin)[0, 0] ** 2
    assert found[2].share == pytest.approx(9.0 / whole)


def test_what_agrees_is_informative_and_what_differs_makes_the_distance(gaps):
    found, _, _ = gaps
    assert [gap.axis.dim for gap in agreeing(found)] == [0, 3]
    assert [gap.axis.dim for gap in differing(found)] == [2, 1]
    assert [gap.axis.dim for gap in differing(found, most=1)] == [2]
