"""CheXpert's tables: chest radiographs with fourteen findings each, some of them uncertain."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from napari_vaemed.data.labelled_images import LabelledImages
from napari_vaemed.io.image_folders import PARTS, PictureFiles, number, read_table

FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
UNCERTAIN = {"ignore": np.nan, "zero": 0.0, "one": 1.0}
"""What becomes of −1."""
VIEWS = ("all", "frontal", "lateral")
TABLES = ("train.csv", "valid.csv", "test.csv")
SOURCE = "CheXpert: Irvin J et al., AAAI 2019, arXiv:1901.07031 (Stanford's research use agreement)"


def is_chexpert(path: Path) -> bool:
    """Whether this is one of CheXpert's tables, or a folder that holds one."""
    tables = [path] if path.is_file() else [path / name for name in TABLES]
    return any(table.suffix.lower() == ".csv" and _has_columns(table) for table in tables)


def read_chexpert(path: Path, *, uncertain: str = "ignore", view: str = "all") -> LabelledImages:
    """Read CheXpert's tables; the pictures are read when asked for.

    1 is yes and 0 is no; what a report does not mention (an empty field) counts as no, as in the
    models of the paper. Pictures of one patient are one group.

    Parameters
    ----------
    path : Path
        ``train.csv``, ``valid.csv`` or ``test.csv``, or the folder that holds them.
    uncertain : {"ignore", "zero", "one"}
        What −1 becomes: not said, no, or yes.
    view : {"all", "frontal", "lateral"}

    Raises
    ------
    FileNotFoundError
        The first picture of a table is not there.
    ValueError
        It is none of CheXpert's tables, or no picture is left.
    """
    if uncertain not in UNCERTAIN or view not in VIEWS:
        raise ValueError(
            f"Uncertain labels are taken as {', '.join(UNCERTAIN)} and the view is "
            f"{', '.join(VIEWS)}; got {uncertain!r} and {view!r}."
        )
    tables = [path] if path.is_file() else [path / name for name in TABLES]
    tables = [table for table in tables if table.is_file() and _has_columns(table)]
    if not tables:
        raise ValueError(
            f"{path} is none of CheXpert's tables and holds none: columns Path and "
            f"{', '.join(FINDINGS[:2])}, … are wanted."
        )
    names, files, labels, parts = [], [], [], []
    for table in tables:
        rows = [row for row in read_table(table) if view in ("all", _view(row))]
        root = _root(table, rows[0]["Path"]) if rows else table.parent
        for row in rows:
            names.append(row["Path"])
            files.append(root / row["Path"])
            labels.append([_label(row.get(name, ""), name, uncertain) for name in FINDINGS])
            parts.append(PARTS.get(table.stem.lower(), ""))
    if not names:
        raise ValueError(f"{path} names no {view} pictures.")
    return LabelledImages(
        names=tuple(names),
        images=PictureFiles(tuple(files)),
        labels=np.array(labels, np.float32),
        tasks=FINDINGS,
        classes=(),
        parts=tuple(parts),
        groups=tuple(_patient(name) for name in names),
        source=SOURCE,
    )


def _has_columns(table: Path) -> bool:
    try:
        with table.open(encoding="utf-8-sig") as lines:
            head = [name.strip() for name in lines.readline().split(",")]
    except (OSError, UnicodeDecodeError):
        return False
    return "Path" in head and {"Cardiomegaly", "Pleural Effusion"} <= set(head)


def _label(field: str, name: str, uncertain: str) -> float:
    value = number(field, name)
    if np.isnan(value):
        return 0.0
    return UNCERTAIN[uncertain] if value == -1 else value


def _view(row: dict[str, str]) -> str:
    """The test table has no column for it; its files' names say it."""
    said = (row.get("Frontal/Lateral") or Path(row["Path"]).stem.rsplit("_", 1)[-1]).lower()
    return said if said in VIEWS else "all"


def _patient(name: str) -> str:
    """CheXpert's own number of the patient, which stands in the path."""
    found = re.search(r"patient\d+", name)
    return found[0] if found else name


def _root(table: Path, first: str) -> Path:
    """The folder that a table's paths start from: the table's own, or one above it."""
    above = (table.parent, *table.parent.resolve().parents[:3])
    for folder in above:
        if (folder / first).is_file():
            return folder
    raise FileNotFoundError(
        f"{table.name} names {first}, which lies neither below its folder nor below one of the "
        "three above. Keep the table where CheXpert's download has it."
    )
