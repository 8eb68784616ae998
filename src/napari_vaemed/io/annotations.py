"""Others' marks on a scan: which file they are in, whose they are, and reading them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pydicom

from napari_vaemed.data.annotation import Annotation
from napari_vaemed.data.volume import Volume
from napari_vaemed.io import dicom_seg, rtstruct
from napari_vaemed.io.dicom_objects import frame_of_reference, reading
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.lidc import ReaderNodule, lidc_annotations, match_readers, read_lidc_xml
from napari_vaemed.io.sources import files_below
from napari_vaemed.io.tables import is_point_table, points_of, read_points

LIDC, TABLE, SEGMENTATION, STRUCTURES = "LIDC XML", "table of points", "DICOM SEG", "RTSTRUCT"
TABLES = ("nodules.csv", "annotations.csv")
MOST_FILES = 5000
"""Files looked through for annotations in and beside a scan's folder."""


@dataclass(frozen=True)
class Reference:
    """Which scan a file of annotations is about.

    Parameters
    ----------
    kind : str
        `LIDC`, `TABLE`, `SEGMENTATION` or `STRUCTURES`.
    series_uids : frozenset of str
        Series it names; a table may name many.
    frame_of_reference_uid : str
        Empty when it names none.
    """

    kind: str
    series_uids: frozenset[str] = frozenset()
    frame_of_reference_uid: str = ""

    def names(self, volume: Volume) -> bool:
        """Whether it is about this scan."""
        frame = frame_of_reference(volume)
        return volume.series_uid in self.series_uids or bool(
            frame and frame == self.frame_of_reference_uid
        )


def annotation_kind(path: Path) -> str | None:
    """What kind of annotations a file holds, from its name and first bytes; None if none."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".xml":
            with path.open("rb") as file:
                return LIDC if b"ReadMessage" in file.read(4096) else None
        if suffix == ".csv":
            return TABLE if is_point_table(path) else None
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                return None
        sop_class = str(pydicom.filereader.read_file_meta_info(path).MediaStorageSOPClassUID)
    except Exception:  # pydicom raises many kinds; such a file is none of ours
        return None
    if sop_class in dicom_seg.STORAGE:
        return SEGMENTATION
    return STRUCTURES if sop_class in rtstruct.STORAGE else None


def reference_of(path: Path) -> Reference:
    """Which scan a file of annotations is about.

    Raises
    ------
    CTError
        The file holds no annotations, or is damaged.
    """
    kind = annotation_kind(path)
    if kind == LIDC:
        return Reference(LIDC, frozenset(m.series_uid for m in read_lidc_xml(path)))
    if kind == TABLE:
        return Reference(TABLE, frozenset(read_points(path).series_uids.tolist()) - {""})
    if kind is None:
        raise CTError(f"{path.name} holds no annotations this package reads.")
    with reading(path, kind):
        file = pydicom.dcmread(path, stop_before_pixels=True)
        series = {str(s.SeriesInstanceUID) for s in _referenced_series(file)}
        frame = str(file.get("FrameOfReferenceUID") or "")
        for item in file.get("StructureSetROISequence") or []:
            frame = frame or str(item.get("ReferencedFrameOfReferenceUID") or "")
    return Reference(kind, frozenset(series), frame)


def read_annotations(path: str | os.PathLike[str], volume: Volume) -> tuple[Annotation, ...]:
    """Read a file of annotations onto a scan: label maps and points.

    Parameters
    ----------
    path : path
        LIDC XML, a table of points, DICOM SEG or RTSTRUCT.

    Raises
    ------
    FileNotFoundError
    CTError
        The file cannot be read, or is about another scan.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    kind = annotation_kind(path)
    if kind == SEGMENTATION:
        return dicom_seg.read_segmentation(path, volume)
    if kind == STRUCTURES:
        return rtstruct.read_structures(path, volume)
    if kind == TABLE:
        return (points_of(read_points(path), volume),)
    marks = read_lidc_xml(path)
    if not marks:
        raise CTError(f"{path.name} holds no marks: its readers found nothing.")
    if volume.series_uid not in (None, marks[0].series_uid):
        raise CTError(f"{path.name} is a reading of another series than this CT.")
    return lidc_annotations(marks, volume)


def scan_of(reference: Reference, volumes: Iterable[Volume]) -> Volume | None:
    """The scan a file is about, of those that are open.

    One that names no series (it came from a NIfTI file, say) is taken when no other fits; the
    marks still have to lie on it.
    """
    volumes = list(volumes)
    nameless = [v for v in volumes if v.series_uid is None]
    return next((v for v in volumes if reference.names(v)), nameless[0] if nameless else None)


def lidc_xml_beside(path: str | os.PathLike[str], volume: Volume) -> tuple[ReaderNodule, ...]:
    """The LIDC marks found in or beside the scan's folder for this series; empty if none."""
    for file in _files_about(Path(path)):
        if file.suffix.lower() != ".xml":
            continue
        try:
            marks = read_lidc_xml(file)
        except (CTError, OSError):
            continue
        if marks and volume.series_uid in (None, marks[0].series_uid):
            return marks
    return ()


def annotations_beside(
    path: str | os.PathLike[str], volume: Volume
) -> list[tuple[float, float, float]]:
    """Centres of annotated nodules in or beside a scan, (x, y, z) in LPS mm.

    Looks for an LIDC XML, then for ``nodules.csv`` or ``annotations.csv`` with the columns of
    LUNA16 (seriesuid, coordX, coordY, coordZ). A table's rows must name the scan's series: by
    the volume's UID or, for a file without one, by the file's name. Centres off the volume are
    left out. The nodules most readers agree on come first.
    """
    path = Path(path)
    marks = lidc_xml_beside(path, volume)
    if marks:
        try:
            return [nodule.centre_mm for nodule in match_readers(marks, volume)]
        except CTError:
            return []
    uids = {volume.series_uid, path.name.split(".nii")[0], path.stem} - {None}
    for file in _files_about(path):
        if file.name.lower() in TABLES:
            centres = [c for c in _table_centres(file, uids) if volume.contains(volume.to_voxel(c))]
            if centres:
                return centres
    return []


def _referenced_series(file: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    yield from file.get("ReferencedSeriesSequence") or []
    for frame in file.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            yield from study.get("RTReferencedSeriesSequence") or []


def _files_about(path: Path) -> Iterator[Path]:
    """Files below a scan's folder, then those beside it."""
    if path.is_dir():
        yield from islice(files_below(path), MOST_FILES)
    try:
        beside = sorted(p for p in path.parent.iterdir() if p.is_file())
    except OSError:
        return
    yield from beside[:MOST_FILES]


def _table_centres(file: Path, uids: set[str | None]) -> list[tuple[float, float, float]]:
    try:
        table = read_points(file)
    except (CTError, OSError):
        return []  # some other table of that name
    mine = np.isin(table.series_uids, [uid for uid in uids if uid])
    return [(float(x), float(y), float(z)) for x, y, z in table.positions_mm[mine]]
