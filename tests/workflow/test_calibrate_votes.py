from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.bench import Codes
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.progress import finish
from napari_vaemed.io.bench_results import CLICKS_FILE, write_clicks, write_codes
from napari_vaemed.training.folds import patient_folds
from napari_vaemed.workflow.calibrate_votes import calibrate_votes

N, FOLDS = 192, 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index and a bench whose codes tell malignancy as a coin of known bias would."""
    rng = np.random.default_rng(0)
    risk = rng.random(N)
    score = np.where(rng.random(N) < risk, 5.0, 1.0)
    score[::8] = 3.0
    records = tuple(
        NoduleRecord(f"N{n}", f"P{n // 2}", "1", (0.0, 0.0, 0.0), 5.0 + 10 * rng.random(),
                     {"malignancy": score[n]})
        for n in range(N)
    )  # fmt: skip
    mean = np.stack([4 * risk, 0.1 * rng.normal(size=N)], axis=1).astype(np.float32)
    posterior = Posterior(mean, np.full_like(mean, 0.3))
    index = NoduleIndex(records, posterior, "a" * 64, "made here")
    folder = tmp_path_factory.mktemp("bench")
    (folder / "codes").mkdir()
    for seed, folds in ((0, FOLDS), (1, FOLDS), (2, 1)):  # the third seed was stopped
        for fold in range(folds):
            write_codes(
                folder / "codes" / f"GaussianVAE-seed{seed}-fold{fold}.safetensors",
                Codes(posterior, mean, {}),
                {"folds": FOLDS, "fold": fold, "seed": seed, "nodules": N},
            )
    return index, folder, risk


@pytest.fixture(scope="module")
def calibration(made):
    return finish(calibrate_votes(made[1], made[0]))


def test_only_whole_seeds_and_clear_nodules_count(calibration, made):
    index, _, _ = made
    clear = [record for record in index.records if record.malignancy != 3.0]
    assert calibration.seeds == 2
    assert calibration.nodules == len(clear)
    assert calibration.malignant == sum(record.malignancy > 3 for record in clear)
    assert calibration.patients == len({record.patient for record in clear})
    assert calibration.model_sha256 == index.model_sha256
    for curve in (*calibration.curves.values(), calibration.ruler):
        assert sum(one.votes for one in curve.bins) == 2 * len(clear)
        assert sum(one.malignant for one in curve.bins) == 2 * calibration.malignant


def test_the_curve_finds_the_bias_of_the_coin(calibration, made):
    index, _, risk = made
    curve = calibration.curves["wasserstein2"]
    apart = np.abs(np.subtract.outer(risk, risk))
    clear = np.array([record.malignancy != 3.0 for record in index.records])
    positive = np.array([record.malignancy > 3.0 for record in index.records])
    weights = 1 / (np.arange(20) + 6.0)
    off = []
    for row in range(0, N, 5):
        near = [r for r in np.argsort(apart[row]) if clear[r] and r != row][:20]
        off.append(curve.chance(positive[near] @ weights / weights.sum()) - risk[row])
    assert np.mean(np.abs(off)) < 0.15
    assert curve.error.value < 0.15
    assert curve.error.low <= curve.error.value <= curve.error.high
    assert list(curve.chances) == sorted(curve.chances)
    assert curve.chances[0] > 0
    assert curve.chances[-1] < 1


def test_size_that_tells_nothing_is_beaten_by_the_code(calibration):
    assert calibration.ruler.same_class.value < calibration.curves["euclidean"].same_class.value
    assert calibration.above_ruler["euclidean"].low > 0


def test_precision_counts_other_folds_alone(calibration, made):
    index, _, _ = made
    positive = np.array([record.malignancy > 3.0 for record in index.records])
    clear = np.array([record.malignancy != 3.0 for record in index.records])
    shares = []
    for seed in (0, 1):
        owners = [record.patient for record in index.records]
        for known, held_out in patient_folds(owners, folds=FOLDS, seed=seed):
            known = known[clear[known]]
            for row in held_out[clear[held_out]]:
                codes = index.posterior.mean
                far = np.linalg.norm(codes[known] - codes[row], axis=1)
                near = known[np.argsort(far, kind="stable")[:10]]
                shares.append((positive[near] == positive[row]).mean())
    found = calibration.curves["euclidean"].same_class.value
    assert found == pytest.approx(np.mean(shares), abs=1e-4)


def test_a_bench_of_other_nodules_is_refused(made):
    index, folder, _ = made
    fewer = NoduleIndex(index.records[:-1], index.posterior[:-1], index.model_sha256, "here")
    with pytest.raises(ValueError, match="192 nodules; the index holds 191"):
        finish(calibrate_votes(folder, fewer))


def test_nodules_in_another_order_are_refused(made, tmp_path):
    index, folder, _ = made
    (tmp_path / "codes").symlink_to(folder / "codes")
    patches = np.zeros((N, 2, 2, 2), np.int16)
    ids = [record.id for record in index.records]
    write_clicks(tmp_path / CLICKS_FILE, ids[::-1], patches)
    with pytest.raises(ValueError, match="another order"):
        finish(calibrate_votes(tmp_path, index))


def test_without_a_whole_seed_it_says_how_to_make_one(made, tmp_path):
    with pytest.raises(FileNotFoundError, match="vaemed bench"):
        finish(calibrate_votes(tmp_path, made[0]))
    with pytest.raises(FileNotFoundError, match="Autoencoder"):
        finish(calibrate_votes(made[1], made[0], entrant="Autoencoder"))
