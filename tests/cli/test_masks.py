import csv
import json

import pytest

from napari_vaemed.cli import main
from napari_vaemed.data.phantom_defects import DEFECTS, spoilt_mask
from napari_vaemed.io.volumes import write_mask, write_volume


@pytest.fixture
def folder(small_phantom, tmp_path):
    for case, labels in (
        ("good", small_phantom.lungs),
        ("swapped", spoilt_mask(small_phantom, DEFECTS[2], 0).hu),
    ):
        write_volume(tmp_path / f"{case}.nii", small_phantom.volume.hu, small_phantom.volume)
        write_mask(tmp_path / f"{case}_mask.nii", labels, small_phantom.volume)
    write_mask(tmp_path / "alone_mask.nii", small_phantom.lungs, small_phantom.volume)
    return tmp_path


def test_check_masks_says_what_is_wrong(folder, capsys):
    assert main(["check-masks", str(folder), "--csv", str(folder / "out.csv")]) == 0
    said = capsys.readouterr()
    assert "good label 1" in said.out
    assert "swapped label 1: " in said.out
    assert "left and right swapped" in said.out
    assert "1 of 2 masks flagged" in said.out
    assert "alone_mask.nii has no CT" in said.err
    with (folder / "out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["case"]: row["flags"] for row in rows} == {
        "good": "", "swapped": "left and right swapped"
    }  # fmt: skip


def test_check_masks_as_json_with_references(folder, small_phantom, tmp_path_factory, capsys):
    references = tmp_path_factory.mktemp("references")
    write_mask(references / "swapped.nii", small_phantom.lungs, small_phantom.volume)
    assert main(["check-masks", str(folder), "--reference", str(references), "--json"]) == 0
    rows = {(r["case"], r["label"]): r for r in json.loads(capsys.readouterr().out)}
    assert rows["swapped", 1]["dice"] == 0
    assert rows["swapped", 3]["dice"] == 1
    assert rows["good", 1]["dice"] is None


def test_a_folder_without_pairs_is_one_line(tmp_path, capsys):
    assert main(["check-masks", str(tmp_path)]) == 2
    assert "No CT with a mask" in capsys.readouterr().err
