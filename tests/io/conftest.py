"""Small scans written as real DICOM bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

PATIENT = "Murnau^Friedrich"


@pytest.fixture(scope="session")
def hu():
    """Voxels (z, y, x), every one another value along its line, and no axis like the other."""
    z, y, x = np.indices((9, 14, 11))
    values = -900 + 150 * z + 17 * y + 3 * x + np.random.default_rng(3).integers(0, 3, z.shape)
    return values.astype(np.int16)


@pytest.fixture
def write_series() -> Callable[..., list[Path]]:
    return _write_series


def _write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    spacing: tuple[float, float, float] = (2.5, 0.8, 0.7),
    origin: tuple[float, float, float] = (-40.0, 30.5, -120.0),
    direction: np.ndarray | None = None,
    slope: float | list[float] = 1.0,
    intercept: float | list[float] = -1024.0,
    leave_out: tuple[int, ...] = (),
    shift: Callable[[int], np.ndarray] = lambda _: np.zeros(3),
    name: Callable[[int], str] = lambda k: f"IM{(k * 7) % 101:04d}.dcm",
    syntax: str | None = None,
    uid: str | None = None,
    **tags: object,
) -> list[Path]:
    """Write (n, rows, columns) HU as CT slices; direction's columns are column, row, normal."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = np.eye(3) if direction is None else np.asarray(direction, float)
    slopes, intercepts = (np.broadcast_to(v, len(hu)) for v in (slope, intercept))
    series = uid or generate_uid()
    written = []
    for k in range(len(hu)):
        if k in leave_out:
            continue
        stored = np.rint((hu[k] - intercepts[k]) / slopes[k])
        file = _slice(stored, tags)
        file.SeriesInstanceUID = series
        file.RescaleSlope, file.RescaleIntercept = float(slopes[k]), float(intercepts[k])
        file.ImageOrientationPatient = [round(float(c), 12) for c in axes[:, :2].T.ravel()]
        place = np.array(origin) + axes[:, 2] * k * spacing[0] + shift(k)
        file.ImagePositionPatient = [round(float(c), 8) for c in place]
        file.PixelSpacing, file.SliceThickness = list(spacing[1:]), spacing[0]
        file.InstanceNumber = 1000 - 13 * k  # of no use for ordering, on purpose
        for tag, value in tags.items():
            setattr(file, tag, value)
        path = folder / name(k)
        if syntax == RLELossless:
            file.compress(RLELossless)
        file.save_as(path, enforce_file_format=True)
        if syntax not in (None, RLELossless):
            _recompress(path, str(syntax))
        written.append(path)
    return written


def _slice(stored: np.ndarray, tags: dict[str, object]) -> FileDataset:
    kind = MRImageStorage if tags.get("Modality") == "MR" else CTImageStorage
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.PatientID, file.PatientBirthDate = PATIENT, "case-17", "18881228"
    file.Modality, file.SeriesDescription, file.BodyPartExamined = "CT", "Thorax 2.5", "CHEST"
    file.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    file.Rows, file.Columns = stored.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
    signed = stored.min() < 0
    file.PixelRepresentation = int(signed)
    file.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
    return file


def _recompress(path: Path, syntax: str) -> None:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
