"""Write a folder of labelled nodule crops, patient by patient, so that it can be gone on with."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_vaemed.data.nodule_crop import NoduleCrop
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.nodules import COLUMNS as RATINGS
from napari_vaemed.io.volumes import write_mask, write_volume

KINDS = ("image", "mask", "readers")
TABLES = {
    "nodules.csv": (
        "patient_id", "nodule_id", "seriesuid", "coordX", "coordY", "coordZ", "diameter_mm",
        *(f"bbox{end}{axis}" for end in ("Low", "High") for axis in "XYZ"),
        "Diagnosis_value", *RATINGS.values(),
    ),
    "readers.csv": ("id", "n_readers", "majority_voxels", "union_voxels"),
    "scans.csv": ("patient_id", "seriesuid", "outcome", "places_marked", "nodules", "remark"),
}  # fmt: skip
HOW = "import.json"
LEFT_BEHIND = re.compile(r"\.[0-9a-f]{32}\.")
"""Names that `io.atomic.replacing` gives to files not finished."""

Row = dict[str, str]


def open_nodule_folder(folder: Path, how: Mapping[str, Any]) -> list[Row]:
    """Make a folder ready to be filled, or gone on with; its scans so far.

    Parameters
    ----------
    how : mapping
        What decides which nodules are kept and how they are cut; JSON.

    Raises
    ------
    FileNotFoundError
        The folder above it does not exist.
    ValueError
        It was filled in another way, or by something else.
    """
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {folder.parent} to make {folder.name} in.")
    card = folder / HOW
    if card.is_file():
        before = json.loads(card.read_text(encoding="utf-8"))
        if before != dict(how):
            raise ValueError(
                f"{folder} was filled with {json.dumps(before)}; now it is {json.dumps(how)}. "
                "Go on with the same, or give another folder."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} holds other things already. Give a new folder, or an empty one."
        )
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for place in (folder, *(folder / kind for kind in KINDS)):
        for file in place.iterdir():
            if LEFT_BEHIND.match(file.name):
                file.unlink()
    with replacing(card) as beside:
        beside.write_text(json.dumps(dict(how), indent=2) + "\n", encoding="utf-8")
    return _rows(folder / "scans.csv")


def write_patient(
    folder: Path, patient: str, crops: Sequence[NoduleCrop], scans: Sequence[Mapping[str, Any]]
) -> None:
    """Write one patient's nodules and scans, in place of what was there of that patient.

    The line in ``scans.csv`` is written last: a patient that stands there is complete.
    """
    for crop in crops:
        name = f"{crop.record.id}.nii.gz"
        write_volume(folder / "image" / name, crop.volume.hu, crop.volume)
        write_mask(folder / "mask" / name, crop.union, crop.volume)
        write_mask(folder / "readers" / name, crop.counts, crop.volume)
    kept = {f"{crop.record.id}.nii.gz" for crop in crops}
    for kind in KINDS:
        for file in (folder / kind).glob(f"{patient}_R_*.nii.gz"):
            if file.name not in kept:
                file.unlink()
    _put(folder / "nodules.csv", patient, map(_nodule_row, crops))
    _put(folder / "readers.csv", patient, map(_reader_row, crops))
    _put(folder / "scans.csv", patient, scans)


def _nodule_row(crop: NoduleCrop) -> dict[str, Any]:
    record = crop.record
    inside = np.argwhere(crop.majority)
    ends = crop.volume.to_world(np.stack([inside.min(axis=0), inside.max(axis=0)]))
    low, high = ends.min(axis=0), ends.max(axis=0)
    return {
        "patient_id": record.patient,
        "nodule_id": record.id.rsplit("_R_", 1)[1],
        "seriesuid": record.series_uid,
        **{f"coord{axis}": round(at, 4) for axis, at in zip("XYZ", record.centre_mm, strict=True)},
        "diameter_mm": round(record.diameter_mm, 4),
        **{f"bboxLow{axis}": round(float(at), 4) for axis, at in zip("XYZ", low, strict=True)},
        **{f"bboxHigh{axis}": round(float(at), 4) for axis, at in zip("XYZ", high, strict=True)},
        "Diagnosis_value": int(crop.malignant),
        **{column: int(record.ratings[name]) for name, column in RATINGS.items()},
    }


def _reader_row(crop: NoduleCrop) -> dict[str, Any]:
    return {
        "id": crop.record.id,
        "n_readers": crop.readers,
        "majority_voxels": int(crop.majority.sum()),
        "union_voxels": int(crop.union.sum()),
    }


def _put(path: Path, patient: str, new: Iterable[Mapping[str, Any]]) -> None:
    """Put a patient's rows into a table in place of the old ones; sorted."""
    rows: list[Mapping[str, Any]] = [row for row in _rows(path) if _patient_of(row) != patient]
    rows = sorted([*rows, *new], key=_order)
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, TABLES[path.name])
        writer.writeheader()
        writer.writerows(rows)


def _patient_of(row: Mapping[str, Any]) -> str:
    return str(row["patient_id"] if "patient_id" in row else row["id"].rsplit("_R_", 1)[0])


def _order(row: Mapping[str, Any]) -> tuple[str, int, str]:
    number = row.get("nodule_id") or str(row.get("id", "_R_0")).rsplit("_R_", 1)[1]
    return _patient_of(row), int(number), str(row.get("seriesuid", ""))


def _rows(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
