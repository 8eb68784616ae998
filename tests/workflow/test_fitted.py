from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.checkpoints import read_model, read_training
from napari_vaemed.models import SLICE_CLASSIFIERS, VAES
from napari_vaemed.training.slice_samples import SliceSamples
from napari_vaemed.workflow.fitted import fitted, new_model, publish

RUN = RunSettings(epochs=4, batch=8, device="cpu", seed=2)
SMALL = {"size": 32, "width": 4, "blocks": 1}


@pytest.fixture(scope="module")
def samples() -> SliceSamples:
    """Sixteen pictures, bright or dark."""
    label = torch.arange(16) % 2
    grey = torch.randint(0, 60, (16, 32, 32), generator=torch.Generator().manual_seed(0))
    picture = (grey + 150 * label[:, None, None]).to(torch.uint8)
    return SliceSamples(picture, label.float(), torch.ones(16))


def _classifier():
    return new_model(SLICE_CLASSIFIERS, "SliceResNet", SMALL, 0)


def _stop(work, after: int) -> None:
    for _ in range(after):
        next(work)
    work.close()


def _events(folder) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_the_record_tells_settings_samples_and_every_epoch(samples, tmp_path):
    epochs = []
    finish(fitted(_classifier(), samples, tmp_path / "a.safetensors", RUN), epochs.append)
    record = read_training(tmp_path / "a.safetensors").record
    assert record["model"]["arguments"]["width"] == 4
    assert record["settings"]["seed"] == 2
    assert record["samples"]["count"] == 16
    assert [e["losses"] for e in record["epochs"]] == [dict(e.losses) for e in epochs]


def test_tensorboard_shows_every_epoch_once_even_of_a_run_that_went_on(samples, tmp_path):
    path = tmp_path / "a.safetensors"
    pictures = {"grey": np.full((4, 6), 90, np.uint8)}
    _stop(fitted(_classifier(), samples, path, RUN, held_out=samples), 3)
    # as if killed after the log of epoch 3 was written, but not its checkpoint
    record = json.loads(path.with_suffix(".json").read_text())
    state = load_file(path)
    _stop(fitted(_classifier(), samples, tmp_path / "b.safetensors", RUN, held_out=samples), 2)
    assert record["log"] == "a-1"
    assert int(state["epoch"]) == 3
    (tmp_path / "b.safetensors").replace(path)
    again = replace(RUN, resume=True)
    epochs = []
    run = fitted(_classifier(), samples, path, again, held_out=samples, pictures=lambda _: pictures)
    finish(run, epochs.append)
    assert [epoch.number for epoch in epochs] == [3, 4]
    events = _events(tmp_path / "tensorboard" / "a-1")
    assert [e.step for e in events.Scalars("loss/held_out")] == [1, 2, 3, 4]
    last = sum(epochs[-1].losses.values())
    assert events.Scalars("loss/train")[-1].value == pytest.approx(last, rel=1e-6)
    image = events.Images("grey")[-1]
    assert (image.step, image.height, image.width) == (4, 4, 6)


def test_a_training_begun_anew_leaves_the_curves_of_the_last_one(samples, tmp_path):
    for _ in range(2):
        finish(fitted(_classifier(), samples, tmp_path / "a.safetensors", RUN))
    assert sorted(p.name for p in (tmp_path / "tensorboard").iterdir()) == ["a-1", "a-2"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lr": 1e-4}, "lr 0.003, now 0.0001"),
        ({"epochs": 9}, "epochs 4, now 9"),
        ({"schedule": "constant"}, "schedule 'one-cycle', now 'constant'"),
    ],
)
def test_other_settings_are_refused_when_resumed(samples, tmp_path, changed, words):
    _stop(fitted(_classifier(), samples, tmp_path / "a.safetensors", RUN), 1)
    run = replace(RUN, resume=True, **changed)
    with pytest.raises(ValueError, match=words):
        next(fitted(_classifier(), samples, tmp_path / "a.safetensors", run))


def test_a_training_begun_before_there_were_schedules_goes_on(samples, tmp_path):
    path = tmp_path / "a.safetensors"
    _stop(fitted(_classifier(), samples, path, RUN), 1)
    record = json.loads(path.with_suffix(".json").read_text())
    del record["settings"]["schedule"]
    path.with_suffix(".json").write_text(json.dumps(record))
    assert next(fitted(_classifier(), samples, path, replace(RUN, resume=True))).number == 2


def test_other_samples_are_refused_when_resumed(samples, tmp_path):
    _stop(fitted(_classifier(), samples, tmp_path / "a.safetensors", RUN), 1)
    others = replace(samples, picture=samples.picture.flip(0))
    run = replace(RUN, resume=True)
    with pytest.raises(ValueError, match="samples sha256"):
        next(fitted(_classifier(), others, tmp_path / "a.safetensors", run))


def test_a_bad_batch_is_kept_and_named(samples, tmp_path):
    weight = samples.weight.clone()
    weight[3] = torch.nan
    work = fitted(_classifier(), replace(samples, weight=weight), tmp_path / "a.safetensors", RUN)
    with pytest.raises(ValueError, match=r"no longer a number.*a_bad_batch\.safetensors"):
        finish(work)
    kept = load_file(tmp_path / "a_bad_batch.safetensors")
    assert 3 in kept["rows"]
    assert kept["picture"].shape == (8, 1, 32, 32)
    assert kept["weight"].isnan().any()


def test_wandb_without_the_package_is_refused_in_words(samples, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    run = replace(RUN, wandb="lungs")
    with pytest.raises(ValueError, match="pip install wandb"):
        next(fitted(_classifier(), samples, tmp_path / "a.safetensors", run))


def test_wandb_keeps_curves_pictures_and_the_model_even_offline(samples, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = replace(RUN, wandb="lungs", epochs=2)
    path = tmp_path / "a.safetensors"
    pictures = {"grey": np.full((4, 6), 90, np.uint8)}
    module = finish(fitted(_classifier(), samples, path, run, pictures=lambda _: pictures))
    model = publish(tmp_path / "model.safetensors", module, {"use": "test"}, run, path)
    assert read_model(tmp_path / "model.safetensors", "cpu").sha256 == model.sha256
    ids = [p.name.split("-")[-1] for p in (tmp_path / "wandb").glob("offline-run-*")]
    assert set(ids) == {read_training(path).record["wandb"]}
    kept = [p for p in (tmp_path / "wandb").rglob("*") if p.is_file()]
    assert [p.suffix for p in kept if "media" in p.parts] == [".png"] * 2
    written = b"".join(p.read_bytes() for p in kept if p.suffix == ".wandb")
    assert b"loss/train" in written
    assert b"dataset" in written
    assert b"model.safetensors" in written


@pytest.mark.parametrize("arguments", [{"variational": "False"}, {"variational": 0}, {"images": 3}])
def test_arguments_of_another_kind_are_refused(arguments):
    with pytest.raises(ValueError, match="is of the kind of"):
        new_model(VAES, "ThreePhases", arguments, 0)


def test_a_count_below_one_is_refused():
    with pytest.raises(ValueError, match="DEC's clusters must be at least 1; got 0"):
        new_model(VAES, "DEC", {"clusters": 0}, 0)
