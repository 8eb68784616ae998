"""Tables of findings, as the window saves them, read again for a comparison."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.pairing import Sized

NEEDED = ("finding", "centre_mm_x", "centre_mm_y", "centre_mm_z", "mean_mm", "partial_volume_mm3")


def read_findings_csv(path: str | os.PathLike[str]) -> tuple[Sized, ...]:
    """Read number, place, mean diameter and volume of each finding, with their error bars.

    Raises
    ------
    ValueError
        A column is missing, or a cell is no number.
    FileNotFoundError
        There is no such file.
    """
    path = Path(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{path.name} is no table of findings: it has no column {', '.join(missing)}. "
                "Save one from the Findings dock, or with `vaemed nodule --csv`."
            )
        try:
            return tuple(_sized(row) for row in reader)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path.name}, line {reader.line_num}: {error}") from error


def _sized(row: Mapping[str, str]) -> Sized:
    x, y, z = (float(row[f"centre_mm_{axis}"]) for axis in "xyz")
    return Sized(
        int(row["finding"]),
        (x, y, z),
        _interval(row, "mean_mm", "mean_mm"),
        _interval(row, "partial_volume_mm3", "volume_mm3"),
        row.get("name") or f"Finding {row['finding']}",
        row.get("cannot_be_measured") or None,
    )


def _interval(row: Mapping[str, str], value: str, ends: str) -> Interval:
    """A number with its ends, which may differ from it by the rounding of the file."""
    middle = float(row[value])
    low, high = row.get(f"{ends}_low"), row.get(f"{ends}_high")
    if not low or not high:
        return Interval.exact(middle)
    return Interval(middle, min(float(low), middle), max(float(high), middle))
