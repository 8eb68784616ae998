"""Figures of clusters against counting by hand and every matching there is."""

from itertools import permutations

import numpy as np
import pytest

from napari_vaemed.training.clustering import (
    agreement_figures,
    hungarian_accuracy,
    majority_accuracy,
)


@pytest.fixture(params=range(5))
def numbers(request) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, 5, 200)
    return np.where(rng.random(200) < 0.5, truth, rng.integers(0, 5, 200)), truth


def test_the_hungarian_accuracy_is_the_best_of_all_permutations(numbers):
    cluster, truth = numbers
    best = max(np.mean(np.array(renamed)[cluster] == truth) for renamed in permutations(range(5)))
    assert hungarian_accuracy(cluster, truth) == pytest.approx(best, abs=1e-12)


def test_the_majority_accuracy_counts_each_clusters_most_frequent_class(numbers):
    cluster, truth = numbers
    right = sum(np.bincount(truth[cluster == k]).max() for k in np.unique(cluster))
    assert majority_accuracy(cluster, truth) == right / len(truth)
    assert majority_accuracy(cluster, truth) >= hungarian_accuracy(cluster, truth)


def test_renaming_the_clusters_changes_nothing(numbers):
    cluster, truth = numbers
    renamed = np.array([3, 17, 0, 2, 9])[cluster]
    assert agreement_figures(renamed, truth) == pytest.approx(agreement_figures(cluster, truth))
    perfect = agreement_figures(np.array([4, 2, 0, 1, 3])[truth], truth)
    assert list(perfect.values()) == pytest.approx([1.0] * 4)


def test_one_cluster_for_all_is_worth_its_largest_class():
    truth = np.array([0, 0, 0, 1, 2])
    figures = agreement_figures(np.zeros(5, int), truth)
    assert (figures["majority"], figures["hungarian"]) == (0.6, 0.6)
    assert (figures["nmi"], figures["ari"]) == (0.0, 0.0)


def test_more_clusters_than_classes_share_a_class_by_majority_alone():
    truth = np.array([0, 0, 1, 1])
    cluster = np.arange(4)
    assert majority_accuracy(cluster, truth) == 1.0
    assert hungarian_accuracy(cluster, truth) == 0.5
