from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.training.metrics import auc, knn_score


def test_auc_is_the_share_of_rightly_ordered_pairs():
    positive = np.array([True, False, True, False, False])
    score = np.array([0.9, 0.1, 0.4, 0.4, 0.7])
    pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    assert auc(positive, score) == pytest.approx(np.mean(pairs))


def test_auc_of_one_class_is_not_a_number():
    assert np.isnan(auc(np.array([True, True]), np.array([0.1, 0.2])))


def test_nearer_neighbours_weigh_more():
    apart = np.array([[1.0, 2.0, 3.0]])
    first = knn_score(apart, np.array([True, False, False]), k=3)
    last = knn_score(apart, np.array([False, False, True]), k=3)
    total = 1 / 6 + 1 / 7 + 1 / 8
    np.testing.assert_allclose([first[0], last[0]], [1 / 6 / total, 1 / 8 / total])


def test_only_the_nearest_k_vote():
    apart = np.array([[5.0, 1.0, 4.0, 2.0]])
    assert knn_score(apart, np.array([True, False, True, False]), k=2)[0] == 0
