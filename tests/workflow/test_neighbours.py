from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.nodule import ATTRIBUTES, NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.twin_wish import TwinWish
from napari_vaemed.data.vote_calibration import VoteBin, VoteCalibration, VoteCurve
from napari_vaemed.explanation.traversal import latent_axes
from napari_vaemed.io.checkpoints import write_model
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.workflow.examine import Expert
from napari_vaemed.workflow.neighbour_figures import (
    queries_of_records,
    twins_figure,
    vote_said,
    write_twins_figure,
)
from napari_vaemed.workflow.neighbours import (
    compare_distances,
    find_twins,
    query_of_row,
    why_near,
)

N = 60


@pytest.fixture(scope="module")
def expert(tmp_path_factory):
    """An untrained model with an index of thirty patients, two nodules each, alike in pairs."""
    small = GaussianVAE(latent_dims=4, encoder_width=8, decoder_width=8)
    model = write_model(tmp_path_factory.mktemp("model") / "small.safetensors", small, {})
    rng = np.random.default_rng(0)
    records = tuple(
        NoduleRecord(
            f"N{n}", f"P{n // 2}", f"1.{n // 2}", (0.0, 0.0, 0.0), float(rng.uniform(5, 20)),
            {name: float(rng.integers(1, 6)) for name in ATTRIBUTES},
        )
        for n in range(N)
    )  # fmt: skip
    mean = np.repeat(rng.normal(size=(N // 2, 4)), 2, axis=0) + 0.01 * rng.normal(size=(N, 4))
    posterior = Posterior(mean.astype(np.float32), np.full((N, 4), 0.3, np.float32))
    index = NoduleIndex(records, posterior, model.sha256, "made here")
    return Expert(model, index, latent_axes(index))


@pytest.fixture(scope="module")
def calibrated(expert):
    curve = VoteCurve((0.0, 1.0), (0.1, 0.9), (VoteBin(0.0, 1.0, 99, 40),),
                      Interval(0.03, 0.02, 0.06), Interval(0.8, 0.7, 0.9))  # fmt: skip
    found = VoteCalibration(
        expert.model.sha256, 20, 99, 40, 50, 1, {}, {"wasserstein2": curve}, curve, {}
    )
    return replace(expert, calibration=found)


def test_nodules_of_the_same_patient_are_left_out_and_counted(expert):
    query = query_of_row(expert.index, 10)
    found = find_twins(expert, query, TwinWish(k=5))
    assert not any(one.same_patient for one in found.neighbours)
    assert found.left_out == 2
    assert found.same_patient == 2
    assert found.candidates == N - 2
    everyone = find_twins(expert, query, TwinWish(k=5, others_only=False))
    assert [one.row for one in everyone.neighbours][:2] == [10, 11]
    assert everyone.left_out == 0
    rest = [one.row for one in everyone.neighbours][2:]
    assert rest == [one.row for one in found.neighbours][: len(rest)]


def test_filters_change_the_twins_and_never_the_votes(expert):
    query = query_of_row(expert.index, 4)
    everyone = find_twins(expert, query, TwinWish(k=60))
    some = find_twins(expert, query, TwinWish(k=60, size_within=0.2, same_texture=True))
    for one in some.neighbours:
        assert (6 * query.volume_mm3 / np.pi) ** (1 / 3) == pytest.approx(
            one.record.diameter_mm, rel=0.26
        )
    assert 0 < some.candidates == len(some.neighbours) < everyone.candidates
    assert some.vote == everyone.vote
    assert some.ruler == everyone.ruler


def test_voters_have_a_clear_score_and_another_patient(expert):
    query = query_of_row(expert.index, 4)
    records, mean = expert.index.records, expert.index.posterior.mean
    near = [
        row for row in np.argsort(np.linalg.norm(mean - mean[4], axis=1))
        if records[row].patient != "P2" and records[row].malignancy != 3.0
    ][:20]  # fmt: skip
    malignant = np.array([records[row].malignancy > 3 for row in near])
    found = find_twins(expert, query, TwinWish())
    assert found.vote.vote.malignant == malignant.sum()
    assert found.vote.vote.k == 20
    weights = 1 / (np.arange(20) + 6.0)
    assert found.vote.score == pytest.approx(malignant @ weights / weights.sum())
    assert found.vote.chance is None


def test_a_calibrated_vote_has_its_probability_and_the_votes_like_it(calibrated):
    found = find_twins(calibrated, query_of_row(calibrated.index, 4), TwinWish())
    assert found.vote.chance == pytest.approx(0.1 + 0.8 * found.vote.score)
    assert found.vote.like.votes == 99
    assert found.ruler.chance == pytest.approx(0.1 + 0.8 * found.ruler.score)
    assert "n = 99" in vote_said(found)
    other = find_twins(calibrated, query_of_row(calibrated.index, 4), TwinWish(distance="cosine"))
    assert other.vote.chance is None  # that distance's votes were never calibrated
    assert other.ruler == found.ruler


def test_every_distance_votes_by_its_own_twins(expert):
    query, wish = query_of_row(expert.index, 4), TwinWish(k=5)
    found = compare_distances(expert, query, wish)
    for each in found:
        twins = find_twins(expert, query, replace(wish, distance=each.ranking.name))
        assert tuple(one.row for one in twins.neighbours) == each.ranking.rows
        assert twins.vote == each.vote
        assert twins.distance == each.title


def test_why_near_reads_the_query_and_quotes_the_twin_s_readers(expert):
    query = query_of_row(expert.index, 4)
    why = why_near(expert, query, 5)
    assert [gap.axis for gap in why.gaps] == list(expert.axes)
    assert all(abs(gap.apart) < 0.1 for gap in why.gaps)  # made alike
    assert set(why.ratings) == set(ATTRIBUTES)
    for name, (read, said) in why.ratings.items():
        assert 1 <= read <= 6
        assert said == expert.index.records[5].ratings[name]
    assert why.volumes_mm3[1] == pytest.approx(np.pi / 6 * expert.index.records[5].diameter_mm ** 3)


def test_a_figure_has_a_row_a_query_and_true_ct_where_it_is_at_hand(expert, tmp_path):
    from napari_vaemed.data.volume import Volume
    from napari_vaemed.io.volumes import write_volume

    (tmp_path / "image").mkdir()
    hu = np.full((40, 40, 40), -700, np.int16)
    hu[0] = -701
    crop = Volume(hu, (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))
    write_volume(tmp_path / "image" / "N4.nii.gz", hu, crop)
    one = queries_of_records(expert, ["N4"], tmp_path)
    two = queries_of_records(expert, ["N4", "N9"], tmp_path)
    assert (one[0][1] == -700).all()
    assert not any(near.same_patient for _, _, twins in two for near in twins.neighbours)
    assert len(twins_figure(expert, two)) > len(twins_figure(expert, one))
    write_twins_figure(tmp_path / "twins.png", expert, two, folder=tmp_path)
    assert (tmp_path / "twins.png").stat().st_size > 1000
