"""Nothing that leaves the program, or stands on the screen, names the patient."""

from __future__ import annotations

import gzip
import os
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_vaemed.cli.command import main
from napari_vaemed.plugin.preferences import preferences

SECRETS = ("murnau", "friedrich", "18881228", "acc-4711")
HU = np.random.default_rng(1).integers(-1000, 400, (6, 30, 40)).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    """A CT whose headers, file names and folders are full of its patient's name."""
    folder = tmp_path / "Murnau_Friedrich" / "18881228"
    folder.mkdir(parents=True)
    series, study, frame = (generate_uid() for _ in range(3))
    for k, plane in enumerate(HU):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        file.StudyInstanceUID, file.SeriesInstanceUID = study, series
        file.FrameOfReferenceUID, file.Modality, file.BodyPartExamined = frame, "CT", "CHEST"
        file.PatientName, file.PatientID = "Murnau^Friedrich", "MURNAU-1888"
        file.PatientBirthDate, file.AccessionNumber = "18881228", "ACC-4711"
        file.SeriesDescription, file.StudyDescription = "Thorax Murnau", "Friedrich Murnau"
        file.Rows, file.Columns = plane.shape
        file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        file.ImagePositionPatient = [-40, 30, -120 + 2.5 * k]
        file.PixelSpacing, file.SliceThickness = [0.8, 0.7], 2.5
        file.RescaleSlope, file.RescaleIntercept = 1, 0
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
        file.PixelRepresentation, file.PixelData = 1, plane.tobytes()
        pydicom.dcmwrite(folder / f"Murnau{k}.dcm", file, enforce_file_format=True)
    return folder


def told(thing):
    """All text in a value, whatever it is made of."""
    if isinstance(thing, dict):
        return " ".join(f"{key} {told(value)}" for key, value in thing.items())
    if isinstance(thing, list | tuple):
        return " ".join(told(part) for part in thing)
    if is_dataclass(thing):
        shown = [f for f in fields(thing) if f.repr]
        return repr(thing) + " ".join(f"{f.name} {told(getattr(thing, f.name))}" for f in shown)
    return "" if isinstance(thing, np.ndarray) else str(thing)


def assert_discreet(text, where):
    lowered = text.lower()
    assert not [secret for secret in SECRETS if secret in lowered], where


def written(path):
    data = Path(path).read_bytes()
    return (gzip.decompress(data) if path.endswith(".gz") else data).decode("latin-1")


def test_no_layer_title_setting_or_export_names_the_patient(window, folder, tmp_path):
    from napari.settings import get_settings

    (ct,) = window.viewer.open(folder, plugin="napari-vaemed")
    labels = window.viewer.add_labels(
        (HU > 200).astype(np.uint8), scale=ct.scale, translate=ct.translate, name="Murnau's mask"
    )
    points = window.viewer.add_points([[1, 2, 3]], scale=ct.scale, translate=ct.translate)
    out = tmp_path / "out"
    out.mkdir()
    exports = [
        labels.save(str(out / f"m{suffix}"), plugin="napari-vaemed")[0]
        for suffix in (".nii.gz", ".nii", ".nrrd", ".mha", ".dcm")
    ]
    exports += ct.save(str(out / "ct.nii.gz"), plugin="napari-vaemed")
    exports += points.save(str(out / "p.csv"), plugin="napari-vaemed")
    for path in exports:
        assert_discreet(written(path), path)
    (out / "m.dcm").rename(folder / "Murnau.dcm")
    opened = window.viewer.open(folder / "Murnau.dcm", plugin="napari-vaemed")
    for layer in (ct, *opened):
        assert_discreet(layer.name, "name")
        assert_discreet(told(layer.metadata), "metadata")
        assert_discreet(str(layer.source.path), "source")
        assert_discreet(str(layer.features) if hasattr(layer, "features") else "", "features")
    assert_discreet(window.viewer.title + window.viewer.window._qt_window.windowTitle(), "title")
    assert_discreet(told(list(window.messages.values())), "messages")
    get_settings().save()
    settings = Path(os.environ["NAPARI_CONFIG"])
    assert_discreet(settings.read_text() if settings.exists() else "", "settings")


def test_info_names_nobody(folder, capsys):
    for options in ([], ["--json"]):
        assert main(["info", str(folder), *options]) == 0
        said = capsys.readouterr()
        assert_discreet(said.out + said.err, options)


def test_info_says_whose_it_is_when_asked(folder, capsys):
    assert main(["info", str(folder), "--identify"]) == 0
    said = capsys.readouterr().out
    assert "Murnau^Friedrich" in said
    assert "ACC-4711" in said


def test_identity_is_kept_only_when_the_user_says_so(window, folder, tmp_path, monkeypatch):
    from napari.settings import get_plugin_settings

    (ct,) = window.viewer.open(folder, plugin="napari-vaemed")
    labels = window.viewer.add_labels(
        (HU > 200).astype(np.uint8), scale=ct.scale, translate=ct.translate
    )
    assert preferences().keep_identity is False
    chosen = get_plugin_settings("napari-vaemed").examination
    monkeypatch.setattr(chosen, "keep_identity", True)
    (path,) = labels.save(str(tmp_path / "m.dcm"), plugin="napari-vaemed")
    kept = pydicom.dcmread(path)
    assert kept.PatientName == "Murnau^Friedrich"
    assert (kept.PatientBirthDate, kept.AccessionNumber) == ("18881228", "ACC-4711")
