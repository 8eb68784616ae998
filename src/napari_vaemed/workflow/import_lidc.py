"""A download of LIDC-IDRI made into a folder of labelled nodule crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from pathlib import Path

import numpy as np

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.nodule_crop import NoduleCrop, majority_of
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.rating_votes import called_malignant, majority_ratings
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.lidc import (
    MatchedNodule,
    ReaderNodule,
    match_readers,
    read_lidc_xml,
    reader_mask,
)
from napari_vaemed.io.lidc_download import LidcScan, find_lidc
from napari_vaemed.io.nodule_folder import open_nodule_folder, write_patient
from napari_vaemed.preprocessing.nodule_crop import crop_box, cut_out

LEAST_READERS = 3
"""How many readers must have marked a nodule for it to be kept, as in the published crops."""

DONE, NO_READING, NOT_READ = "done", "no reading", "not read"


@dataclass(frozen=True)
class ImportedScan:
    """What became of one scan of the download.

    Parameters
    ----------
    patient_id, seriesuid : str
    outcome : {"done", "no reading", "not read"}
    places_marked : int
        Places that at least one reader took for a nodule of 3 mm or more.
    nodules : int
        Those of them that were kept.
    remark : str
        What was left out, or why the scan could not be read.
    """

    patient_id: str
    seriesuid: str
    outcome: str
    places_marked: int = 0
    nodules: int = 0
    remark: str = ""


@dataclass(frozen=True)
class LidcImport:
    """What a folder of nodules was made of.

    Parameters
    ----------
    scans : tuple of ImportedScan
        All of the download, by patient.
    complete_before : int
        Patients that were complete before.
    readings_alone : tuple of str
        Names of readings whose scan is not in the download.
    """

    scans: tuple[ImportedScan, ...]
    complete_before: int
    readings_alone: tuple[str, ...]

    @property
    def nodules(self) -> int:
        """How many were kept."""
        return sum(scan.nodules for scan in self.scans)


def import_lidc(
    download: Path,
    folder: Path,
    *,
    least_readers: int = LEAST_READERS,
    margin_mm: float | None = None,
) -> Work[LidcImport]:
    """Cut the nodules of a LIDC-IDRI download (DICOM and XML) out of their scans.

    Writes ``image/ID.nii.gz`` (HU), ``mask/ID.nii.gz`` (the readers' union), ``readers/ID.nii.gz``
    (how many readers include each voxel), ``nodules.csv``, ``readers.csv`` and ``scans.csv``
    (what became of every scan), a patient at a time. Stopped at any moment and called again it
    goes on, and ends with the same files; patients that could not be read are tried again.

    Parameters
    ----------
    download : Path
        Folders as they like; see `find_lidc`.
    folder : Path
        To be made, or filled by the same call before.
    least_readers : int
        How many of the up to four readers must have marked a nodule of 3 mm or more.
    margin_mm : float or None
        Room around the union; None cuts as the published crops were (see `crop_box`).

    Raises
    ------
    FileNotFoundError
    CTError
        The download holds no CT.
    ValueError
        The folder was filled in another way.
    """
    if least_readers < 1 or (margin_mm is not None and margin_mm < 0):
        raise ValueError(
            f"At least one reader and a margin of 0 mm or more are needed; got {least_readers} "
            f"and {margin_mm}."
        )
    how = {"layout": 1, "least_readers": least_readers, "margin_mm": margin_mm}
    found = yield from find_lidc(download)
    known: dict[str, list[ImportedScan]] = {}
    for row in open_nodule_folder(folder, how):
        known.setdefault(row["patient_id"], []).append(_scan_of(row))
    patients = [(p, list(scans)) for p, scans in groupby(found.scans, lambda scan: scan.patient)]
    told: list[ImportedScan] = []
    complete_before = 0
    for number, (patient, scans) in enumerate(patients):
        yield Progress("Cutting nodules, patient", number, len(patients))
        if _complete(scans, known.get(patient, [])):
            told += known[patient]
            complete_before += 1
            continue
        crops, lines = yield from _cut_patient(scans, least_readers, margin_mm)
        write_patient(folder, patient, crops, [vars(line) for line in lines])
        told += lines
    return LidcImport(tuple(told), complete_before, found.readings_alone)


def cut_nodules(
    volume: Volume,
    marks: Sequence[ReaderNodule],
    *,
    patient: str,
    least_readers: int = LEAST_READERS,
    margin_mm: float | None = None,
    first_number: int = 1,
) -> tuple[list[NoduleCrop], int]:
    """Cut the nodules that enough readers marked; and how many places were marked in all.

    They are numbered from ``first_number``, the most agreed and then the largest first.

    What is one nodule is decided by `match_readers`: outlines that share a voxel. Of a reader with
    two marks on one nodule both outlines count, and the first one's ratings.

    Raises
    ------
    CTError
        A mark does not lie on the volume.
    """
    matched = match_readers(tuple(marks), volume)
    crops: list[NoduleCrop] = []
    for nodule in matched:
        if len(_by_reader(nodule)) < least_readers:
            continue
        name = f"{patient}_R_{first_number + len(crops)}"
        crop = _cut(nodule, volume, name, patient, margin_mm)
        crops += [crop] if crop else []
    return crops, len(matched)


def _cut_patient(
    scans: Sequence[LidcScan], least_readers: int, margin_mm: float | None
) -> Work[tuple[list[NoduleCrop], list[ImportedScan]]]:
    crops: list[NoduleCrop] = []
    lines = []
    for scan in scans:
        named = scan.patient, scan.series_uid
        if scan.reading is None:
            lines.append(ImportedScan(*named, NO_READING, remark="No XML names this series."))
            continue
        try:
            volume = yield from read_dicom(scan.folder, series_uid=scan.series_uid)
            marks, remark = _marks_on(volume, read_lidc_xml(scan.reading))
            cut, places = cut_nodules(
                volume, marks, patient=scan.patient, least_readers=least_readers,
                margin_mm=margin_mm, first_number=len(crops) + 1,
            )  # fmt: skip
        except (ValueError, OSError) as error:
            lines.append(ImportedScan(*named, NOT_READ, remark=" ".join(str(error).split())))
            continue
        lines.append(ImportedScan(*named, DONE, places, len(cut), remark))
        crops += cut
    return crops, lines


def _cut(
    nodule: MatchedNodule, volume: Volume, name: str, patient: str, margin_mm: float | None
) -> NoduleCrop | None:
    """None where no reader's outline has a voxel inside, or none of them rated the nodule."""
    readers = _by_reader(nodule)
    ratings = [rated for r in readers.values() if (rated := _ratings_of(r))]
    counts = np.zeros(volume.shape, np.uint8)
    for readings in readers.values():
        inside = reduce(np.logical_or, (reader_mask(reading, volume) for reading in readings))
        counts += inside.view(np.uint8)
    if not counts.any() or not ratings:
        return None
    box = crop_box(counts > 0, volume, margin_mm)
    crop, counts = cut_out(volume, box), counts[box]
    inside = majority_of(counts, len(readers))
    x, y, z = crop.to_world(np.argwhere(inside).mean(axis=0)).tolist()
    record = NoduleRecord(
        id=name,
        patient=patient,
        series_uid=nodule.readings[0].series_uid,
        centre_mm=(x, y, z),
        diameter_mm=float((6 / np.pi * inside.sum() * volume.voxel_mm3) ** (1 / 3)),
        ratings=majority_ratings(ratings),
    )
    return NoduleCrop(record, crop, counts, len(readers), called_malignant(ratings))


def _by_reader(nodule: MatchedNodule) -> dict[int, list[ReaderNodule]]:
    readers: dict[int, list[ReaderNodule]] = {}
    for reading in nodule.readings:
        readers.setdefault(reading.reader, []).append(reading)
    return readers


def _ratings_of(readings: Sequence[ReaderNodule]) -> Mapping[str, int]:
    return next((reading.ratings for reading in readings if reading.ratings), {})


def _marks_on(volume: Volume, marks: Sequence[ReaderNodule]) -> tuple[list[ReaderNodule], str]:
    """Marks of 3 mm or more that lie on the volume, and what is to be said of the others.

    Raises
    ------
    CTError
        None of them does.
    """
    on, reason = [], ""
    marks = [mark for mark in marks if mark.kind == "nodule"]
    for mark in marks:
        try:
            reader_mask(mark, volume)
        except CTError as error:
            reason = str(error)
        else:
            on.append(mark)
    if marks and not on:
        raise CTError(reason)
    left = len(marks) - len(on)
    return on, f"{left} of {len(marks)} marks were left out: {reason}" if left else ""


def _scan_of(row: Mapping[str, str]) -> ImportedScan:
    numbers = {name: int(row[name]) for name in ("places_marked", "nodules")}
    return ImportedScan(**{**row, **numbers})  # type: ignore[arg-type]


def _complete(scans: Sequence[LidcScan], lines: Sequence[ImportedScan]) -> bool:
    """Whether all of a patient's scans were done with before, readings included."""
    expected = {(s.series_uid, DONE if s.reading else NO_READING) for s in scans}
    return expected == {(line.seriesuid, line.outcome) for line in lines}
