from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.phantom_factors import FACTORS, RANGES, factor_nodules


@pytest.fixture(scope="module")
def nodules():
    return factor_nodules(60, seed=0)


def test_factors_fill_their_ranges_and_come_again_with_the_seed(nodules):
    low, high = np.array(RANGES).T
    assert nodules.factors.shape == (60, len(FACTORS))
    assert (nodules.factors >= low).all()
    assert (nodules.factors <= high).all()
    assert np.ptp(nodules.factors, axis=0) == pytest.approx(high - low, rel=0.2)
    again = factor_nodules(60, seed=0)
    assert np.array_equal(again.hu, nodules.hu)


def test_a_nodule_has_the_hu_and_the_size_it_was_given(nodules):
    radius, hu, _, spiculation = nodules.factors.T
    inside = [
        volume[mask & (np.abs(volume - value) < 150)].mean()
        for volume, mask, value in zip(nodules.hu, nodules.mask, hu, strict=True)
    ]
    np.testing.assert_allclose(inside, hu, atol=40)
    round_ones = spiculation < 0.1
    volume = nodules.mask[round_ones].sum((1, 2, 3))
    np.testing.assert_allclose(volume, 4 / 3 * np.pi * radius[round_ones] ** 3, rtol=0.12)


def test_elongation_is_seen_in_plane(nodules):
    smooth = (nodules.factors[:, 3] < 0.1) & (nodules.factors[:, 0] > 5)
    for mask, elongation in zip(nodules.mask[smooth], nodules.factors[smooth, 2], strict=True):
        middle = mask[16]
        wide, tall = middle.any(0).sum(), middle.any(1).sum()
        assert wide / tall == pytest.approx(elongation, rel=0.25)
