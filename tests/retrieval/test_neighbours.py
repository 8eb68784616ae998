from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import DirichletPosterior, Posterior
from napari_vaemed.distances import DIRICHLET_DISTANCES, cosine, dirichlet, euclidean
from napari_vaemed.distances.families import distance_named, distances_of, overlap
from napari_vaemed.retrieval.neighbours import nearest, nearest_by_volume, vote


@pytest.fixture(scope="module")
def index() -> NoduleIndex:
    rng = np.random.default_rng(0)
    records = tuple(
        NoduleRecord(
            f"N{i}",
            f"P{i // 2}",
            f"1.2.{i // 2}",
            (0.0, 0.0, 0.0),
            4.0 + i,
            {"malignancy": i % 5 + 1},
        )
        for i in range(20)
    )
    mean = rng.normal(size=(20, 4)).astype(np.float32)
    return NoduleIndex(records, Posterior(mean, np.full_like(mean, 0.5)), "abc", "made here")


def _query(index: NoduleIndex, row: int) -> Posterior:
    return Posterior(index.posterior.mean[row], index.posterior.sd[row])


def test_nearest_of_a_nodule_is_itself(index):
    for row in range(len(index)):
        found = nearest(index, _query(index, row), k=3)
        assert found[0].row == row
        assert found[0].distance == pytest.approx(0.0, abs=1e-3)


def test_neighbours_come_in_the_order_of_their_distance(index):
    found = nearest(index, _query(index, 3), k=20)
    by_hand = np.linalg.norm(index.posterior.mean - index.posterior.mean[3], axis=1)
    assert [n.row for n in found] == np.argsort(by_hand, kind="stable").tolist()


def test_neighbours_of_the_same_patient_are_marked_or_left_out(index):
    found = nearest(index, _query(index, 4), k=20, patient="P2")
    assert {n.record.id for n in found if n.same_patient} == {"N4", "N5"}
    others = nearest(index, _query(index, 4), k=20, exclude_patient="P2")
    assert len(others) == 18


def test_a_patient_is_known_by_the_series(index):
    split = replace(index.records[5], series_uid="another scan of P2")
    index = replace(index, records=(*index.records[:5], split, *index.records[6:]))
    found = nearest(index, _query(index, 4), k=20, series_uid="1.2.2")
    assert {n.record.id for n in found if n.same_patient} == {"N4", "N5"}


def test_the_query_of_another_model_is_refused_in_words(index):
    with pytest.raises(ValueError, match="cannot be compared"):
        nearest(index, _query(index, 0), model_sha256="def")
    with pytest.raises(ValueError, match="codes of 4 numbers"):
        nearest(index, Posterior(np.zeros(3, np.float32), np.ones(3, np.float32)))


def test_the_ruler_gives_the_nodules_of_like_volume(index):
    found = nearest_by_volume(index, np.pi / 6 * 10.1**3, k=3)
    assert found[0].record.diameter_mm == 10.0
    assert {n.record.diameter_mm for n in found} == {9.0, 10.0, 11.0}


def test_the_ruler_compares_clicks_with_clicks(index):
    records = (*index.records[:5], replace(index.records[5], clicked_mm3=77.0), *index.records[6:])
    clicked = replace(index, records=records)
    assert nearest_by_volume(clicked, 77.0, k=1)[0].row == 5
    assert nearest_by_volume(index, 77.0, k=1)[0].row != 5


def test_a_vote_counts_the_sure_and_tells_the_undecided_apart(index):
    found = nearest(index, _query(index, 0), k=20)
    counted = vote(found)
    assert (counted.malignant, counted.benign, counted.undecided) == (8, 8, 4)
    assert (counted.counted, counted.k) == (16, 20)
    assert str(counted) == "8 of 20 malignant, 4 undecided"


@pytest.fixture(scope="module")
def shares(index) -> NoduleIndex:
    """The same nodules under Dirichlet posteriors, some of them near the corners."""
    numbers = 10 ** np.random.default_rng(1).uniform(-1.5, 1, (20, 4))
    return replace(index, posterior=DirichletPosterior(numbers.astype(np.float32)))


@pytest.mark.parametrize("distance", [None, *DIRICHLET_DISTANCES, euclidean, cosine])
def test_neighbours_among_dirichlets_come_in_the_order_of_their_distance(shares, distance):
    query = shares.posterior[3]
    found = nearest(shares, query, k=20, distance=distance)
    apart = (distance or dirichlet.hellinger)(query, shares.posterior)[0]
    assert [n.row for n in found] == np.argsort(apart, kind="stable").tolist()
    assert found[0].row == 3
    alike = [n.similarity for n in found]
    assert alike[0] == pytest.approx(1.0)
    np.testing.assert_allclose(
        alike, np.exp(-dirichlet.bhattacharyya(query, shares.posterior)[0])[[n.row for n in found]]
    )


def test_each_family_has_distances_of_its_own(index, shares):
    assert distances_of(index.posterior)[0].__name__ == "wasserstein2"
    assert distances_of(shares.posterior)[0] is dirichlet.hellinger
    assert distance_named("kl", shares.posterior) is dirichlet.kl
    with pytest.raises(ValueError, match="no distance 'wasserstein2' between Dirichlets; choose"):
        distance_named("wasserstein2", shares.posterior)


def test_posteriors_of_two_families_are_not_compared(index, shares):
    with pytest.raises(ValueError, match="holds a DirichletPosterior of each nodule; this query"):
        nearest(shares, _query(index, 3))
    with pytest.raises(ValueError, match="no overlap"):
        overlap(index.posterior, shares.posterior)
