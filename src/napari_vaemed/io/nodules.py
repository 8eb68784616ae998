"""Read a folder of labelled nodule crops, as the LIDC-IDRI set comes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule import ATTRIBUTES, NoduleRecord
from napari_vaemed.data.nodule_crop import majority_of
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.volumes import read_labels, read_volume

LIDC_SOURCE = (
    "LIDC-IDRI (Armato et al., The Cancer Imaging Archive, doi 10.7937/K9/TCIA.2015.LO9QL9SX, "
    "CC BY 3.0); crops from PabloLION/ct-slicing"
)
OWN_SOURCE = "a folder of the user's own nodules"

COLUMNS = {name: name.title().replace("_", "") + "_value" for name in ATTRIBUTES}
"""Column of the table that holds an attribute's number, by attribute."""

SAME_AS = "same_patient_as"
"""Column of a cleaned table with the id of another patient who is the same person."""


def read_nodule_set(folder: Path) -> Work[NoduleSet]:
    """Read ``nodules.csv`` and the crops in ``image/``, ``mask/`` and ``readers/`` beside it.

    Ids that the column ``same_patient_as`` of a cleaned table calls one patient's are one patient:
    the records carry the first of them. A record whose tabled centre lies outside its own crop
    (one of the 795 is 33 mm off) takes the centre of its mask instead.

    Raises
    ------
    FileNotFoundError
        If the table or a crop is missing.
    """
    table = read_nodule_table(folder / "nodules.csv")
    readers, owners = _reader_counts(folder / "readers.csv"), _owners(table)
    records, volumes, masks, majorities = [], [], [], []
    for number, row in enumerate(table):
        name = name_of(row)
        volume = _read_crop(folder / "image" / f"{name}.nii.gz", row)
        mask = _read_counts(folder / "mask" / f"{name}.nii.gz") > 0
        if not mask.any():
            raise ValueError(f"The mask of {name} is empty. Remove the nodule from the table.")
        counts = folder / "readers" / f"{name}.nii.gz"
        majority = mask
        if name in readers and counts.exists():
            majority = majority_of(_read_counts(counts), readers[name])
        records.append(_record(name, row, owners, volume, mask))
        volumes.append(volume)
        masks.append(mask)
        majorities.append(majority)
        if number % 25 == 0:
            yield Progress("Reading nodules", number, len(table))
    lidc = all(record.patient.startswith("LIDC-IDRI") for record in records)
    source = LIDC_SOURCE if lidc else OWN_SOURCE
    return NoduleSet(tuple(records), tuple(volumes), tuple(masks), tuple(majorities), source)


def read_nodule_scores(folder: Path) -> tuple[tuple[str, float], ...]:
    """Patient and malignancy score of every nodule of a folder; no crop is read.

    Raises
    ------
    FileNotFoundError
        If the table or a crop is missing.
    ValueError
        If the table is empty, or lacks a column or a number.
    """
    table = read_nodule_table(folder / "nodules.csv")
    if not table:
        raise ValueError(f"{folder / 'nodules.csv'} names no nodule.")
    wanted = {"patient_id", "nodule_id", "seriesuid", "diameter_mm", *COLUMNS.values()}
    if missing := sorted(wanted - set(table[0])):
        raise ValueError(f"{folder / 'nodules.csv'} lacks the columns {', '.join(missing)}.")
    scores, owners = [], _owners(table)
    for row in table:
        for kind in ("image", "mask"):
            _there(folder / kind / f"{name_of(row)}.nii.gz")
        try:
            scores.append((owners[row["patient_id"]], float(row[COLUMNS["malignancy"]])))
        except (TypeError, ValueError):
            raise ValueError(
                f"The malignancy of {name_of(row)} must be a number; the table says "
                f"{row[COLUMNS['malignancy']]!r}."
            ) from None
    return tuple(scores)


def name_of(row: Mapping[str, str]) -> str:
    """The nodule's id, by which its crops are called, of its row in the table."""
    return f"{row['patient_id']}_R_{row['nodule_id']}"


def read_nodule_table(path: Path) -> list[dict[str, str]]:
    """Rows of ``nodules.csv``, as they stand.

    Raises
    ------
    FileNotFoundError
        If there is no such table.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"No table of nodules at {path}. Give the folder that holds nodules.csv, image/ and "
            "mask/."
        )
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _owners(table: list[dict[str, str]]) -> dict[str, str]:
    """The one id of each patient of the table, of all the ids that are said to be the same.

    An id whose own nodules are all excluded still joins those that are said to be the same.
    """
    said = [(row["patient_id"], (row.get(SAME_AS) or "").strip()) for row in table]
    owners = {id: id for pair in said for id in pair if id}
    for patient, same in said:
        if same:
            one, other = owners[patient], owners[same]
            first = min(one, other)
            owners |= {id: first for id, owner in owners.items() if owner in (one, other)}
    return owners


def _reader_counts(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    return {row["id"]: int(row["n_readers"]) for row in read_nodule_table(path)}


def _read_crop(path: Path, row: dict[str, str]) -> Volume:
    return replace(
        read_volume(_there(path)), patient=row["patient_id"], series_uid=row["seriesuid"]
    )


def _read_counts(path: Path) -> NDArray[np.int16]:
    return read_labels(_there(path)).hu


def _there(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"The table names a nodule whose crop is missing: {path}.")
    return path


def _record(
    name: str,
    row: dict[str, str],
    owners: Mapping[str, str],
    volume: Volume,
    mask: NDArray[np.bool_],
) -> NoduleRecord:
    x, y, z = (float(row[f"coord{axis}"]) for axis in "XYZ")
    if not volume.contains(volume.to_voxel((x, y, z))):
        x, y, z = volume.to_world(np.argwhere(mask).mean(axis=0)).tolist()
    return NoduleRecord(
        id=name,
        patient=owners[row["patient_id"]],
        series_uid=row["seriesuid"],
        centre_mm=(x, y, z),
        diameter_mm=float(row["diameter_mm"]),
        ratings={name: float(row[column]) for name, column in COLUMNS.items()},
    )
