"""Search gives what the distance itself gives, sorted; however it came by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import DISTANCES
from napari_vaemed.distances.gaussian import fisher_rao, kl, wasserstein2
from napari_vaemed.retrieval import features
from napari_vaemed.retrieval.features import make_features
from napari_vaemed.retrieval.forms import FORMS
from napari_vaemed.retrieval.scores import lowest
from napari_vaemed.retrieval.search import Searchable, prepare, search, search_parts

EACH = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)


def draw(n: int, seed: int, *, spread: float = 0.4, d: int = 5) -> Posterior:
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(n, d)).astype(np.float32)
    return Posterior(mean, np.exp(spread * rng.normal(size=(n, d)) - 1).astype(np.float32))


def sorted_directly(distance, known: Posterior, query: Posterior, k: int, allowed=None):
    apart = distance(query, known)
    if allowed is not None:
        apart = np.where(allowed, apart, np.inf)
    rows = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(apart, rows, axis=1)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(features, "BLOCK", 128)
    monkeypatch.setattr("napari_vaemed.retrieval.search.BLOCK", 128)
    monkeypatch.setattr(features, "CUDA_BLOCK", 256)


@EACH
@pytest.mark.parametrize("spread", [0.1, 1.5])
def test_search_is_exact(distance, spread, small_blocks):
    known, query = draw(700, 0, spread=spread), draw(6, 1, spread=spread)
    hits = search(prepare(known, distance), query, 10)
    rows, distances = sorted_directly(distance, known, query, 10)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_allclose(hits.distances, distances, rtol=1e-12, atol=1e-12)


@EACH
def test_search_is_exact_where_many_are_equally_far(distance, small_blocks):
    known, query = draw(60, 0), draw(3, 0)
    many = known[np.tile(np.arange(60), 10)]
    hits = search(prepare(many, distance), query, 25)
    rows, _ = sorted_directly(distance, many, query, 25)
    np.testing.assert_array_equal(hits.rows, rows)


@EACH
def test_search_is_exact_where_float32_tells_nothing_apart(distance, small_blocks):
    """Means a thousandth of a deviation apart, far from the origin; a single far one in between."""
    rng = np.random.default_rng(0)
    mean = 1000.0 + 1e-3 * rng.normal(size=(500, 4))
    mean[7] = -1e6
    known = Posterior(mean, np.exp(1e-4 * rng.normal(size=(500, 4))))
    hits = search(prepare(known, distance), known[:3], 5)
    rows, _ = sorted_directly(distance, known, known[:3], 5)
    np.testing.assert_array_equal(hits.rows, rows)


@pytest.mark.parametrize("distance", [wasserstein2, kl, fisher_rao])
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_search_is_exact_at_extreme_deviations(distance, scale, small_blocks):
    known = draw(300, 0, spread=2.0)
    known = Posterior(known.mean, known.sd * np.float32(scale))
    hits = search(prepare(known, distance), known[:4], 5)
    rows, _ = sorted_directly(distance, known, known[:4], 5)
    np.testing.assert_array_equal(hits.rows, rows)


@EACH
def test_search_is_exact_where_features_leave_float32(distance, small_blocks):
    rng = np.random.default_rng(0)
    mean, sd = 1e4 * rng.normal(size=(300, 4)), 10.0 ** rng.uniform(-4, 4, (300, 4))
    known = Posterior(mean, sd)
    hits = search(prepare(known, distance), known[:5], 5)
    rows, _ = sorted_directly(distance, known, known[:5], 5)
    np.testing.assert_array_equal(hits.rows, rows)


@pytest.mark.parametrize("distance", [wasserstein2, fisher_rao, DISTANCES[7]])
def test_filters_are_heeded_inside_the_search(distance, small_blocks):
    known, query = draw(600, 0), draw(4, 1)
    rng = np.random.default_rng(2)
    for allowed in (rng.random(600) < 0.05, rng.random((4, 600)) < 0.05):
        hits = search(prepare(known, distance), query, 10, allowed=allowed)
        rows, distances = sorted_directly(distance, known, query, 10, allowed)
        np.testing.assert_array_equal(hits.rows, rows)
        np.testing.assert_allclose(hits.distances, distances, rtol=1e-12)


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_not_allowed_may_be_out_of_range(keep, small_blocks):
    known, query = draw(600, 0), draw(3, 1)
    known.sd[512:] = 1e-15
    allowed = np.arange(600) < 512
    for distance in (kl, fisher_rao):
        hits = search(prepare(known, distance, keep=keep), query, 10, allowed=allowed)
        rows, _ = sorted_directly(distance, known, query, 10, allowed)
        np.testing.assert_array_equal(hits.rows, rows)


@pytest.mark.parametrize("distance", [wasserstein2, fisher_rao])
def test_fewer_allowed_than_asked_for_leaves_rows_empty(distance, small_blocks):
    known = draw(300, 0)
    allowed = np.zeros(300, bool)
    allowed[[5, 270]] = True
    hits = search(prepare(known, distance), known[5], 4, allowed=allowed)
    assert hits.rows.tolist() == [[5, 270, -1, -1]]
    assert hits.distances[0, 0] == 0
    assert np.isinf(hits.distances[0, 2:]).all()
    none = search(prepare(known, distance), known[5], 4, allowed=np.zeros(300, bool))
    assert (none.rows == -1).all()


def test_features_made_on_the_way_give_the_same(small_blocks):
    known, query = draw(1000, 0), draw(5, 1)
    for distance in (wasserstein2, fisher_rao):
        kept = search(prepare(known, distance), query, 10)
        made = search(prepare(known, distance, keep=False), query, 10)
        np.testing.assert_array_equal(made.rows, kept.rows)
        np.testing.assert_array_equal(made.distances, kept.distances)


@EACH
def test_any_number_of_threads_gives_the_same(distance, small_blocks, monkeypatch):
    known, query = draw(1500, 0, spread=1.0), draw(5, 1, spread=1.0)
    rows, distances = sorted_directly(distance, known, query, 10)
    for threads in (1, 4):
        monkeypatch.setattr("napari_vaemed.retrieval.scores.blas_threads", lambda n=threads: n)
        for ready in (prepare(known, distance), Searchable(known, distance, None)):
            hits = search(ready, query, 10)
            np.testing.assert_array_equal(hits.rows, rows)
            np.testing.assert_allclose(hits.distances, distances, rtol=1e-12, atol=1e-12)


def mapped(folder: Path, posterior: Posterior) -> Posterior:
    """The same from a file, not at the beginning of a page."""
    arrays = []
    for name in ("mean", "sd"):
        values = np.ascontiguousarray(getattr(posterior, name), np.float32)
        (folder / name).write_bytes(bytes(100) + values.tobytes())
        arrays.append(np.memmap(folder / name, np.float32, "r", offset=100, shape=values.shape))
    return Posterior(*(np.asarray(array) for array in arrays))


@EACH
def test_search_in_a_mapped_file_is_exact(distance, small_blocks, tmp_path):
    known, query = mapped(tmp_path, draw(1300, 0)), draw(4, 1)
    hits = search(prepare(known, distance, keep=False), query, 10)
    rows, distances = sorted_directly(distance, known, query, 10)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_allclose(hits.distances, distances, rtol=1e-12, atol=1e-12)


@EACH
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("far", [0.0, 30.0])
def test_search_is_exact_where_rounding_decides_what_is_nearer(distance, keep, far, small_blocks):
    """A few last digits of float32 are all that tells 600 posteriors apart; a crowd is farther."""
    rng = np.random.default_rng(0)
    one, crowd = draw(1, 3, d=8), draw(300, 4, d=8)
    steps = rng.integers(-3, 4, (2, 600, 8)).astype(np.float32) * np.float32(2**-23)
    near = Posterior((one.mean + far) * (1 + steps[0]), one.sd * (1 + steps[1]))
    order = rng.permutation(900)
    known = Posterior(
        np.concatenate([near.mean, crowd.mean + np.float32(far + 3)])[order],
        np.concatenate([near.sd, crowd.sd])[order],
    )
    query = Posterior(one.mean + np.float32(far + 0.2), one.sd * np.float32(1.1))
    hits = search(prepare(known, distance, keep=keep), query, 20)
    rows, _ = sorted_directly(distance, known, query, 20)
    np.testing.assert_array_equal(hits.rows, rows)


def test_parts_of_an_index_give_what_the_whole_gives(small_blocks):
    known, query = draw(900, 0), draw(5, 1)
    parts = [prepare(p, kl) for p in (known[:400], known[400:410], known[410:])]
    rng = np.random.default_rng(2)
    for allowed in (None, rng.random(900) < 0.2, rng.random((5, 900)) < 0.2):
        together = search_parts(parts, query, 12, allowed=allowed)
        whole = search(prepare(known, kl), query, 12, allowed=allowed)
        np.testing.assert_array_equal(together.rows, whole.rows)
        np.testing.assert_array_equal(together.distances, whole.distances)


def test_more_queries_than_go_together_give_the_same(small_blocks, monkeypatch):
    known = draw(300, 0)
    whole = search(prepare(known, wasserstein2), known, 3)
    monkeypatch.setattr("napari_vaemed.retrieval.search.QUERIES", 7)
    allowed = ~np.eye(300, dtype=bool)
    others = search(prepare(known, wasserstein2), known, 2, allowed=allowed)
    np.testing.assert_array_equal(whole.rows[:, 0], np.arange(300))
    np.testing.assert_array_equal(others.rows, whole.rows[:, 1:])


@pytest.mark.parametrize("distance", list(FORMS), ids=lambda d: d.__name__)
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(("spread", "far"), [(0.3, 0.0), (1.0, 0.0), (1.0, 50.0), (2.5, 0.0)])
def test_scores_are_never_above_the_true_score(distance, keep, spread, far):
    known, query = draw(400, 0, spread=spread, d=64), draw(8, 1, spread=spread, d=64)
    known, query = (Posterior(p.mean + np.float32(far), p.sd) for p in (known, query))
    made = make_features(FORMS[distance], known, keep=keep)
    vectors, offset = made.of_query(query)
    found, rows = lowest(made, vectors, 400)
    form = FORMS[distance]
    exact = (Posterior(np.asarray(p.mean, float), np.asarray(p.sd, float)) for p in (query, known))
    at_query, at_known = (made._moved(p) for p in exact)
    (f, c), g = form.query(at_query), form.known(at_known).joined()
    true = np.take_along_axis(f @ g.T + c[:, None], rows, axis=1)
    error = true - (found + offset[:, None])
    assert error.min() > -1e-12 * np.abs(f).sum(1).max() * np.abs(g).max()
    if spread < 2 and (form.invariant or not far):  # the margin is small, too
        assert error.max() < 0.05 * np.abs(true).max()


def test_few_are_asked_where_the_product_is_the_distance():
    known, query = draw(20_000, 0), draw(10, 1)
    assert search(prepare(known, kl), query, 10).asked == 10 * 50


def test_the_path_for_accelerators_gives_the_same_on_the_cpu(small_blocks):
    known, query = draw(900, 0), draw(5, 1)
    allowed = np.random.default_rng(0).random(900) < 0.4
    expected = {d: search(prepare(known, d), query, 10, allowed=allowed) for d in (kl, fisher_rao)}
    for distance, hits in expected.items():
        found = search(prepare(known, distance, device="cpu:0"), query, 10, allowed=allowed)
        np.testing.assert_array_equal(found.rows, hits.rows)
        np.testing.assert_array_equal(found.distances, hits.distances)


def test_search_through_faiss_gives_the_same():
    pytest.importorskip("faiss")
    known, query = draw(900, 0), draw(5, 1)
    allowed = np.random.default_rng(0).random(900) < 0.02
    for distance in (kl, fisher_rao):
        for mask in (None, allowed):
            ours = search(prepare(known, distance), query, 10, allowed=mask)
            theirs = search(prepare(known, distance, device="faiss"), query, 10, allowed=mask)
            np.testing.assert_array_equal(theirs.rows, ours.rows)


def test_bad_questions_are_refused_in_words():
    known = prepare(draw(20, 0), wasserstein2)
    with pytest.raises(ValueError, match="At least one"):
        search(known, draw(1, 1), 0)
    with pytest.raises(ValueError, match="codes of 5 numbers"):
        search(known, draw(1, 1, d=4), 3)
    with pytest.raises(ValueError, match="true or false for 20"):
        search(known, draw(1, 1), 3, allowed=np.ones(19, bool))
