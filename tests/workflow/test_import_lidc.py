"""A LIDC-IDRI download becomes crops, whatever its folders, and however often it is stopped."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from skimage.segmentation import find_boundaries

from napari_vaemed.data.progress import finish
from napari_vaemed.io.lidc_download import find_lidc
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.workflow.import_lidc import import_lidc

TAGS = (
    "subtlety", "internalStructure", "calcification", "sphericity", "margin", "lobulation",
    "spiculation", "texture", "malignancy",
)  # fmt: skip
SHAPE, SPACING, ORIGIN = (9, 96, 90), (2.5, 0.7, 0.7), (-20.0, -10.0, -90.0)
CLASSIC = "LIDC-IDRI/{patient}/1.2.{n}/1.2.{n}.1"
RETRIEVER = "manifest-16/LIDC-IDRI/{patient}/01-01-2000-NA-NA-{n}/3000566.000000-NA-{n}"


def scan_hu(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 300, SHAPE).astype(np.int16)


def write_scan(folder: Path, patient: str, uid: str, hu: np.ndarray, modality: str = "CT") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for k, plane in enumerate(hu):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{uid}.{k + 1}"
        file = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, f"{uid}.{k + 1}"
        file.PatientID, file.PatientName, file.Modality = patient, "Murnau^Friedrich", modality
        file.StudyInstanceUID, file.SeriesInstanceUID = f"{uid}.9", uid
        file.Rows, file.Columns = plane.shape
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated = file.BitsStored = 16
        file.HighBit, file.PixelRepresentation = 15, 1
        file.RescaleSlope, file.RescaleIntercept = 1, 0
        file.PixelSpacing, file.SliceThickness = list(SPACING[1:]), SPACING[0]
        file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        file.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + k * SPACING[0]]
        file.PixelData = plane.astype("<i2").tobytes()
        pydicom.dcmwrite(folder / f"{(k * 4) % 9:06d}.dcm", file, enforce_file_format=True)


def disc(row: int, column: int, radius: float) -> np.ndarray:
    rows, columns = np.indices(SHAPE[1:])
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def mark(row: int, column: int, radius: float, slices: range, scores: tuple[int, ...]) -> str:
    ring = np.argwhere(find_boundaries(disc(row, column, radius), connectivity=1, mode="outer"))
    ring = ring[np.argsort(np.arctan2(*(ring - ring.mean(axis=0)).T))]
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for y, x in ring)
    rois = "".join(
        f"<roi><imageZposition>{ORIGIN[2] + k * SPACING[0]}</imageZposition>"
        f"<inclusion>TRUE</inclusion>{edges}</roi>"
        for k in slices
    )
    said = "".join(f"<{t}>{s}</{t}>" for t, s in zip(TAGS, scores, strict=True))
    return (
        f"<unblindedReadNodule><noduleID>N</noduleID><characteristics>{said}</characteristics>"
        f"{rois}</unblindedReadNodule>"
    )


def write_xml(path: Path, uid: str, *sessions: str, kind: str = "Lidc") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(f"<readingSession>{marks}</readingSession>" for marks in sessions)
    path.write_text(
        f'<?xml version="1.0"?><{kind}ReadMessage xmlns="http://www.nih.gov"><ResponseHeader>'
        f"<SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader>{body}</{kind}ReadMessage>"
    )


SCORES = ((5, 1, 6, 3, 3, 1, 1, 5, 5), (4, 1, 6, 4, 3, 2, 1, 5, 4),
          (5, 1, 6, 3, 2, 2, 1, 5, 3), (4, 1, 6, 4, 2, 1, 1, 5, 2))  # fmt: skip
RADII = (5, 6, 7, 8)


@pytest.fixture(scope="module")
def download(tmp_path_factory) -> Path:
    """Five patients: a nodule of four readers, one of three and one of two, and three oddities."""
    root = tmp_path_factory.mktemp("tcia")
    four = [mark(40, 45, r, range(2, 7), s) for r, s in zip(RADII, SCORES, strict=True)]
    folder = root / CLASSIC.format(patient="LIDC-IDRI-0900", n=900)
    write_scan(folder, "LIDC-IDRI-0900", "1.2.900.1", scan_hu(0))
    write_xml(folder / "068.xml", "1.2.900.1", *four)
    write_scan(folder.parent / "1.2.900.2", "LIDC-IDRI-0900", "1.2.900.2", scan_hu(9)[:1], "DX")

    both = mark(20, 20, 4, range(3, 5), SCORES[0])
    three = [mark(70, 70, 6, range(1, 3), s) for s in SCORES[:3]]
    folder = root / RETRIEVER.format(patient="LIDC-IDRI-0901", n=901)
    write_scan(folder, "LIDC-IDRI-0901", "1.2.901.1", scan_hu(1))
    write_xml(root / "xml" / "157" / "158.xml", "1.2.901.1", three[0] + both, three[1] + both,
              three[2], "")  # fmt: skip

    write_scan(root / "flat", "LIDC-IDRI-0902", "1.2.902.1", scan_hu(2))
    write_scan(root / "odd", "LIDC-IDRI-0903", "1.2.903.1", scan_hu(3))
    write_xml(root / "odd" / "1.xml", "1.2.903.1", mark(40, 40, 5, range(40, 42), SCORES[0]))
    write_scan(root / "empty", "LIDC-IDRI-0904", "1.2.904.1", scan_hu(4))
    write_xml(root / "empty" / "1.xml", "1.2.904.1", "", "", "", "")
    write_xml(root / "xml" / "157" / "999.xml", "1.2.999.1", *four)
    write_xml(root / "xml" / "cxr.xml", "1.2.998.1", *four, kind="Idri")
    return root


@pytest.fixture(scope="module")
def folder(download, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made") / "nodules"
    finish(import_lidc(download, out))
    return out


def read(path: Path) -> sitk.Image:
    return sitk.ReadImage(str(path))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_layout_is_found_and_paired_by_series(download):
    found = finish(find_lidc(download))
    assert [(s.patient, s.reading and s.reading.name) for s in found.scans] == [
        ("LIDC-IDRI-0900", "068.xml"),
        ("LIDC-IDRI-0901", "158.xml"),
        ("LIDC-IDRI-0902", None),
        ("LIDC-IDRI-0903", "1.xml"),
        ("LIDC-IDRI-0904", "1.xml"),
    ]
    assert found.readings_alone == ("999.xml",)


def test_series_mixed_in_one_folder_are_told_apart(tmp_path):
    for n in (1, 2):
        write_scan(tmp_path / str(n), f"P{n}", f"1.2.{n}", scan_hu(n)[:3])
        for file in (tmp_path / str(n)).iterdir():
            file.rename(tmp_path / f"{n}-{file.name}")
    found = finish(find_lidc(tmp_path))
    assert [(s.patient, s.folder) for s in found.scans] == [("P1", tmp_path), ("P2", tmp_path)]


def test_crops_hold_the_scan_s_voxels_at_their_place(folder):
    image = read(folder / "image" / "LIDC-IDRI-0900_R_1.nii.gz")
    # 17 pixels wide: (44 - 17) // 2 = 13 on each side; 5 slices: 15 % of them is none
    assert image.GetSize() == (43, 43, 5)
    x, y, z = 45 - 8 - 13, 40 - 8 - 13, 2
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(image), scan_hu(0)[z : z + 5, y : y + 43, x : x + 43]
    )
    corner = (ORIGIN[0] + 0.7 * x, ORIGIN[1] + 0.7 * y, ORIGIN[2] + 2.5 * z)
    np.testing.assert_allclose(image.GetOrigin(), corner, atol=1e-4)
    np.testing.assert_allclose(image.GetSpacing(), (0.7, 0.7, 2.5), atol=1e-6)


def test_voxels_count_the_readers_who_include_them(folder):
    counts = sum(disc(21, 21, r)[:43, :43].astype(int) for r in RADII)
    expected = np.stack([counts] * 5)
    for kind, truth in (("readers", expected), ("mask", expected > 0)):
        made = sitk.GetArrayFromImage(read(folder / kind / "LIDC-IDRI-0900_R_1.nii.gz"))
        np.testing.assert_array_equal(made, truth)


def test_the_table_holds_the_majority(folder):
    row, three = rows_of(folder / "nodules.csv")
    # ties go to the lower score; two of four call it malignant
    assert [int(row[f"{t[0].upper()}{t[1:]}_value"]) for t in TAGS] == [4, 1, 6, 3, 2, 1, 1, 5, 2]
    assert row["Diagnosis_value"] == "1"
    voxels = 5 * int(disc(40, 45, 7).sum())
    diameter = (6 / np.pi * voxels * 2.5 * 0.7 * 0.7) ** (1 / 3)
    assert float(row["diameter_mm"]) == pytest.approx(diameter, abs=1e-3)
    centre = [float(row[f"coord{axis}"]) for axis in "XYZ"]
    assert centre == pytest.approx([-20 + 45 * 0.7, -10 + 40 * 0.7, -90 + 4 * 2.5], abs=1e-3)
    assert (three["patient_id"], three["nodule_id"]) == ("LIDC-IDRI-0901", "1")
    assert [tuple(r.values()) for r in rows_of(folder / "readers.csv")] == [
        ("LIDC-IDRI-0900_R_1", "4", str(voxels), str(5 * int(disc(40, 45, 8).sum()))),
        ("LIDC-IDRI-0901_R_1", "3", *[str(2 * int(disc(40, 45, 6).sum()))] * 2),
    ]


def test_what_was_made_is_read_as_a_nodule_set(folder):
    nodules = finish(read_nodule_set(folder))
    assert [r.id for r in nodules.records] == ["LIDC-IDRI-0900_R_1", "LIDC-IDRI-0901_R_1"]
    assert nodules.majorities[0].sum() == 5 * disc(40, 45, 7).sum()
    assert nodules.records[0].malignancy == 2


def test_no_scan_is_lost_and_nobody_is_named(folder):
    told = [tuple(r.values())[::2] for r in rows_of(folder / "scans.csv")]
    assert [(patient, outcome, n) for patient, outcome, n, *_ in told] == [
        ("LIDC-IDRI-0900", "done", "1"),
        ("LIDC-IDRI-0901", "done", "1"),
        ("LIDC-IDRI-0902", "no reading", "0"),
        ("LIDC-IDRI-0903", "not read", "0"),
        ("LIDC-IDRI-0904", "done", "0"),
    ]
    assert "no slice" in rows_of(folder / "scans.csv")[3]["remark"]
    assert all(b"Murnau" not in file.read_bytes() for file in folder.rglob("*.*"))


def test_a_margin_in_millimetres_reaches_as_far_on_every_side(download, tmp_path):
    finish(import_lidc(download, tmp_path / "made", least_readers=4, margin_mm=5.0))
    assert len(rows_of(tmp_path / "made" / "nodules.csv")) == 1
    image = read(tmp_path / "made" / "image" / "LIDC-IDRI-0900_R_1.nii.gz")
    assert image.GetSize() == (17 + 2 * 8, 17 + 2 * 8, 5 + 2 * 2)


def test_another_way_of_filling_a_folder_is_refused(download, folder, tmp_path):
    with pytest.raises(ValueError, match="Go on with the same"):
        finish(import_lidc(download, folder, least_readers=2))
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match="holds other things"):
        finish(import_lidc(download, tmp_path))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


DIES = """
import os, signal, sys
from pathlib import Path
from napari_vaemed.workflow.import_lidc import import_lidc
for number, step in enumerate(import_lidc(Path(sys.argv[1]), Path(sys.argv[2]))):
    if step.doing.startswith("Cutting") and step.done == 1:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_ends_with_the_same_folder(download, folder, tmp_path):
    out = tmp_path / "nodules"
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(download), str(out)], env={**os.environ}, check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert len(rows_of(out / "scans.csv")) == 1
    (out / "mask" / f".{'0' * 32}.nii.gz").write_bytes(b"torn")  # killed while writing a mask
    (out / "image" / "LIDC-IDRI-0901_R_7.nii.gz").write_bytes(b"of a patient not finished")
    done = finish(import_lidc(download, out))
    assert done.complete_before == 1
    assert contents(out) == contents(folder)


def test_a_finished_folder_is_not_touched_again(download, folder):
    before = {f: f.stat().st_mtime_ns for f in folder.rglob("*.nii.gz")}
    done = finish(import_lidc(download, folder))
    assert (done.complete_before, done.nodules) == (4, 2)
    assert {f: f.stat().st_mtime_ns for f in folder.rglob("*.nii.gz")} == before


def test_a_patient_is_done_anew_when_another_scan_or_reading_has_come(tmp_path):
    download, out = tmp_path / "download", tmp_path / "nodules"
    marks = [mark(40, 45, 5, range(2, 5), scores) for scores in SCORES[:3]]
    for n in (1, 2):
        write_scan(download / str(n), "P", f"1.2.{n}", scan_hu(n))
        finish(import_lidc(download, out))
        write_xml(download / str(n) / "a.xml", f"1.2.{n}", *marks)
        done = finish(import_lidc(download, out))
        assert (done.nodules, done.complete_before) == (n, 0)
    assert [(r["nodule_id"], r["seriesuid"]) for r in rows_of(out / "nodules.csv")] == [
        ("1", "1.2.1"), ("2", "1.2.2")
    ]  # fmt: skip
    assert len(rows_of(out / "scans.csv")) == 2


def test_our_crop_of_the_published_scan_is_the_published_crop(real_data, tmp_path):
    finish(import_lidc(real_data / "lidc_scans", tmp_path / "made"))
    name = "LIDC-IDRI-0001_R_1.nii.gz"
    for kind in ("image", "mask", "readers"):
        ours, theirs = (
            read(f / kind / name) for f in (tmp_path / "made", real_data / "lidc_nodules")
        )
        np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (ours, theirs)))
        np.testing.assert_allclose(ours.GetOrigin(), theirs.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(ours.GetSpacing(), theirs.GetSpacing(), atol=1e-5)
    made, published = (
        next(r for r in rows_of(f / "nodules.csv") if r["patient_id"] == "LIDC-IDRI-0001")
        for f in (tmp_path / "made", real_data / "lidc_nodules")
    )
    told = [c for c in made if c.endswith("_value")]
    assert [made[c] for c in told] == [published[c] for c in told]
    assert rows_of(tmp_path / "made" / "readers.csv") == [
        r
        for r in rows_of(real_data / "lidc_nodules" / "readers.csv")
        if r["id"] + ".nii.gz" == name
    ]
