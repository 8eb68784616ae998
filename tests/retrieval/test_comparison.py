from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import DISTANCES, cosine, euclidean
from napari_vaemed.distances.gaussian import bhattacharyya_coefficient
from napari_vaemed.retrieval.comparison import (
    Ranking,
    askable,
    only_named_by,
    rankings,
    shared_by_all,
    similarity_percentile,
)


def index_of(posterior, patients=None):
    records = tuple(
        NoduleRecord(f"N{n}", patients[n] if patients else f"P{n}", "1", (0.0, 0.0, 0.0), 8.0,
                     {"malignancy": 3.0})
        for n in range(len(posterior))
    )  # fmt: skip
    return NoduleIndex(records, posterior, "0", "here")


@pytest.fixture(scope="module")
def index():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(40, 3)).astype(np.float32)
    sd = np.exp(0.5 * rng.normal(size=(40, 3))).astype(np.float32)
    return index_of(Posterior(mean, sd))


def test_every_distance_ranks_as_it_says(index):
    query, allowed = index.posterior[3], np.arange(40) % 2 == 0
    for one, distance in zip(rankings(index, query, allowed, 5), DISTANCES, strict=True):
        apart = distance(query, index.posterior)[0]
        order = [row for row in np.argsort(apart, kind="stable").tolist() if allowed[row]]
        assert one.name == distance.__name__
        assert list(one.rows) == order[:5]
        assert all(one.ranks[row] == order.index(row) + 1 for row in one.ranks)


def test_what_all_name_and_what_one_names():
    found = (
        Ranking("a", (1, 2, 3), {}), Ranking("b", (3, 1, 4), {}), Ranking("c", (1, 3, 2), {})
    )  # fmt: skip
    assert shared_by_all(found) == (1, 3)
    assert only_named_by(found) == {"a": (), "b": (4,), "c": ()}


def test_of_points_only_distances_between_points_are_asked():
    points = Posterior(np.eye(3, dtype=np.float32), np.zeros((3, 3), np.float32))
    assert askable(points) == (euclidean, cosine)


def test_the_percentile_is_the_share_of_other_people_s_pairs_that_are_less_alike(index):
    alike = bhattacharyya_coefficient(index.posterior, index.posterior)
    pairs = alike[~np.eye(40, dtype=bool)]  # fewer nodules than the sample: all pairs are drawn
    for similarity in (0.2, 0.5, 0.8):
        share = 100 * (pairs < similarity).mean()
        assert similarity_percentile(index, similarity) == pytest.approx(share)
    assert similarity_percentile(index, 1.0) == 100.0


def test_pairs_of_one_patient_do_not_count(index):
    alone = index_of(index.posterior, ["same"] * 40)
    assert similarity_percentile(alone, 0.5) == 0.0
