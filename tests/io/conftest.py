"""Small scans written as real DICOM bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

PATIENT = "Murnau^Friedrich"
STUDY, FRAME_OF_REFERENCE = generate_uid(), generate_uid()
ORIGIN, SPACING = (-40.0, 30.5, -120.0), (2.5, 0.8, 0.7)
UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
HU_PER_MM = 100.0
"""Of the ramp: one HU is 0.01 mm."""


@pytest.fixture(scope="session")
def hu():
    """Voxels (z, y, x), every one another value along its line, and no axis like the other."""
    z, y, x = np.indices((9, 14, 11))
    values = -900 + 150 * z + 17 * y + 3 * x + np.random.default_rng(3).integers(0, 3, z.shape)
    return values.astype(np.int16)


@pytest.fixture
def write_series() -> Callable[..., list[Path]]:
    return _write_series


@pytest.fixture
def write_enhanced() -> Callable[..., Path]:
    return _write_enhanced


@pytest.fixture(scope="session")
def ramp() -> Callable[[np.ndarray], np.ndarray]:
    """HU at patient positions (..., 3): every voxel's value tells where it was measured."""
    return _ramp


@pytest.fixture(scope="session")
def ramp_slices() -> Callable[..., np.ndarray]:
    """The ramp on slices as `write_series` will place them."""
    return _ramp_slices


def _ramp(world: np.ndarray) -> np.ndarray:
    return HU_PER_MM * ((np.asarray(world) - ORIGIN) @ (1.0, 0.9, 0.8)) + 2500


def _ramp_slices(
    shape: tuple[int, int, int] = (9, 14, 11),
    *,
    spacing: tuple[float, float, float] = SPACING,
    direction: np.ndarray | None = None,
    shift: Callable[[int], np.ndarray] = lambda _: np.zeros(3),
) -> np.ndarray:
    axes = np.eye(3) if direction is None else np.asarray(direction, float)
    k, r, c = np.indices(shape)
    steps = np.stack([c * spacing[2], r * spacing[1], k * spacing[0]], axis=-1)
    moved = np.stack([shift(n) for n in range(shape[0])])
    world = np.array(ORIGIN) + steps @ axes.T + moved[:, None, None, :]
    return np.rint(_ramp(world)).astype(np.int16)


def _write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    spacing: tuple[float, float, float] = SPACING,
    origin: tuple[float, float, float] = ORIGIN,
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
        _save(file, path, syntax)
        written.append(path)
    return written


def _write_enhanced(
    path: Path,
    hu: np.ndarray,
    *,
    spacing: tuple[float, float, float] = SPACING,
    origin: tuple[float, float, float] = ORIGIN,
    direction: np.ndarray | None = None,
    order: tuple[int, ...] | None = None,
    intercept: float | list[float] = -1024.0,
    syntax: str | None = None,
    **tags: object,
) -> Path:
    """Write (n, rows, columns) HU as one enhanced CT; frames in any order."""
    axes = np.eye(3) if direction is None else np.asarray(direction, float)
    order = tuple(range(len(hu))) if order is None else order
    intercepts = np.broadcast_to(intercept, len(hu))
    stored = np.stack([hu[k] - intercepts[k] for k in order])
    file = _slice(stored[0], tags)
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    file.SeriesInstanceUID, file.NumberOfFrames = generate_uid(), len(order)
    file.PixelData = stored.astype("<i2" if stored.min() < 0 else "<u2").tobytes()
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(spacing[1:]), spacing[0]
    plane.ImageOrientationPatient = [round(float(c), 12) for c in axes[:, :2].T.ravel()]
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    file.SharedFunctionalGroupsSequence = Sequence([shared])
    file.PerFrameFunctionalGroupsSequence = Sequence(
        [_frame_group(np.array(origin) + axes[:, 2] * k * spacing[0], intercepts[k]) for k in order]
    )
    for tag, value in tags.items():
        setattr(file, tag, value)
    _save(file, path, syntax)
    return path


def _frame_group(position: np.ndarray, intercept: float) -> Dataset:
    group, place, values = Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = [round(float(c), 8) for c in position]
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = float(intercept), 1.0, "HU"
    group.PlanePositionSequence = Sequence([place])
    group.PixelValueTransformationSequence = Sequence([values])
    return group


def _save(file: FileDataset, path: Path, syntax: str | None) -> None:
    """Save with a transfer syntax; the encoders belong to the tests only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    syntax = syntax or ExplicitVRLittleEndian
    if syntax == RLELossless:
        file.compress(RLELossless)
    elif syntax not in UNCOMPRESSED:
        kind = np.int16 if file.PixelRepresentation else np.uint16
        frames = np.frombuffer(file.PixelData, kind).reshape(-1, file.Rows, file.Columns)
        file.PixelData = encapsulate([_packed(frame, file, path, syntax) for frame in frames])
        file["PixelData"].VR = "OB"
    file.file_meta.TransferSyntaxUID = syntax
    if syntax != ExplicitVRBigEndian:
        file.save_as(path, enforce_file_format=True)
        return
    file.PixelData = np.frombuffer(file.PixelData, "<u2").astype(">u2").tobytes()
    body = DicomBytesIO()  # pydicom's save_as does not change the byte order
    body.is_little_endian, body.is_implicit_VR = False, False
    write_dataset(body, Dataset(file))
    with path.open("wb") as out:
        out.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(out, file.file_meta)
        out.write(body.getvalue())


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
    file.StudyInstanceUID, file.FrameOfReferenceUID = STUDY, FRAME_OF_REFERENCE
    file.Rows, file.Columns = stored.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
    signed = stored.min() < 0
    file.PixelRepresentation = int(signed)
    file.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
    return file


def _packed(frame: np.ndarray, file: Dataset, beside: Path, syntax: str) -> bytes:
    """One frame compressed: HTJ2K by imagecodecs, all else by gdcm, which needs a file."""
    if syntax == HTJ2KLossless:
        from imagecodecs import htj2k_encode

        return bytes(htj2k_encode(frame, reversible=True))
    import gdcm

    alone = _slice(frame, {})
    alone.BitsStored, alone.HighBit = file.BitsStored, file.HighBit
    alone.PixelRepresentation, alone.PixelData = file.PixelRepresentation, frame.tobytes()
    path = beside.with_suffix(".packing")
    alone.save_as(path, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    packed = pydicom.dcmread(path)
    path.unlink()
    assert packed.file_meta.TransferSyntaxUID == syntax
    return next(generate_frames(packed.PixelData, number_of_frames=1))
