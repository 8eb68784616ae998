"""Training on the command line."""

from __future__ import annotations

import re
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from napari_vaemed.cli import main
from napari_vaemed.cli.verbs import arguments_of
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.checkpoints import read_training

VERBS = ("train", "train-slices", "train-click", "train-lungs")


@pytest.fixture
def slices(tmp_path):
    """24 slices of 12 cases, the sick ones darker below."""
    rng = np.random.default_rng(0)
    rows = ["file,label,split"]
    for i in range(24):
        grey = rng.integers(190, 230, (40, 40))
        grey[8:32, 6:34] = rng.integers(30, 60, (24, 28))
        if i % 2:
            grey[20:32, 6:34] = 140
        Image.fromarray(grey.astype(np.uint8)).save(tmp_path / f"p{i // 2}-{i}.png")
        part = "train" if i < 12 else "val" if i < 18 else "test"
        rows.append(f"p{i // 2}-{i}.png,{'covid' if i % 2 else 'normal'},{part}")
    (tmp_path / "split.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_every_training_has_a_flag_for_every_setting(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    flags = set(re.findall(r"--([a-z-]+)", capsys.readouterr().out))
    assert {field.name.replace("_", "-") for field in fields(RunSettings)} <= flags


def test_a_training_tells_its_epochs_and_goes_on_when_asked(slices, tmp_path, capsys):
    command = ["train-slices", str(slices), "-o", str(tmp_path / "out"), "--size", "32"]
    command += ["--epochs", "3", "--batch", "6", "--patience", "3", "--device", "cpu"]
    assert main(command) == 0
    first = capsys.readouterr()
    assert len(re.findall(r"^epoch \d/3 .* held out .* lowest in epoch \d", first.err, re.M)) == 3
    assert '"auc"' in first.out
    assert main([*command, "--resume"]) == 0  # nothing is left to do
    again = capsys.readouterr()
    assert "epoch" not in again.err
    assert again.out == first.out
    record = read_training(tmp_path / "out" / "slice_training.safetensors").record
    assert record["settings"]["patience"] == 3


def test_an_impossible_setting_is_one_line(tmp_path, capsys):
    assert main(["train", str(tmp_path), "-o", str(tmp_path), "--epochs", "0"]) == 2
    assert capsys.readouterr().err == "vaemed: epochs must be at least 1; got 0.\n"


def test_an_argument_that_the_model_has_not_is_told(nodule_folder, tmp_path, capsys):
    run = ["train", str(nodule_folder), "-o", str(tmp_path)]
    assert main([*run, "--set", "depth=3"]) == 2
    assert "A GaussianVAE has no 'depth'; it has latent_dims" in capsys.readouterr().err


def test_arguments_are_read_as_what_the_model_takes(tmp_path, capsys):
    given = ["variational=False", "latent_dims=12", "beta=2"]
    found = arguments_of("ThreePhases", given)
    assert found == {"variational": False, "latent_dims": 12, "beta": 2.0}
    run = ["train", str(tmp_path), "-o", str(tmp_path), "--set"]
    assert main([*run, "latent_dims=12,24"]) == 2
    assert "latent_dims=12,24: wanted a number like 24" in capsys.readouterr().err
    assert main([*run, "depth=3", "--model", "GausianVAE"]) == 2
    assert "The model must be one of GaussianVAE" in capsys.readouterr().err
