"""Labelled pictures as files: a folder a class, or a CSV that names them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_vaemed.data.labelled_images import LabelledImages

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
         "test": "test", "testing": "test"}  # fmt: skip
KEPT_COLUMNS = ("file", "label", "split", "group")


@dataclass(frozen=True)
class PictureFiles:
    """Pictures that are read when asked for.

    Parameters
    ----------
    paths : tuple of Path
    """

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> NDArray:
        return read_picture(self.paths[number])


def read_picture(path: Path) -> NDArray:
    """Read a picture: (y, x) of 8 or 16 bits, or (y, x, 3) of 8.

    Raises
    ------
    FileNotFoundError
    ValueError
        It is no picture, or a damaged one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no picture at {path}.")
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):
                values = np.asarray(image)
                if values.min() < 0 or values.max() > 65535:
                    raise ValueError(f"{path.name} has more than 16 bits a pixel.")
                return values.astype(np.uint16)
            grey = image.mode in ("L", "1", "LA")
            return np.array(image.convert("L" if grey else "RGB"), np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{path.name} is no picture that can be read ({error}).") from error


def read_image_folder(folder: Path) -> LabelledImages:
    """Pictures sorted into a folder a class, with folders train, val and test above or without.

    A picture deeper than its class folder belongs to the group that the next folder names; any
    other stands for itself.

    Raises
    ------
    ValueError
        There are not two classes of pictures.
    """
    parts = {f: PARTS[f.name.lower()] for f in _folders(folder) if f.name.lower() in PARTS}
    found = [
        (file, kind.name, part)
        for place, part in (parts or {folder: ""}).items()
        for kind in _folders(place)
        for file in sorted(kind.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    classes = tuple(sorted({kind for _, kind, _ in found}))
    if len(classes) < 2:
        raise ValueError(
            f"{folder} must hold at least two sub-folders of pictures, one a class (and may have "
            f"folders train, val and test above them); found {', '.join(classes) or 'none'}."
        )
    return LabelledImages(
        names=tuple(str(file.relative_to(folder)) for file, *_ in found),
        images=PictureFiles(tuple(file for file, *_ in found)),
        labels=np.array([[classes.index(kind)] for _, kind, _ in found], np.float32),
        tasks=("class",),
        classes=classes,
        parts=tuple(part for *_, part in found),
        groups=tuple(_group(file, kind, folder) for file, kind, _ in found),
        source=folder.name,
    )


def read_image_table(path: Path) -> LabelledImages:
    """Pictures that a CSV names: column file, and either label or one column of 0 and 1 a finding.

    Files are relative to the table; columns split (train, val, test) and group (patient) may
    stand beside them. An empty field means that nobody said.

    Raises
    ------
    ValueError
        The table has no such columns, or a field is neither 0, 1 nor empty.
    """
    rows = read_table(path)
    columns = list(rows[0])
    findings = tuple(c for c in columns if c not in KEPT_COLUMNS)
    if "file" not in columns or not ("label" in columns or findings):
        raise ValueError(
            f"{path.name} has columns {', '.join(columns)}; wanted file, and label or a column of "
            "0 and 1 for each finding."
        )
    if "label" in columns:
        classes = tuple(sorted({row["label"] for row in rows if row["label"]}))
        labels = [[classes.index(row["label"]) if row["label"] else np.nan] for row in rows]
        findings = ("label",)
    else:
        classes = ()
        labels = [[number(row[c], c) for c in findings] for row in rows]
    return LabelledImages(
        names=tuple(row["file"] for row in rows),
        images=PictureFiles(tuple(path.parent / row["file"] for row in rows)),
        labels=np.array(labels, np.float32),
        tasks=findings,
        classes=classes,
        parts=tuple(_part(row.get("split") or "") for row in rows),
        groups=tuple(row.get("group") or row["file"] for row in rows),
        source=path.stem,
    )


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV with a head, fields stripped.

    Raises
    ------
    ValueError
        It is empty, or a row has more or fewer fields than the head.
    """
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    if not rows:
        raise ValueError(f"{path.name} has no rows below its head.")
    if any(None in row or None in row.values() for row in rows):
        raise ValueError(f"A row of {path.name} has more or fewer fields than its head.")
    return [{name.strip(): field.strip() for name, field in row.items()} for row in rows]


def number(field: str, column: str) -> float:
    """A field of a table as a number; NaN when empty.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        return float(field) if field else float("nan")
    except ValueError:
        raise ValueError(f"Column {column} holds {field!r}; wanted a number.") from None


def _folders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _group(file: Path, kind: str, folder: Path) -> str:
    inside = file.relative_to(folder).parts
    below = inside[inside.index(kind) + 1 :]
    return below[0] if len(below) > 1 else str(file.relative_to(folder))


def _part(word: str) -> str:
    if word.lower() not in ("", *PARTS):
        raise ValueError(f"A split is train, val or test; got {word!r}.")
    return PARTS.get(word.lower(), "")
