"""Made-up codes whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vaemed.data.bench import Codes
from napari_vaemed.data.nodule import ATTRIBUTES, NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.volume import Volume
from napari_vaemed.distances import euclidean, jeffreys, wasserstein2
from napari_vaemed.training.samples import NoduleSamples
from napari_vaemed.workflow.bench_cases import BenchSet, cases_of
from napari_vaemed.workflow.bench_collected import Collected
from napari_vaemed.workflow.bench_votes import JOINED, WEIGHTS, mask_probe

N = 120


@pytest.fixture(scope="module")
def data() -> BenchSet:
    """Balls of four sizes; score and features by chance, so that only a code can tell."""
    rng = np.random.default_rng(0)
    volume = Volume(np.zeros((2, 2, 2), np.int16), (1.0, 1.0, 1.0))
    score = np.tile([1.0, 2.0, 4.0, 5.0, 3.0], N // 5)
    records = tuple(
        NoduleRecord(
            f"N{i}", f"P{i // 2}", "1.2", (0.0, 0.0, 0.0), 8.0,
            dict.fromkeys(ATTRIBUTES, score[i]),
        )
        for i in range(N)
    )  # fmt: skip
    masks = (np.ones((2, 2, 2), bool),) * N
    nodules = NoduleSet(records, (volume,) * N, masks, masks, "made here")
    at = torch.arange(32) - 15.5
    squared = at[:, None, None] ** 2 + at[:, None] ** 2 + at**2
    radii = torch.tensor([3.0, 5.0, 7.0, 9.0]).repeat(N // 4)
    balls = squared <= radii[:, None, None, None] ** 2
    none = torch.zeros(N, 1)
    centred = NoduleSamples(none, none, torch.ones_like(balls), balls, none, none)
    return BenchSet(
        nodules, cases_of(nodules), np.empty((N, 0)), centred,
        rng.normal(size=N), rng.normal(size=(N, 11)),
    )  # fmt: skip


def _bench(data: BenchSet, mean, sd, *distances) -> dict[tuple[str, str], object]:
    posterior = Posterior(mean.astype(np.float32), sd.astype(np.float32))
    found = Collected(data)
    for fold, (known, held_out) in enumerate(data.folds(4, seed=0)):
        found.add_rulers(0, fold, known, held_out)
        codes = Codes(posterior, posterior.mean, {"seconds": 2.0})
        found.add("made up", codes, 0, fold, known, held_out, distances)
    return {(row.entrant, row.distance): row for row in found.rows()}


def test_a_code_that_knows_the_class_is_told_from_rulers_that_do_not(data):
    score = np.array([record.malignancy for record in data.nodules.records])
    rows = _bench(data, score[:, None], np.ones((N, 1)), wasserstein2, jeffreys)
    told = rows["made up", "2-Wasserstein"]
    assert told.auc.value == told.precision_at_10.value == 1.0
    assert told.accuracy.value == 1.0
    assert told.calibration_error.value < 0.05
    assert told.facts["seconds"] == 2.0
    assert told.p_mask < 0.01
    assert rows["mask features", "20-NN"].auc.low < 0.5 < rows["mask features", "20-NN"].auc.high
    joined = rows["made up", JOINED]
    assert joined.over_mask.low > 0.1  # the weight that helps is found
    assert joined.auc.value > 0.9


def test_points_are_asked_for_distances_of_points_only(data):
    mean = np.random.default_rng(1).normal(size=(N, 3))
    rows = _bench(data, mean, np.zeros((N, 3)), wasserstein2, euclidean)
    assert ("made up", "Euclidean") in rows
    assert ("made up", "2-Wasserstein") not in rows


def test_a_code_of_noise_gains_nothing(data):
    mean = np.random.default_rng(2).normal(size=(N, 8))
    joined = _bench(data, mean, np.zeros((N, 8)))["made up", JOINED]
    assert joined.over_mask.low < 0 < joined.over_mask.high
    assert min(WEIGHTS) > 0


def test_masks_can_be_drawn_from_a_code_that_knows_the_size(data):
    known, held_out = data.folds(4, seed=0)[0]
    sizes = np.eye(4)[np.arange(N) % 4]
    assert mask_probe(sizes, data, known, held_out) > 0.95
    noise = np.random.default_rng(0).normal(size=(N, 2))
    assert mask_probe(noise, data, known, held_out) < 0.75


def test_scores_of_three_are_not_judged(data):
    assert len(data.cases.rows) == N * 4 // 5
    assert data.cases.positive.sum() == N * 2 // 5
