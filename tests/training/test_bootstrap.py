from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from napari_vaemed.training.bootstrap import (
    interval,
    patient_draws,
    two_sided_p,
    weighted_auc,
    weighted_mean,
)

GROUPS = ["a", "a", "b", "c", "c", "c", "d"]


def test_a_draw_takes_whole_patients_and_as_many_as_there_are():
    weights = patient_draws(GROUPS, draws=200, seed=1)
    assert weights.shape == (201, 7)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3, 6]].sum(1) == 4).all()


def test_a_weighted_auc_is_sklearn_s():
    rng = np.random.default_rng(0)
    positive = rng.random(60) < 0.4
    score = np.round(positive + rng.normal(size=60), 1)  # with ties
    weights = rng.integers(0, 4, (5, 60)).astype(float)
    expected = [roc_auc_score(positive, score, sample_weight=w) for w in weights]
    np.testing.assert_allclose(weighted_auc(positive, score, weights), expected)


def test_without_one_class_there_is_no_auc_and_no_interval():
    positive = np.array([True, True, False])
    drawn = weighted_auc(positive, np.arange(3.0), np.array([[1.0, 1.0, 0.0]]))
    assert np.isnan(drawn).all()
    assert interval(drawn) is None


def test_an_interval_covers_the_mean_of_most_samples():
    rng = np.random.default_rng(3)
    covered = 0
    for number in range(60):
        values = rng.normal(size=80)
        weights = patient_draws([str(i) for i in range(80)], draws=300, seed=number)
        found = interval(weighted_mean(values, weights))
        covered += found.low <= 0 <= found.high
    assert 51 <= covered <= 60


def test_p_is_small_for_a_sure_difference_and_one_for_none():
    rng = np.random.default_rng(0)
    assert two_sided_p(np.r_[5.0, 5 + rng.normal(size=999)]) == pytest.approx(2 / 1000)
    assert two_sided_p(np.zeros(100)) == 1.0
