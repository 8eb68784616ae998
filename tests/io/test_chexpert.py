from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vaemed.data.progress import finish
from napari_vaemed.io.chexpert import FINDINGS, is_chexpert, read_chexpert
from napari_vaemed.io.slices import read_slice_set

SET = "CheXpert-v1.0-small"
HEAD = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(FINDINGS)


def line(name: str, view: str, **labels: str) -> str:
    fields = [labels.get(finding.replace(" ", "_"), "") for finding in FINDINGS]
    return f"{SET}/{name},Female,68,{view},AP," + ",".join(fields)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two patients to learn from, one to validate with."""
    folder = tmp_path / SET
    rows = {
        "train": [
            line("train/patient00001/study1/view1_frontal.jpg", "Frontal", Edema="1.0",
                 Pneumonia="-1.0"),
            line("train/patient00001/study1/view2_lateral.jpg", "Lateral", Edema="1.0"),
            line("train/patient00002/study2/view1_frontal.jpg", "Frontal", Edema="0.0",
                 Pneumonia="1.0", Pleural_Effusion="-1.0"),
        ],
        "valid": [line("valid/patient64541/study1/view1_frontal.jpg", "Frontal", Fracture="1.0")],
    }  # fmt: skip
    for number, (part, lines) in enumerate(rows.items()):
        for text in lines:
            path = tmp_path / text.split(",")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((5, 4), 40 + number, np.uint8)).save(path)
        (folder / f"{part}.csv").write_text("\n".join([HEAD, *lines]) + "\n")
    return folder


@pytest.mark.parametrize(("uncertain", "value"), [("ignore", np.nan), ("zero", 0), ("one", 1)])
def test_uncertain_labels_become_what_is_asked(folder, uncertain, value):
    images = read_chexpert(folder, uncertain=uncertain)
    pneumonia = images.labels[:, FINDINGS.index("Pneumonia")]
    np.testing.assert_array_equal(pneumonia, [value, 0, 1, 0])
    assert images.labels[3, FINDINGS.index("Fracture")] == 1


def test_parts_patients_and_pictures_are_those_of_the_paths(folder):
    images = read_chexpert(folder)
    assert images.parts == ("train", "train", "train", "val")
    assert images.groups == ("patient00001", "patient00001", "patient00002", "patient64541")
    assert (images.images[0].shape, images.images[3][0, 0]) == ((5, 4), 41)


@pytest.mark.parametrize(("view", "n"), [("frontal", 2), ("lateral", 1), ("all", 3)])
def test_one_view_can_be_asked_for(folder, view, n):
    assert len(read_chexpert(folder / "train.csv", view=view)) == n


def test_the_test_table_tells_its_view_by_file_names(folder):
    name = f"{SET}/valid/patient64541/study1/view1_frontal.jpg"
    fields = ",".join(["1.0"] * 14)
    table = folder / "test.csv"
    table.write_text(f"Path,{','.join(FINDINGS)}\n{name},{fields}\n")
    assert read_chexpert(table, view="frontal").parts == ("test",)
    with pytest.raises(ValueError, match="no lateral pictures"):
        read_chexpert(table, view="lateral")


def test_a_finding_feeds_the_slice_classifier(folder):
    slices = finish(read_slice_set(folder, "Edema"))
    assert slices.labels.tolist() == [1, 1, 0, 0]
    assert slices.groups[0] == slices.groups[1] == "patient00001"


def test_a_table_moved_away_from_its_pictures_is_told(folder, tmp_path):
    far = tmp_path / "1" / "2" / "3" / "4" / "train.csv"
    far.parent.mkdir(parents=True)
    (folder / "train.csv").rename(far)
    with pytest.raises(FileNotFoundError, match="Keep the table where"):
        read_chexpert(far)


def test_other_tables_are_none_of_chexpert_s(tmp_path):
    (tmp_path / "train.csv").write_text("file,label\na.png,1\n")
    assert not is_chexpert(tmp_path)
    with pytest.raises(ValueError, match="none of CheXpert's tables"):
        read_chexpert(tmp_path / "train.csv")


def test_a_policy_that_does_not_exist_is_told(folder):
    with pytest.raises(ValueError, match="ignore, zero, one"):
        read_chexpert(folder, uncertain="half")
