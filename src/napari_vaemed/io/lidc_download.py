"""Which scans and readings a download of LIDC-IDRI holds, in whatever folders they lie."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.headers import Slice, read_headers
from napari_vaemed.io.sources import Source, files_below

SERIES_IN_XML = re.compile(rb"<SeriesInstanceUid>\s*([\d.]+)\s*<", re.IGNORECASE)
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class LidcScan:
    """One CT series of a download.

    Parameters
    ----------
    patient : str
        The patient's published identifier, for example ``"LIDC-IDRI-0001"``.
    series_uid : str
    folder : Path
        The deepest folder that holds all of its slices.
    reading : Path or None
        The XML of its readers; None when there is none in the download.
    """

    patient: str
    series_uid: str
    folder: Path
    reading: Path | None


@dataclass(frozen=True)
class LidcDownload:
    """What a download holds.

    Parameters
    ----------
    scans : tuple of LidcScan
        By patient, then by series.
    readings_alone : tuple of str
        Names of CT readings whose scan is not there.
    """

    scans: tuple[LidcScan, ...]
    readings_alone: tuple[str, ...]


def find_lidc(download: Path) -> Work[LidcDownload]:
    """Find the CT series and their readings.

    Folders may be nested and called as they like, and readings may lie beside the slices or
    elsewhere: a reading belongs to the series whose UID it names. Of a folder whose first and
    last file are of one series, all files are taken to be; of any other every header is read.
    Readings of chest radiographs are passed over.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    CTError
        There is no CT series in it.
    """
    if not download.is_dir():
        raise FileNotFoundError(
            f"There is no folder {download}. Give the folder that TCIA's download was saved to."
        )
    readings: dict[str, Path] = {}
    folders: dict[tuple[str, str], set[Path]] = defaultdict(set)
    for number, (folder, files) in enumerate(groupby(files_below(download), lambda f: f.parent)):
        yield Progress(f"Looking through folder {number + 1} of the download")
        images = []
        for file in files:
            if file.suffix.lower() != ".xml":
                images.append(file)
            elif uid := _series_read_in(file):
                readings.setdefault(uid, file)
        for header in _one_a_series(images):
            folders[header.patient, header.series_uid].add(folder)
    if not folders:
        raise CTError(
            f"No CT series lies in {download.name!r} or below it. Give the folder that holds the "
            "patients' folders, with the DICOM files and the readers' XML."
        )
    scans = tuple(
        LidcScan(
            NOT_IN_A_NAME.sub("-", patient) or "unnamed",
            uid,
            Path(os.path.commonpath(places)),
            readings.get(uid),
        )
        for (patient, uid), places in folders.items()
    )
    there = {scan.series_uid for scan in scans}
    alone = tuple(sorted(file.name for uid, file in readings.items() if uid not in there))
    return LidcDownload(tuple(sorted(scans, key=lambda s: (s.patient, s.series_uid))), alone)


def _one_a_series(files: list[Path]) -> Iterator[Slice]:
    """The header of one CT slice of each series among these files of a folder."""
    ends = [_header(file) for file in files[:: max(1, len(files) - 1)]]
    first, last = (ends[0], ends[-1]) if ends else (None, None)
    if first and last and first.series_uid == last.series_uid:
        found = {first.series_uid: first}
    else:
        headers = filter(None, map(_header, files))
        found = {header.series_uid: header for header in headers}
    yield from (header for header in found.values() if header.modality == "CT")


def _header(file: Path) -> Slice | None:
    try:
        headers = read_headers(Source(file))
    except (ValueError, OSError):
        return None
    return headers[0] if headers else None


def _series_read_in(file: Path) -> str:
    """The CT series that a reading is about; empty when the file is none."""
    try:
        with file.open("rb") as stream:
            begin = stream.read(8192)
    except OSError:
        return ""
    named = SERIES_IN_XML.search(begin)
    return named[1].decode() if named and b"LidcReadMessage" in begin else ""
