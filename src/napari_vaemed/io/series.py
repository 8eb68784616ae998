"""Which DICOM series a folder holds, and which of them is the chest CT to open."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.io.errors import CTError

HEADER_TAGS = [
    "AcquisitionNumber",
    "BitsStored",
    "BodyPartExamined",
    "Columns",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "ImageType",
    "InstanceNumber",
    "Modality",
    "NumberOfFrames",
    "PatientID",
    "PixelPaddingValue",
    "PixelRepresentation",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SeriesDescription",
    "SeriesInstanceUID",
    "SliceThickness",
]
NO_PREAMBLE = (b"\x08\x00", b"\x02\x00")
"""First group of a DICOM file written without its 128-byte preamble, little endian."""


@dataclass(frozen=True)
class Slice:
    """The header of one image file.

    Parameters
    ----------
    path : Path
    orientation : six floats
        Direction of growing column index, then of growing row index, in patient LPS.
    position : (x, y, z)
        LPS mm of the first pixel's centre.
    pixel_spacing : (row step, column step)
        Millimetres, in DICOM's order.
    slope, intercept : float
        Stored value → HU.
    padding : int or None
        Stored value outside the field of view, when the file names one.
    """

    path: Path
    series_uid: str
    modality: str
    description: str
    body_part: str
    patient: str
    localizer: bool
    shape: tuple[int, int]
    frames: int
    orientation: tuple[float, ...]
    position: tuple[float, float, float] | None
    pixel_spacing: tuple[float, float] | None
    thickness: float | None
    slope: float
    intercept: float
    padding: int | None
    acquisition: int
    instance: int


@dataclass(frozen=True)
class Series:
    """Images of one series with one orientation, size and pixel spacing, as found."""

    slices: tuple[Slice, ...]

    @property
    def first(self) -> Slice:
        """Any one slice, for what all share."""
        return self.slices[0]

    @property
    def voxels(self) -> int:
        """Number of pixels over all slices."""
        rows, columns = self.first.shape
        return rows * columns * sum(s.frames for s in self.slices)

    def words(self) -> str:
        """Modality, description and number of slices: no names, no dates."""
        name = f" “{self.first.description}”" if self.first.description else ""
        kind = "scout" if self.first.localizer else "slices"
        return f"{self.first.modality or 'unnamed modality'}{name}, {len(self.slices)} {kind}"


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders in a fixed order, hidden ones left out."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(here) / name


def looks_like_dicom(path: Path) -> bool:
    """Whether the first bytes are DICOM's; costs one small read."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return head[128:132] == b"DICM" or (
        head[:2] in NO_PREAMBLE and head[3:4] == b"\x00" and len(head) == 132
    )


def holds_dicom(folder: Path, most: int = 64) -> bool:
    """Whether one of the first ``most`` files in the folder looks like DICOM."""
    for count, path in enumerate(files_below(folder)):
        if count >= most:
            return False
        if looks_like_dicom(path):
            return True
    return False


def find_series(folder: Path) -> Work[tuple[Series, ...]]:
    """Read the headers of all DICOM images below a folder and group them.

    Files are grouped by series UID, image size, orientation, pixel spacing and by being a
    scout, so one `Series` is always one stack. Other files are passed over.

    Raises
    ------
    CTError
        Nothing below the folder is a DICOM image.
    """
    paths = list(files_below(folder))
    groups: dict[tuple[Any, ...], list[Slice]] = defaultdict(list)
    for count, path in enumerate(paths):
        if count % 16 == 0:
            yield Progress("Reading headers", count, len(paths))
        header = read_header(path)
        if header is not None:
            groups[_stack_key(header)].append(header)
    if not groups:
        raise CTError(
            f"Wanted a folder with DICOM images; none of the {len(paths)} files in "
            f"{folder.name!r} is one. Choose the folder of the scan, or open a "
            ".nii.gz, .nrrd or .mha file."
        )
    return tuple(Series(tuple(group)) for group in groups.values())


def read_header(path: Path) -> Slice | None:
    """The header of an image file; None for anything that is no DICOM image."""
    if not looks_like_dicom(path):
        return None
    try:
        header = pydicom.dcmread(
            path, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=True
        )
        if not header.get("Rows") or not header.get("Columns"):
            return None
        return _slice_of(path, header)
    except Exception:
        # pydicom raises many kinds on damaged bytes; the gap such a file leaves is reported
        return None


def choose_ct(series: tuple[Series, ...], series_uid: str | None = None) -> Series:
    """The CT series with the most voxels, or the one asked for; scouts only if nothing else.

    Raises
    ------
    CTError
        There is no CT, or not the one asked for.
    """
    wanted = [s for s in series if series_uid in (None, s.first.series_uid)]
    ct = [s for s in wanted if s.first.modality == "CT" and s.first.position is not None]
    if not ct:
        found = "; ".join(s.words() for s in wanted) or "nothing of that series"
        raise CTError(
            f"Wanted a CT with patient positions; the folder holds {found}. "
            "Choose a CT series (Modality CT, slices with ImagePositionPatient)."
        )
    return max(ct, key=lambda s: (not s.first.localizer, s.voxels, s.first.series_uid))


def _stack_key(header: Slice) -> tuple[Any, ...]:
    return (
        header.series_uid,
        header.modality,
        header.localizer,
        header.shape,
        header.position is None,
        tuple(round(c, 3) + 0.0 for c in header.orientation),
        header.pixel_spacing and tuple(round(p, 4) for p in header.pixel_spacing),
    )


def _slice_of(path: Path, header: pydicom.Dataset) -> Slice:
    position = _floats(header, "ImagePositionPatient", 3)
    spacing = _floats(header, "PixelSpacing", 2)
    thickness = _floats(header, "SliceThickness", 1)
    return Slice(
        path=path,
        series_uid=_series_uid(header),
        modality=str(header.get("Modality", "")).strip().upper(),
        description=str(header.get("SeriesDescription") or "").strip(),
        body_part=str(header.get("BodyPartExamined") or "").strip(),
        patient=str(header.get("PatientID") or ""),
        localizer="LOCALIZER" in (header.get("ImageType") or ()),
        shape=(int(header.Rows), int(header.Columns)),
        frames=int(header.get("NumberOfFrames") or 1),
        orientation=_floats(header, "ImageOrientationPatient", 6) or (),
        position=(position[0], position[1], position[2]) if position else None,
        pixel_spacing=(spacing[0], spacing[1]) if spacing else None,
        thickness=thickness[0] if thickness else None,
        slope=float(header.get("RescaleSlope") or 1),
        intercept=float(header.get("RescaleIntercept") or 0),
        padding=_padding(header),
        acquisition=int(header.get("AcquisitionNumber") or 0),
        instance=int(header.get("InstanceNumber") or 0),
    )


def _series_uid(header: pydicom.Dataset) -> str:
    """The UID as stored: anonymisers write ill-formed ones, which pydicom warns about."""
    if "SeriesInstanceUID" not in header:
        return ""
    value = header.get_item("SeriesInstanceUID").value
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip("\0 ")


def _padding(header: pydicom.Dataset) -> int | None:
    """Pixel padding as a stored value; its tag is often typed unsigned for signed pixels."""
    value = header.get("PixelPaddingValue")
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], "little")
    signed = int(header.get("PixelRepresentation") or 0) == 1
    return int(value) - 65536 if signed and int(value) > 32767 else int(value)


def _floats(header: pydicom.Dataset, tag: str, count: int) -> tuple[float, ...] | None:
    value = header.get(tag)
    if value is None or value == "":
        return None
    numbers = tuple(float(v) for v in (value if count > 1 else [value]))
    return numbers if len(numbers) == count else None
