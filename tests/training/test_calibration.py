from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.training.calibration import calibrated, expected_error


def test_scores_that_are_off_become_probabilities():
    rng = np.random.default_rng(0)
    truth = rng.random(3000)
    positive = rng.random(3000) < truth
    chance = calibrated(positive, truth**3, rng.integers(0, 5, 3000))
    assert np.abs(chance - truth).mean() < 0.06
    ones = np.ones((1, 3000))
    before, after = (expected_error(positive, score, ones)[0] for score in (truth**3, chance))
    assert after < 0.04 < before


def test_a_row_s_own_fold_does_not_shape_its_curve():
    rng = np.random.default_rng(1)
    positive, score = rng.random(60) < 0.5, rng.random(60)
    fold = np.arange(60) % 3
    other = np.where(fold == 0, ~positive, positive)
    inside = fold == 0
    before, after = (calibrated(labels, score, fold)[inside] for labels in (positive, other))
    np.testing.assert_array_equal(before, after)
    assert (before > 0).all()
    assert (before < 1).all()


def test_the_error_is_the_gap_in_each_bin_weighed_by_its_rows():
    positive = np.array([False, True, True, True])
    chance = np.array([0.1, 0.3, 0.8, 0.6])
    expected = 0.5 * abs(0.2 - 0.5) + 0.5 * abs(0.7 - 1.0)
    found = expected_error(positive, chance, np.ones((1, 4)), bins=2)
    assert found[0] == pytest.approx(expected)
    twice = expected_error(positive, chance, np.array([[2.0, 2.0, 0.0, 0.0]]), bins=2)
    assert twice[0] == pytest.approx(abs(0.2 - 0.5))
