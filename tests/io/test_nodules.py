from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.anomaly import Decision
from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.progress import finish
from napari_vaemed.io.label_tables import write_cleaned_labels
from napari_vaemed.io.nodules import LIDC_SOURCE, _owners, read_nodule_scores, read_nodule_set


def _write(path: Path, array: np.ndarray, flipped: bool) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.7, 1.25))
    image.SetOrigin((30.0, 40.0, -50.0))
    if flipped:
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two nodules as LIDC-IDRI crops come; the second stored turned, and far off in the table."""
    rows = []
    for number, flipped in enumerate((False, True), start=1):
        name = f"P-000{number}_R_{number}.nii.gz"
        hu = np.full((6, 20, 22), -850, np.int16)
        counts = np.zeros(hu.shape, np.uint8)
        counts[1:5, 6:14, 5:15] = 1
        counts[2:4, 8:12, 8:12] = 3
        hu[counts > 0] = 20
        _write(tmp_path / "image" / name, hu, flipped)
        _write(tmp_path / "mask" / name, (counts > 0).astype(np.uint8), flipped)
        if number == 1:
            _write(tmp_path / "readers" / name, counts, flipped)
        row = {"patient_id": f"P-000{number}", "nodule_id": number, "seriesuid": f"1.2.{number}"}
        row |= {"coordX": 36.5, "coordY": 46.6, "coordZ": -46.9, "diameter_mm": 9.0}
        titles = [name.title().replace("_", "") for name in ATTRIBUTES]
        rows.append(row | {f"{title}_value": k % 5 + 1 for k, title in enumerate(titles)})
    with (tmp_path / "nodules.csv").open("w", newline="") as lines:
        table = csv.DictWriter(lines, rows[0])
        table.writeheader()
        table.writerows(rows)
    (tmp_path / "readers.csv").write_text("id,n_readers\nP-0001_R_1,4\n")
    return tmp_path


def test_records_volumes_and_masks_are_read(folder):
    nodules = finish(read_nodule_set(folder))
    assert [record.id for record in nodules.records] == ["P-0001_R_1", "P-0002_R_2"]
    assert nodules.records[0].malignancy == ATTRIBUTES.index("malignancy") % 5 + 1
    assert nodules.volumes[0].patient == "P-0001"
    assert nodules.masks[0].sum() == 4 * 8 * 10
    np.testing.assert_allclose(nodules.volumes_mm3()[0], 320 * 0.7 * 0.7 * 1.25)


def test_the_majority_is_half_of_the_readers_or_else_the_union(folder):
    nodules = finish(read_nodule_set(folder))
    assert nodules.majorities[0].sum() == 2 * 4 * 4
    assert nodules.majorities[1].sum() == nodules.masks[1].sum()


def test_a_crop_stored_turned_lies_where_its_header_says(folder):
    nodules = finish(read_nodule_set(folder))
    turned = nodules.volumes[1]
    np.testing.assert_allclose(turned.direction, np.eye(3))
    at = np.argwhere(nodules.masks[1]).mean(axis=0)
    stored = np.array([9.5 * 0.7, 9.5 * 0.7, 2.5 * 1.25])  # middle of the mask, x y z, in the file
    expected = np.array([30.0, 40.0, -50.0]) + stored * (-1, -1, 1)
    np.testing.assert_allclose(turned.to_world(at), expected)


def test_a_centre_outside_its_crop_is_replaced_by_the_masks(folder):
    records = finish(read_nodule_set(folder)).records
    assert records[0].centre_mm == (36.5, 46.6, -46.9)
    np.testing.assert_allclose(records[1].centre_mm, (23.35, 33.35, -46.875))


def test_a_folder_without_a_table_says_what_it_needs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nodules\.csv"):
        finish(read_nodule_set(tmp_path))


def test_a_missing_crop_is_named(folder):
    (folder / "image" / "P-0002_R_2.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match="P-0002_R_2"):
        finish(read_nodule_set(folder))


def test_scores_are_read_from_the_table_alone(folder):
    score = ATTRIBUTES.index("malignancy") % 5 + 1
    for crop in (folder / "image").iterdir():
        crop.write_bytes(b"not looked into")
    assert read_nodule_scores(folder) == (("P-0001", score), ("P-0002", score))


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("Malignancy_value", "Malignancy", "lacks the columns Malignancy_value"),
        (f",{ATTRIBUTES.index('malignancy') % 5 + 1}\n", ",?\n", "P-0001_R_1 must be a number"),
        ("P-0002,", "P-0003,", "P-0003_R_2"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_told_in_words(folder, was, now, message):
    table = folder / "nodules.csv"
    table.write_text(table.read_text().replace(was, now))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_nodule_scores(folder)


def test_only_nodules_of_lidc_idri_are_said_to_be_so(folder):
    assert finish(read_nodule_set(folder)).source != LIDC_SOURCE


def test_ids_that_a_cleaned_table_calls_the_same_are_one_patient(folder):
    decision = Decision("same patient", same_patient_as="P-0001")
    write_cleaned_labels(folder / "nodules.csv", folder, {"P-0002_R_2": decision})
    records = finish(read_nodule_set(folder)).records
    assert [record.patient for record in records] == ["P-0001", "P-0001"]
    assert [record.id for record in records] == ["P-0001_R_1", "P-0002_R_2"]
    assert {patient for patient, _ in read_nodule_scores(folder)} == {"P-0001"}


def test_who_is_the_same_as_the_same_is_the_same():
    said = [("C", "B"), ("D", ""), ("B", "A"), ("A", ""), ("E", "F"), ("G", "F")]
    owners = _owners([{"patient_id": a, "same_patient_as": b} for a, b in said])
    assert owners == {"A": "A", "B": "A", "C": "A", "D": "D", "E": "E", "F": "E", "G": "E"}
