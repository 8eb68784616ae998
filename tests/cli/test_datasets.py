"""Collections of labelled images on the command line."""

from __future__ import annotations

import json

import numpy as np

from napari_vaemed.cli import main


def test_a_set_is_told_in_words_and_as_json(capsys, tmp_path):
    path = tmp_path / "pneumoniamnist.npz"
    np.savez(path, train_images=np.zeros((3, 28, 28), np.uint8), train_labels=[[0], [1], [1]])
    assert main(["dataset", str(path)]) == 0
    assert "train: 3 of 3 groups\n  class: normal 1, pneumonia 2" in capsys.readouterr().out
    assert main(["dataset", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parts"]["train"]["labels"] == {"class": {"normal": 1, "pneumonia": 2}}
    assert told["first_image"] == {"shape": [28, 28], "dtype": "uint8"}


def test_what_is_no_set_is_told_in_one_line(capsys, tmp_path):
    assert main(["dataset", str(tmp_path)]) == 2
    assert "at least two sub-folders" in capsys.readouterr().err


def test_the_published_scan_becomes_a_folder_of_nodules(capsys, tmp_path, real_data):
    arguments = ["lidc-nodules", str(real_data / "lidc_scans"), "-o", str(tmp_path / "made")]
    assert main([*arguments, "--json"]) == 0
    (scan,) = json.loads(capsys.readouterr().out)["scans"]
    assert (scan["patient_id"], scan["outcome"], scan["nodules"]) == ("LIDC-IDRI-0001", "done", 1)
    assert main(arguments) == 0
    assert "1 patients were complete before" in capsys.readouterr().out


def test_a_folder_without_scans_is_told(capsys, tmp_path):
    assert main(["lidc-nodules", str(tmp_path), "-o", str(tmp_path / "made")]) == 2
    assert "No CT series" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
