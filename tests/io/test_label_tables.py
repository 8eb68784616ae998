import csv

import pytest

from napari_vaemed.data.anomaly import Decision
from napari_vaemed.data.progress import finish
from napari_vaemed.io.label_tables import read_diagnoses, write_cleaned_labels
from napari_vaemed.io.nodules import read_nodule_set

NAMES = "patient_id,nodule_id,Diagnosis,Diagnosis_value,Malignancy,Malignancy_value"


@pytest.fixture
def folder(tmp_path):
    lines = [
        NAMES,
        "P1,1,Malign,1,Moderately Suspicious,4",
        "P1,2,Benign,0,Indeterminate,3",
        "P2,1,Malign,1,Highly Unlikely,1",
    ]
    (tmp_path / "nodules.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def read(path):
    with path.open(newline="") as lines:
        return {f"{r['patient_id']}_R_{r['nodule_id']}": r for r in csv.DictReader(lines)}


def test_decisions_are_applied_and_the_original_stays(folder):
    before = (folder / "nodules.csv").read_bytes()
    decisions = {"P1_R_1": Decision("flip", "too round"), "P2_R_1": Decision("exclude")}
    assert write_cleaned_labels(folder / "clean.csv", folder, decisions) == (1, 1)
    table = read(folder / "clean.csv")
    flipped = table["P1_R_1"]
    assert (flipped["Malignancy_value"], flipped["Malignancy"]) == ("2", "Moderately Unlikely")
    assert (flipped["Diagnosis_value"], flipped["Diagnosis"]) == ("0", "Benign")
    assert (flipped["original_malignancy"], flipped["comment"]) == ("4", "too round")
    assert "P2_R_1" not in table
    assert table["P1_R_2"]["decision"] == ""
    assert (folder / "nodules.csv").read_bytes() == before


def test_written_over_the_table_the_original_is_kept_and_used_again(folder):
    before = (folder / "nodules.csv").read_bytes()
    for verdict in ("exclude", "flip"):
        write_cleaned_labels(folder / "nodules.csv", folder, {"P2_R_1": Decision(verdict)})
        assert (folder / "nodules.original.csv").read_bytes() == before
    assert read(folder / "nodules.csv")["P2_R_1"]["Malignancy_value"] == "5"


def test_what_takes_no_side_cannot_be_flipped_and_strangers_are_refused(folder):
    with pytest.raises(ValueError, match="nothing to flip"):
        write_cleaned_labels(folder / "c.csv", folder, {"P1_R_2": Decision("flip")})
    with pytest.raises(ValueError, match="has no nodule P9_R_1"):
        write_cleaned_labels(folder / "c.csv", folder, {"P9_R_1": Decision("keep")})
    assert not (folder / "c.csv").exists()


def test_a_cleaned_table_is_a_folder_s_table_and_diagnoses_are_read(nodule_folder, tmp_path):
    records = finish(read_nodule_set(nodule_folder)).records
    assert read_diagnoses(nodule_folder, records) == (None,) * 10
    write_cleaned_labels(tmp_path / "nodules.csv", nodule_folder, {"P0_R_1": Decision("flip")})
    for kind in ("image", "mask"):
        (tmp_path / kind).symlink_to(nodule_folder / kind)
    assert finish(read_nodule_set(tmp_path)).records[0].malignancy == 5
