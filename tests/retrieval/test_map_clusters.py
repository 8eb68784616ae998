from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.progress import finish
from napari_vaemed.retrieval.map_clusters import Classes, agreement, as_colouring, sorted_out


@pytest.fixture(scope="module")
def planted():
    """300 points of three Gaussians, and whose they are."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat([0, 1, 2], [150, 100, 50]))
    middles = np.array([[0.0, 0, 0, 0], [6, 0, 0, 0], [0, 6, 0, 0]])
    return middles[truth] + rng.normal(size=(300, 4)), truth


def _index(diameters, malignancy) -> NoduleIndex:
    records = tuple(
        NoduleRecord(
            f"N{i}", f"P{i}", "1", (0.0, 0.0, 0.0), float(mm), {"malignancy": float(score)}
        )
        for i, (mm, score) in enumerate(zip(diameters, malignancy, strict=True))
    )
    mean = np.zeros((len(records), 2), np.float32)
    return NoduleIndex(records, Posterior(mean, mean + 1), "a" * 64, "made here")


@pytest.mark.parametrize("method", ["k-means", "mixture"])
def test_planted_groups_are_found(planted, method):
    points, truth = planted
    found = finish(sorted_out(points, method, 3))
    assert adjusted_rand_score(truth, found.labels) > 0.97


def test_a_mixture_tells_groups_of_one_centre_by_their_spread():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 200)
    points = rng.normal(size=(400, 8)) * np.where(truth, 6.0, 0.5)[:, None]
    mixture = finish(sorted_out(points, "mixture", 2))
    assert adjusted_rand_score(truth, mixture.labels) > 0.95
    assert adjusted_rand_score(truth, finish(sorted_out(points, "k-means", 2)).labels) < 0.3


def test_the_covariances_of_a_mixture_are_those_that_the_data_ask_for():
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(500, 3))
    assert "diagonal" in finish(sorted_out(plain, "mixture", 1)).by
    slanted = plain @ np.array([[1.0, 0.9, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 1.0]])
    assert "full" in finish(sorted_out(slanted, "mixture", 1)).by


def test_clusters_are_counted_from_the_most_frequent(planted):
    points, truth = planted
    colouring = as_colouring(
        _index(np.full(300, 8), truth + 1), finish(sorted_out(points, "k-means", 3))
    )
    assert colouring.names == ("cluster 1", "cluster 2", "cluster 3")
    counts = np.bincount(colouring.labels)
    assert counts.tolist() == sorted(counts, reverse=True)
    assert colouring.kind == "class"
    assert colouring.told_of(0).startswith("cluster ")


def test_classes_of_a_model_keep_their_numbers_and_unused_ones_are_told():
    found = Classes(np.array([4, 4, 4, 1, 1, 7]), 9, "the model's own 9 classes", "class")
    colouring = as_colouring(_index([5, 6, 7, 8, 9, 10], [1, 2, 3, 4, 5, 5]), found)
    assert colouring.names == ("class 4", "class 1", "class 7")
    assert colouring.labels.tolist() == [0, 0, 0, 1, 1, 2]
    assert "3 of 9 in use" in colouring.told


def test_agreement_is_with_clear_scores_and_with_equal_groups_by_size():
    diameters, scores = [4, 5, 6, 7, 20, 21, 22, 23], [1, 2, 3, 1, 5, 3, 4, 1]
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    figures = agreement(_index(diameters, scores), labels)
    clear = [0, 1, 3, 4, 6, 7]
    malignant = [0, 0, 0, 1, 1, 0]
    size = [0, 0, 0, 0, 1, 1, 1, 1]
    expected = {
        "with malignancy": (malignant, labels[clear]),
        "with size": (size, labels),
        "size alone with malignancy": (malignant, np.array(size)[clear]),
    }
    assert set(figures) == set(expected)
    for name, (truth, cluster) in expected.items():
        assert figures[name]["nmi"] == pytest.approx(normalized_mutual_info_score(truth, cluster))
        assert figures[name]["ari"] == pytest.approx(adjusted_rand_score(truth, cluster))
        assert figures[name]["n"] == len(truth)


def test_without_a_clear_score_there_is_size_alone_to_agree_with():
    assert set(agreement(_index([4, 5, 6], [3, 3, 3]), np.array([0, 1, 1]))) == {"with size"}


def test_one_class_or_one_score_agrees_with_nothing():
    one = Classes(np.array([8, 8, 8, 8]), 10, "DEC's own 10 classes", "class")
    found = as_colouring(_index([4, 5, 6, 7], [1, 2, 4, 5]), one)
    assert found.figures == {}
    assert found.told == (
        "DEC's own 10 classes, 1 of 10 in use; there is nothing that they could agree with"
    )
    benign = agreement(_index([4, 5, 6, 7], [1, 2, 2, 3]), np.array([0, 1, 1, 1]))
    assert set(benign) == {"with size"}


@pytest.mark.parametrize(("method", "k"), [("k-means", 0), ("mixture", 301), ("ward", 3)])
def test_what_cannot_be_found_is_refused(planted, method, k):
    with pytest.raises(ValueError, match=r"clusters"):
        finish(sorted_out(planted[0], method, k))
