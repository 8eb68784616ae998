"""Models on pictures that are told apart by where their ink is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_vaemed.cli.command import main
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.checkpoints import read_model, write_model
from napari_vaemed.io.digits import read_digits
from napari_vaemed.models.vae.one_step import OneStepVAE
from napari_vaemed.training.fit import Epoch
from napari_vaemed.workflow.train_digits import (
    MODEL_FILE,
    classes_picture,
    clusters_of,
    judged,
    train_digits,
)

RUN = RunSettings(epochs=2, batch=16, device="cpu")
SMALL = {"encoder_width": 8, "decoder_width": 8, "clusters": 2}


NOISY = [f"accuracy, noise {sd}" for sd in (0.1, 0.2, 0.3, 0.5)]


@pytest.fixture
def quarters(tmp_path):
    """Two classes: ink in the upper left quarter, and in the lower right one."""
    rng = np.random.default_rng(0)
    labels = np.arange(64, dtype=np.uint8) % 2
    pictures = np.zeros((64, 28, 28), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        at = slice(16, 24) if label else slice(4, 12)
        picture[at, at] = rng.integers(150, 255, (8, 8))
    path = tmp_path / "quarters.npz"
    np.savez(path, x_train=pictures, y_train=labels, x_test=pictures[:40], y_test=labels[:40])
    return path


def test_every_seed_gives_a_model_its_figures_and_a_picture(quarters, tmp_path):
    out, steps = tmp_path / "out", []
    work = train_digits(quarters, out, arguments=SMALL, seeds=(3, 4), run=RUN)
    report = finish(work, steps.append)
    assert sum(isinstance(step, Epoch) for step in steps) == 4
    assert json.loads((out / "digits.json").read_text()) == report
    assert [row["seed"] for row in report["seeds"]] == [3, 4]
    majorities = [row["majority"] for row in report["seeds"]]
    assert report["median"]["majority"] == np.median(majorities)
    assert "accuracy" not in report["median"]  # no label was told
    assert (report["pictures"], report["test"], report["labelled"]) == (64, 40, 0)
    assert "| median |" in (out / "digits.md").read_text()
    model = read_model(out / "seed-3" / MODEL_FILE, "cpu")
    digits = read_digits(quarters)
    again = judged(model.module, digits, told=False)
    assert {name: report["seeds"][0][name] for name in again} == again
    with Image.open(out / "classes-seed-3.png") as picture:
        np.testing.assert_array_equal(picture, classes_picture(model.module, digits, 3))


def test_a_resumed_test_comes_to_the_same(quarters, tmp_path):
    how = {"model": "VaDE", "arguments": SMALL, "seeds": (0,)}
    whole = finish(train_digits(quarters, tmp_path / "a", run=RUN, **how))
    stopped = train_digits(quarters, tmp_path / "b", run=RUN, **how)
    next(step for step in stopped if isinstance(step, Epoch))
    stopped.close()
    run = replace(RUN, resume=True)
    resumed = finish(train_digits(quarters, tmp_path / "b", run=run, **how))
    for name in ("majority", "hungarian", "nmi", "ari"):
        assert resumed["median"][name] == whole["median"][name]


def test_real_pictures_stand_in_the_row_of_their_class(quarters):
    digits = read_digits(quarters)
    module = OneStepVAE(images="digit", **SMALL).eval()
    cluster = clusters_of(module, digits)
    grid = classes_picture(module, digits, 0)
    assert grid.shape == (2 * 28, 17 * 28)
    for row in range(2):
        mine = digits.test_pictures[cluster == row]
        if len(mine):
            np.testing.assert_array_equal(grid[row * 28 : row * 28 + 28, :28], mine[0])
        drawn = grid[row * 28 : row * 28 + 28, -28:]
        assert drawn.std() > 0


def test_a_model_of_nodules_only_is_refused(quarters, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"OneStepVAE, VaDE, DEC.*; got 'GaussianVAE'"):
        finish(train_digits(quarters, tmp_path, model="GaussianVAE"))
    command = ["digits", str(quarters), "-o", str(tmp_path / "out"), "--set"]
    assert main([*command, "colour=2"]) == 2
    assert "OneStepVAE has no 'colour'" in capsys.readouterr().err
    assert main([*command, "paper=perhaps"]) == 2
    assert "wanted true or false" in capsys.readouterr().err
    assert main([*command, "clusters=many"]) == 2
    assert "wanted a number like 10" in capsys.readouterr().err
    assert main([*command, "images=nodule"]) == 2
    assert "images must be 'digit' here; got 'nodule'" in capsys.readouterr().err


def test_the_command_prints_its_report(quarters, tmp_path, capsys):
    command = ["digits", str(quarters), "-o", str(tmp_path / "out"), "--model", "DEC"]
    command += ["--epochs", "1", "--batch", "32", "--labels", "0.5", "--device", "cpu"]
    for name, value in SMALL.items():
        command += ["--set", f"{name}={value}"]
    command += ["--schedule", "constant"]
    assert main([*command, "--set", "distance=bhattacharyya"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["labelled"] == 32
    assert report["arguments"]["distance"] == "bhattacharyya"
    assert 0 <= report["median"]["majority"] <= 1
    assert "--set distance=bhattacharyya --schedule constant" in report["command"]
    assert not {"accuracy", *NOISY} & set(report["median"])  # the labels have not taught it


def test_drawings_of_a_model_are_learned_from_beside_real_pictures(quarters, tmp_path, capsys):
    command = ["digits", str(quarters), "--epochs", "1", "--batch", "16", "--device", "cpu"]
    command += ["--set", "encoder_width=8", "--set", "decoder_width=8", "--labels", "0.25"]
    painter, out = tmp_path / "painter", tmp_path / "out"
    assert main([*command, "-o", str(painter), "--model", "M2"]) == 0
    model = painter / "seed-0" / MODEL_FILE
    drawn = ["--generated", str(model), "--per-class", "3", "--repeats", "2"]
    capsys.readouterr()
    assert main([*command, "-o", str(out), "--model", "SelfTraining", *drawn]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["labelled"], report["pictures"]) == (16, 64)  # real ones
    assert "--generated MODEL.safetensors --per-class 3" in report["command"]
    card = json.loads((out / "seed-0" / "digit_model.json").read_text())["card"]
    assert card["training"]["generated"]["sha256"] == read_model(model, "cpu").sha256
    assert card["training"]["generated"]["taught"] == {"labels": 0.25, "seed": 0}
    record = json.loads((out / "seed-0" / "training.json").read_text())
    told_twice = 64 + 16  # drawn ones come once
    assert record["samples"]["count"] in range(told_twice + 3, told_twice + 30 + 1, 3)


def test_a_model_that_draws_no_classes_of_digits_is_refused(quarters, tmp_path):
    path = tmp_path / "model.safetensors"
    write_model(path, OneStepVAE(encoder_width=8, decoder_width=8), {})
    with pytest.raises(ValueError, match="holds a OneStepVAE that draws no classes of digits"):
        finish(train_digits(quarters, tmp_path, labels=0.5, generated=path))


def test_a_few_labels_teach_the_names_of_the_classes(quarters, tmp_path, capsys):
    command = ["digits", str(quarters), "-o", str(tmp_path / "out"), "--model", "SelfTraining"]
    command += ["--epochs", "12", "--batch", "16", "--labels", "0.25", "--device", "cpu"]
    command += ["--repeats", "2"]
    for given in ("encoder_width=8", "decoder_width=8", "method=fixmatch"):
        command += ["--set", given]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["labelled"] == 16
    assert 0.95 < report["median"]["accuracy"] <= report["median"]["majority"] <= 1
    assert set(NOISY) < set(report["median"])
    assert "| accuracy, noise 0.5 |" in (tmp_path / "out" / "digits.md").read_text()


def test_labels_of_more_classes_than_digits_have_are_refused(tmp_path):
    path, label = tmp_path / "organs.npz", np.arange(22, dtype=np.uint8) % 11
    pictures = np.zeros((22, 28, 28), np.uint8)
    np.savez(path, x_train=pictures, y_train=label, x_test=pictures, y_test=label)
    with pytest.raises(ValueError, match=r"10 classes at most; organs\.npz has 11"):
        finish(train_digits(path, tmp_path, model="M2", labels=0.5))
