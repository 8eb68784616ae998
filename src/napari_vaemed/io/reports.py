"""Write a report as JSON and measurements as CSV."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_vaemed.io.atomic import replacing

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet may take for the beginning of a formula."""


def write_report(path: str | os.PathLike[str], report: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON, whole or not at all.

    Raises
    ------
    ValueError
        A number is NaN or infinite, which JSON cannot hold; what does not apply is None.
    TypeError
        A value is none of JSON's or numpy's numbers, text, lists and mappings.
    FileNotFoundError
        The folder does not exist.
    """
    text = json.dumps(report, indent=2, allow_nan=False, ensure_ascii=False, default=_plain)
    with replacing(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def write_table(
    path: Path,
    told: str,
    rows: Sequence[Mapping[str, Any]],
    whole: Mapping[str, Any],
    pictures: Mapping[str, NDArray[np.uint8]],
) -> None:
    """Write what was compared as ``path`` .md, .csv and .json, and its pictures beside as PNG.

    Parameters
    ----------
    path : Path
        Without an ending.
    told : str
        As Markdown.
    rows : sequence of mappings
        One line each; a key that a row lacks is an empty cell.
    whole : mapping
        As `write_report`.
    pictures : mapping
        Grey or RGB, by file name without its ending.
    """
    with replacing(path.with_suffix(".md")) as beside:
        beside.write_text(told, encoding="utf-8")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (
        replacing(path.with_suffix(".csv")) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    write_report(path.with_suffix(".json"), whole)
    for name, picture in pictures.items():
        with replacing(path.with_name(f"{name}.png")) as beside:
            Image.fromarray(picture).save(beside)


def write_measurements_csv(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one line a finding; columns are the first row's keys, tuples are spread out.

    A tuple under ``centre_mm`` becomes ``centre_mm_x, centre_mm_y, centre_mm_z``; None is an
    empty cell. Text that a spreadsheet would run as a formula gets an apostrophe before it.

    Raises
    ------
    ValueError
        A row has other keys than the first.
    FileNotFoundError
        The folder does not exist.
    """
    lines = [_spread(row) for row in rows]
    columns = list(lines[0]) if lines else []
    for number, line in enumerate(lines, 1):
        if list(line) != columns:
            raise ValueError(f"Row {number} has columns {list(line)}; the first has {columns}.")
    with replacing(path) as beside, Path(beside).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)


def _spread(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, list | tuple | np.ndarray):
            flat |= {f"{key}_{axis}": v for axis, v in zip("xyz", value, strict=True)}
        else:
            flat[key] = _harmless(value)
    return flat


def _harmless(value: Any) -> Any:
    """Text that begins like a formula, and is no number, made text for spreadsheets as well."""
    if not isinstance(value, str) or not value.startswith(FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"A report cannot hold a {type(value).__name__}: {value!r}")
