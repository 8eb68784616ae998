"""Labelled axial slices as pictures: COVID-CT's layout, a manifest, or a folder a class."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_vaemed.data.labelled_images import as_slices
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.slice_set import SliceRecord, SliceSet
from napari_vaemed.io.chexpert import is_chexpert
from napari_vaemed.io.image_folders import SUFFIXES
from napari_vaemed.io.labelled_images import read_labelled_images

COVID_CT_SOURCE = (
    "COVID-CT: axial slices from figures in papers. Yang X, He X, Zhao J, Zhang Y, Zhang S, Xie P. "
    "COVID-CT-Dataset: a CT scan dataset about COVID-19. arXiv:2003.13865, 2020."
)

LABELS = {
    "1": 1, "covid": 1, "covid-19": 1, "ct_covid": 1,
    "0": 0, "noncovid": 0, "non-covid": 0, "ct_noncovid": 0, "normal": 0, "cap": 0, "other": 0,
}  # fmt: skip
"""Words for the two classes, small letters."""

ONE_SERIES = 3
"""Bare numbers that follow each other by no more than this are taken as figures of one case."""


def read_slice_set(path: Path, positive: str = "") -> Work[SliceSet]:
    """Read labelled 8-bit slices.

    Parameters
    ----------
    path : Path
        One of: a folder with ``split.csv`` (columns file, label, split), as COVID-CT is kept; a
        CSV manifest with columns file and label, optionally split (train, val, test) and group
        (patient or paper), files relative to it; a folder with one sub-folder per class, named by
        a word of `LABELS`; with ``positive``, or an ``.npz`` of two classes, anything that
        `read_labelled_images` reads.
    positive : str
        The class or finding to be told from all others, instead of COVID-19.

    Returns
    -------
    SliceSet
        Where no group is given, slices are grouped by their file names (`papers_of`).

    Raises
    ------
    FileNotFoundError
        If nothing is there, or a listed file is missing.
    ValueError
        If a label or part is unknown, a picture is not 8-bit or no picture, or a class is missing.
    """
    if positive or path.suffix.lower() == ".npz" or is_chexpert(path):
        yield Progress("Reading slices")
        return as_slices(read_labelled_images(path), positive)
    folder, rows = _rows(path)
    records = _records(rows)
    pictures = []
    for number, row in enumerate(rows):
        pictures.append(read_grey(folder / row["file"]))
        if number % 50 == 0:
            yield Progress("Reading slices", number, len(rows))
    if {record.label for record in records} != {0, 1}:
        raise ValueError(f"{path} must hold slices of both classes, COVID-19 and other.")
    known = {"CT_COVID", "CT_NonCOVID"} <= {part for r in rows for part in Path(r["file"]).parts}
    return SliceSet(tuple(records), tuple(pictures), COVID_CT_SOURCE if known else path.name)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read one 8-bit picture (y, x); colours become their luminance.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it is no picture, or has more than 8 bits a channel.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no picture at {path}.")
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(
                    f"{path.name} has more than 8 bits; nobody says which window they show. "
                    "Export it in a lung window as 8-bit, or open the CT itself."
                )
            return np.array(image.convert("RGB").convert("L"), np.uint8)
    except UnidentifiedImageError:
        raise ValueError(f"{path.name} is no picture that can be read (PNG, JPEG).") from None


def papers_of(names: Sequence[str]) -> list[str]:
    """Which paper or case each picture of COVID-CT comes from, told from the file names.

    * ``<paper>-p<page>-<image>….png`` and ``PII…_<n>.png``: the paper.
    * ``<case>_<n>.jpg`` and ``<case>.jpg``: the case.
    * ``<number>.png``: bare numbers that follow each other by at most `ONE_SERIES` are one case.
    * Any other name stands for itself.

    Parameters
    ----------
    names : sequence of str
        File names or paths, all of the set.
    """
    names = [Path(name).name for name in names]
    numbers = sorted({int(name[:-4]) for name in names if re.fullmatch(r"\d+\.png", name)})
    first = dict.fromkeys(numbers[:1], numbers[0] if numbers else 0)
    for before, after in pairwise(numbers):
        first[after] = first[before] if after - before <= ONE_SERIES else after
    return [_paper(name, first) for name in names]


def _paper(name: str, first_of_series: dict[int, int]) -> str:
    stem = Path(name).stem
    if re.fullmatch(r"\d+\.png", name):
        return f"figure {first_of_series[int(stem)]}"
    if case := re.fullmatch(r"(\d+)(_\d+)?\.jpe?g", name):
        return f"case {case[1]}"
    if paper := re.match(r"(.+?)-p\d+-\d+", stem):
        return paper[1]
    if article := re.match(r"(PII[A-Z0-9]+)(_\d+)*$", stem):
        return article[1]
    return stem


def _rows(path: Path) -> tuple[Path, list[dict[str, str]]]:
    """The folder that files are relative to, and file, label, split and group of each slice."""
    if path.is_file() and path.suffix.lower() == ".csv":
        return path.parent, _table(path)
    if (path / "split.csv").is_file():
        return path, _table(path / "split.csv")
    if path.is_dir():
        return path, _by_folder(path)
    raise FileNotFoundError(
        f"No slices at {path}. Give a folder with split.csv, a CSV manifest with columns file and "
        "label, or a folder with one sub-folder per class."
    )


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or not {"file", "label"} <= set(rows[0]):
        raise ValueError(
            f"{path.name} must have columns file and label (and may have split and group), and at "
            "least one row."
        )
    return rows


def _by_folder(path: Path) -> list[dict[str, str]]:
    rows = [
        {"file": str(file.relative_to(path)), "label": folder.name}
        for folder in sorted(path.iterdir())
        if folder.is_dir() and folder.name.lower() in LABELS
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    if not rows:
        raise ValueError(
            f"{path} holds neither split.csv nor sub-folders of pictures named by class "
            f"({', '.join(word for word in LABELS if not word.isdigit())})."
        )
    return rows


def _records(rows: list[dict[str, str]]) -> list[SliceRecord]:
    papers = papers_of([row["file"] for row in rows])
    records = []
    for row, paper in zip(rows, papers, strict=True):
        word = row["label"].strip().lower()
        if word not in LABELS:
            raise ValueError(
                f"The label of {row['file']} is {row['label']!r}; known are {', '.join(LABELS)}."
            )
        group = (row.get("group") or "").strip() or paper
        part = (row.get("split") or "").strip().lower()
        records.append(SliceRecord(row["file"], LABELS[word], group, part))
    return records
