from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.data.sweep import GRID, Choice, Range, Space, best_of
from napari_vaemed.io.bench_results import write_clicks
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.training.fit import Epoch
from napari_vaemed.training.samples import nodule_samples
from napari_vaemed.workflow.sweep import OUTER, SweepPlan, sweep

RUN = RunSettings(epochs=2, batch=4, device="cpu")
SPACE = Space(
    "small", "Autoencoder",
    (Choice("latent_dims", (4, 6)), Choice("encoder_width", (8,)), Choice("decoder_width", (8,))),
)  # fmt: skip
PLAN = SweepPlan(SPACE, run=RUN)


@pytest.fixture(scope="module")
def clicks(nodule_folder, tmp_path_factory):
    """A file of patches as exact clicks would cut them: the click network has tests of its own."""
    nodules = finish(read_nodule_set(nodule_folder))
    path = tmp_path_factory.mktemp("clicks") / "clicks.safetensors"
    patches = finish(nodule_samples(nodules, views=1)).target.numpy()
    write_clicks(path, [record.id for record in nodules.records], patches)
    return path


@pytest.fixture(scope="module")
def swept(nodule_folder, clicks, tmp_path_factory):
    """A sweep of two configurations, and what it said on its way."""
    out = tmp_path_factory.mktemp("sweep")
    shutil.copy(clicks, out)
    seen = []
    return finish(sweep(nodule_folder, out, PLAN), seen.append), out, seen


@pytest.fixture
def fresh(clicks, tmp_path):
    """An empty folder for another sweep."""
    shutil.copy(clicks, tmp_path)
    return tmp_path


def _trained(seen: list) -> int:
    return sum(isinstance(step, Epoch) for step in seen)


def test_every_cell_is_tried_once_and_the_winner_is_trained_anew(swept):
    found, out, seen = swept
    assert sorted(row.values["latent_dims"] for row in found.rows) == [4, 6]
    assert {row.state for row in found.rows} == {"whole"}
    assert all(row.epochs == 2 and list(row.curve) == [1, 2] for row in found.rows)
    assert _trained(seen) == 2 * 2 + 2
    best = best_of(found.rows)
    assert found.rows[0] == best
    assert found.winner["values"] == best.values
    assert (best.below_best, found.rows[1].below_best.low >= -1) == (None, True)
    assert not list(out.rglob("fold*.safetensors"))  # no weights are left over


def test_the_outer_patients_are_in_no_trial_and_the_winner_is_scored_on_them_alone(
    swept, nodule_folder
):
    found, out, _ = swept
    told = json.loads((out / "sweep.json").read_text())
    nodules = finish(read_nodule_set(nodule_folder))
    outer = len(nodules) // OUTER
    trial = json.loads((out / "trials" / "0000" / "seed0-fold0.json").read_text())
    winner = next((out / "winners").glob("*/seed0-fold0.json"))
    assert trial["samples"]["count"] + told["n"] == len(nodules) - outer
    assert json.loads(winner.read_text())["samples"]["count"] == len(nodules) - outer
    assert found.winner["n"] == outer


def test_the_table_the_numbers_and_the_pictures_are_written(swept):
    found, out, _ = swept
    told = (out / "sweep.md").read_text(encoding="utf-8")
    assert "No patient of the outer fold was looked at" in told
    assert "| latent_dims | 4 | 1 |" in told
    assert "scored once on 2 nodules" in told
    with (out / "sweep.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["latent_dims"] for row in rows] == [
        str(r.values["latent_dims"]) for r in found.rows
    ]
    assert {path.name for path in out.glob("*.png")} == {"axes.png", "history.png"}


def test_a_second_run_trains_nothing_and_says_the_same(swept, nodule_folder):
    found, out, _ = swept
    seen = []
    assert finish(sweep(nodule_folder, out, PLAN), seen.append) == found
    assert not _trained(seen)


def test_another_sweep_is_not_mixed_in(swept, nodule_folder):
    _, out, _ = swept
    longer = replace(PLAN, run=replace(RUN, epochs=3))
    with pytest.raises(ValueError, match="begun with epochs 2, now 3"):
        finish(sweep(nodule_folder, out, longer))


def test_a_sweep_that_was_cancelled_goes_on_with_the_epoch_it_had_reached(nodule_folder, fresh):
    work, seen = sweep(nodule_folder, fresh, PLAN), []
    while not _trained(seen):
        seen.append(next(work))
    work.close()
    seen = []
    found = finish(sweep(nodule_folder, fresh, PLAN), seen.append)
    assert [row.state for row in found.rows] == ["whole", "whole"]
    assert _trained(seen) == 1 + 2 + 2  # the second epoch of the first, a whole trial, the winner
    assert sorted(row.number for row in found.rows) == [1, 2]  # trial 0 was begun again as 2


def _sweep_until_killed(folder: Path, out: Path) -> None:
    for step in sweep(folder, out, PLAN):
        if isinstance(step, Epoch):
            (out / "reached").touch()
            time.sleep(60)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_another_process_takes_up_the_trial_of_one_that_was_killed(nodule_folder, fresh):
    doomed = multiprocessing.get_context("spawn").Process(
        target=_sweep_until_killed, args=(nodule_folder, fresh)
    )
    doomed.start()
    while not (fresh / "reached").exists():
        assert doomed.is_alive()
        time.sleep(0.05)
    seen = []
    work = sweep(nodule_folder, fresh, PLAN)
    while not _trained(seen):  # it lives: its trial is left alone
        seen.append(next(work))
    assert [s.doing[:7] for s in seen if isinstance(s, Progress) and "Trial" in s.doing] == [
        "Trial 1"
    ]
    os.kill(doomed.pid, signal.SIGKILL)
    doomed.join()
    found = finish(work, seen.append)
    assert [row.state for row in found.rows] == ["whole", "whole"]
    assert _trained(seen) == 2 + 1 + 2


def test_workers_share_the_trials(nodule_folder, fresh):
    found = finish(sweep(nodule_folder, fresh, PLAN, workers=2))
    assert [row.state for row in found.rows] == ["whole", "whole"]
    assert found.winner is not None


def test_a_free_search_keeps_to_its_space_and_can_be_extended(nodule_folder, fresh):
    axes = (*SPACE.axes[1:], Range("latent_dims", 2, 8), Range("lr", 1e-4, 1e-2, log=True))
    plan = SweepPlan(Space("free", "Autoencoder", axes), 2, run=replace(RUN, epochs=1), prune=True)
    first = finish(sweep(nodule_folder, fresh, plan))
    assert len(first.rows) == 2
    more = finish(sweep(nodule_folder, fresh, replace(plan, trials=4)))
    assert len(more.rows) == 4
    assert {r.number for r in first.rows} < {r.number for r in more.rows}
    for row in more.rows:
        assert 2 <= row.values["latent_dims"] <= 8
        assert 1e-4 <= row.values["lr"] <= 1e-2


def test_what_cannot_be_built_is_told_and_the_others_are_tried(nodule_folder, fresh):
    widths = Space("own", "Autoencoder", (Choice("encoder_width", (8, 9)), *SPACE.axes[2:]))
    found = finish(sweep(nodule_folder, fresh, SweepPlan(widths, run=replace(RUN, epochs=1))))
    assert [row.state for row in found.rows] == ["whole", "failed"]
    assert "must be a multiple of 8; got 9" in found.rows[1].why


def test_folds_trained_together_score_like_those_trained_in_turn(nodule_folder, fresh):
    space = Space("one", "Autoencoder", (Choice("latent_dims", (4,)), *SPACE.axes[1:]))
    plan = SweepPlan(space, inner=3, run=replace(RUN, epochs=1))
    (fresh / "together").mkdir()
    shutil.copy(fresh / "clicks.safetensors", fresh / "together")
    one = finish(sweep(nodule_folder, fresh, plan)).rows[0]
    other = finish(sweep(nodule_folder, fresh / "together", replace(plan, together=3))).rows[0]
    assert json.loads((fresh / "sweep.json").read_text())["n"] == 8  # all inner patients are judged
    np.testing.assert_allclose(one.auc.value, other.auc.value, atol=0.05)


def test_an_axis_that_the_model_has_not_is_refused(nodule_folder, tmp_path):
    wrong = SweepPlan(Space("own", "Autoencoder", (Choice("beta", (1.0,)),)), run=RUN)
    with pytest.raises(ValueError, match="Autoencoder has no 'beta'"):
        next(sweep(nodule_folder, tmp_path, wrong))
    words = Space("own", "GaussianVAE", (Choice("likelihood", ("poisson",)),))
    with pytest.raises(ValueError, match="must be one of tempered, sigma"):
        next(sweep(nodule_folder, tmp_path, SweepPlan(words, run=RUN)))


def test_the_named_grid_has_sixteen_cells_one_of_them_the_shipped_recipe():
    from napari_vaemed.models.vae.gaussian import GaussianVAE

    cells, usual = GRID.cells(), GaussianVAE()
    assert len(cells) == 16
    assert {name: getattr(usual, name) for name in cells[0]} in cells
