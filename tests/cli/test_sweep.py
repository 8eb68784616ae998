"""A sweep on the command line."""

from __future__ import annotations

import json

from napari_vaemed.cli import main

SMALL = ["--grid", "encoder_width=8", "--grid", "decoder_width=8"]
QUICK = ["--epochs", "1", "--batch", "4", "--device", "cpu"]


def test_a_sweep_tells_its_trials_and_its_winner(nodule_folder, tmp_path, capsys):
    grid = ["--model", "Autoencoder", "--grid", "latent_dims=3,4", *SMALL]
    assert main(["sweep", str(nodule_folder), "-o", str(tmp_path), *grid, *QUICK]) == 0
    told, on_the_way = capsys.readouterr()
    assert told.count("(whole, 1 epochs)") == 2
    assert '"log volume, itself"' in told
    assert "2 trials ->" in told
    assert "Trial 1: latent_dims 4" in on_the_way
    whole = json.loads((tmp_path / "sweep.json").read_text())
    assert whole["axes"]["latent_dims"] == [3, 4]
    assert len(whole["rows"]) == 2


def test_what_is_to_be_varied_must_be_said_and_be_there(nodule_folder, tmp_path, capsys):
    run = ["sweep", str(nodule_folder), "-o", str(tmp_path)]
    assert main([*run, "--model", "Autoencoder"]) == 2
    assert "Say what of Autoencoder to vary" in capsys.readouterr().err
    assert main([*run, "--grid", "depth=1,2"]) == 2
    assert "has no 'depth' to vary" in capsys.readouterr().err
    assert main([*run, "--range", "beta=1:4"]) == 2
    assert "a range, which a grid cannot exhaust" in capsys.readouterr().err
    assert main([*run, "--space", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err
