from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.training.fit import Epoch
from napari_vaemed.workflow.index import build_index
from napari_vaemed.workflow.train import MODEL_FILE, train

SMALL = {"latent_dims": 4, "encoder_width": 8, "decoder_width": 8}
RUN = RunSettings(epochs=3, batch=5, device="cpu", seed=2)


def _train(folder, out, run, bench_epochs=0):
    return train(folder, out, arguments=SMALL, run=run, bench_epochs=bench_epochs)


def _run(work) -> tuple[object, list]:
    seen = []
    return finish(work, seen.append), seen


def test_training_reports_its_epochs_and_writes_a_model_with_its_card(nodule_folder, tmp_path):
    model, seen = _run(_train(nodule_folder, tmp_path, replace(RUN, epochs=2), bench_epochs=1))
    epochs = [step for step in seen if isinstance(step, Epoch) and step.total == 2]
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert any(isinstance(step, Progress) for step in seen)
    picture = epochs[-1].pictures["reconstructions"]
    assert picture.shape == (2 * 32, 8 * 32)
    assert picture[16, 16] == round(255 * (30 + 1000) / 1400)  # the first nodule's middle
    read = read_model(tmp_path / MODEL_FILE, "cpu")
    assert read.sha256 == model.sha256
    figures = read.card["figures"]
    assert (figures["n"], figures["folds"], figures["epochs"]) == (10, 5, 1)
    assert 0 <= figures["latent"]["auc"] <= 1
    assert figures["log volume"]["auc_6_to_10_mm"] is None  # all of these are benign
    assert "Research only" in read.card["use"]


def test_a_stopped_training_goes_on_to_the_same_weights(nodule_folder, tmp_path):
    whole, _ = _run(_train(nodule_folder, tmp_path / "a", RUN))
    stopped = _train(nodule_folder, tmp_path / "b", RUN)
    for step in stopped:
        if isinstance(step, Epoch) and step.number == 2:
            break
    stopped.close()
    resumed = _train(nodule_folder, tmp_path / "b", replace(RUN, resume=True))
    model, seen = _run(resumed)
    assert [step.number for step in seen if isinstance(step, Epoch)] == [3]
    assert model.sha256 == whole.sha256


KILLED = """
import sys
from pathlib import Path
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.workflow.train import train
folder, out = map(Path, sys.argv[1:])
run = RunSettings(epochs=500, batch=4, device="cpu", seed=2, patience=400)
work = train(folder, out, arguments={arguments}, run=run, bench_epochs=0)
finish(work, lambda step: print(getattr(step, "number", 0), flush=True))
"""


def test_a_training_killed_at_any_moment_goes_on_to_the_same_weights(nodule_folder, tmp_path):
    """The process is killed outright, 0.1 to 1 s after its second epoch; then it is resumed."""
    script = KILLED.format(arguments=SMALL)
    command = [sys.executable, "-c", script, str(nodule_folder), str(tmp_path / "b")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.stdout.readline() != "2\n":
            assert process.poll() is None
        time.sleep(random.uniform(0.1, 1.0))
        process.kill()
    record = json.loads((tmp_path / "b" / "training.json").read_text())
    done = record["epochs"][-1]["number"]
    run = RunSettings(**{**record["settings"], "resume": True})
    # an unbroken run of as many epochs as were done, and three more, then both are compared
    states = []
    for name, how in (("a", replace(run, resume=False)), ("b", run)):
        work = _train(nodule_folder, tmp_path / name, how)
        numbers = []
        for step in work:
            if isinstance(step, Epoch):
                numbers.append(step.number)
                if step.number == done + 3:
                    states.append({key: value.clone() for key, value in step.state.items()})
                    break
        work.close()
        assert numbers[0] == 1 if name == "a" else numbers[0] in (done, done + 1)
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_an_unknown_model_is_refused_in_words(nodule_folder, tmp_path):
    with pytest.raises(ValueError, match="must be one of GaussianVAE"):
        finish(train(nodule_folder, tmp_path, model="Transformer"))


@pytest.fixture
def benign(nodule_folder, tmp_path):
    """Three patients with a benign nodule each."""
    few = tmp_path / "benign"
    shutil.copytree(nodule_folder, few)
    table = (few / "nodules.csv").read_text().splitlines()
    (few / "nodules.csv").write_text("\n".join(table[:4]) + "\n")
    return few


@pytest.mark.parametrize(
    ("model", "how", "said"),
    [
        ("DEC", {"arguments": {"images": "digit"}}, "images must be 'nodule'; got 'digit'"),
        ("DEC", {"bench_epochs": 1}, r"at least 5 patients; got 3.*0 bench epochs"),
        ("DEC", {"run": replace(RUN, patience=2)}, r"at least 8 patients; got 3.*set it to 0"),
        ("M2", {}, "benign .* some of both; it is told of 3 and 0"),
    ],
)
def test_what_cannot_be_done_is_told_before_it_is_trained(model, how, said, benign, tmp_path):
    small = {"encoder_width": 8, "decoder_width": 8}
    how = {"arguments": small, "run": RUN, "bench_epochs": 0, **how}
    with pytest.raises(ValueError, match=said):
        finish(train(benign, tmp_path / "run", model=model, **how))
    assert not (tmp_path / "run").exists()


def test_figures_of_one_kind_of_nodule_are_refused_before_it_is_trained(nodule_folder, tmp_path):
    table = (nodule_folder / "nodules.csv").read_text()
    shutil.copytree(nodule_folder, tmp_path / "all")
    (tmp_path / "all" / "nodules.csv").write_text(table.replace(",5", ",1"))
    with pytest.raises(ValueError, match=r"too few of one kind.*0 bench epochs"):
        finish(train(tmp_path / "all", tmp_path / "run", run=RUN, bench_epochs=1))
    assert not (tmp_path / "run").exists()


def test_hidden_labels_are_told_in_the_card_and_refused_where_all_are_needed(
    nodule_folder, tmp_path
):
    run = replace(RUN, epochs=1)
    how = {"labels": 0.5, "repeats": 2, "run": run, "bench_epochs": 0}
    small = {"encoder_width": 8, "decoder_width": 8}
    work = train(nodule_folder, tmp_path / "a", model="SelfTraining", arguments=small, **how)
    model, _ = _run(work)
    assert model.card["training"]["labels"] == 0.5
    assert "--labels 0.5 --repeats 2" in model.card["command"]
    again = {**how, "labels": 1.0, "repeats": 1, "run": replace(run, resume=True)}
    work = train(nodule_folder, tmp_path / "a", model="SelfTraining", arguments=small, **again)
    with pytest.raises(ValueError, match=r"labels 0\.5, now 1\.0; samples repeats 2, now 1"):
        finish(work)
    with pytest.raises(ValueError, match="M2, SelfTraining, ThreePhases; got 'GaussianVAE'"):
        finish(train(nodule_folder, tmp_path / "b", **how))
    with pytest.raises(ValueError, match=r"from 0 to 1; got 1\.5"):
        finish(train(nodule_folder, tmp_path / "c", model="M2", **{**how, "labels": 1.5}))


def test_an_index_holds_a_posterior_of_every_nodule(nodule_folder, tmp_path):
    model, _ = _run(_train(nodule_folder, tmp_path, replace(RUN, epochs=1)))
    nodules = finish(read_nodule_set(nodule_folder))
    index = finish(build_index(model, nodules))
    assert [record.id for record in index.records] == [record.id for record in nodules.records]
    sphere = [np.pi / 6 * record.diameter_mm**3 for record in nodules.records]
    np.testing.assert_allclose([r.clicked_mm3 for r in index.records], sphere, rtol=0.3)
    assert index.posterior.mean.shape == (10, 4)
    assert index.model_sha256 == model.sha256
    assert index.source == nodules.source
