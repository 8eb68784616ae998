"""Points in tables: LUNA16's annotations and candidates, and points saved in the same columns."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.annotation import PointMarks
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.errors import CTError

COORDINATES = ("coordX", "coordY", "coordZ")
NEEDED = ("seriesuid", *COORDINATES)
NAMES = {"diameter_mm": "Annotations", "class": "Candidates"}
"""What the points are called, by the column LUNA16 gives them."""
MOST_ROWS = 5_000_000


@dataclass(frozen=True, eq=False)
class PointTable:
    """A table of points of several series.

    Parameters
    ----------
    series_uids : (n,) str
        Empty text where a row names none.
    positions_mm : (n, 3)
        x, y, z in LPS mm.
    columns : dict of str to list
        The further columns: numbers where all are, else text.
    """

    series_uids: NDArray[np.str_]
    positions_mm: NDArray[np.float64]
    columns: dict[str, list[Any]]


def is_point_table(path: Path) -> bool:
    """Whether the first line names LUNA16's columns."""
    try:
        with path.open("rb") as file:
            first = file.readline(4096).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return set(NEEDED) <= {name.strip().strip('"') for name in first.strip().split(",")}


def read_points(path: str | os.PathLike[str]) -> PointTable:
    """Read a table with the columns seriesuid, coordX, coordY and coordZ.

    Raises
    ------
    FileNotFoundError
    CTError
        A column is missing, or a coordinate is no number.
    """
    path, rows = Path(path), []
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, skipinitialspace=True)
            header = list(reader.fieldnames or ())
            for row in reader:
                rows.append(row)
                if len(rows) > MOST_ROWS:
                    raise CTError(f"{path.name} has more than {MOST_ROWS} rows. Split it.")
    except (UnicodeDecodeError, csv.Error) as error:
        raise CTError(f"{path.name} is no readable table ({error}).") from error
    if missing := [name for name in NEEDED if name not in header]:
        raise CTError(
            f"{path.name} lacks the column {missing[0]}; a table of points has "
            f"{', '.join(NEEDED)} (millimetres, x to the left, y to the back, z to the head)."
        )
    positions = np.array([_position(row, n, path.name) for n, row in enumerate(rows, 2)])
    others = [name for name in header if name and name not in NEEDED]
    return PointTable(
        np.array([(row["seriesuid"] or "").strip() for row in rows], dtype=str),
        positions.reshape(-1, 3),
        {name: _typed([row[name] for row in rows]) for name in others},
    )


def points_of(table: PointTable, volume: Volume, series_uid: str | None = None) -> PointMarks:
    """The rows of one scan; the notes count what belongs to others or lies outside.

    Parameters
    ----------
    series_uid : str or None
        Taken instead of the volume's own.

    Raises
    ------
    CTError
        No row belongs to the scan.
    """
    wanted = series_uid or volume.series_uid
    named = table.series_uids != ""
    mine = ~named | (table.series_uids == wanted)
    notes = []
    if wanted is None and len(set(table.series_uids[named])) == 1:
        mine[:] = True
        notes.append("The CT names no series; it was taken for the one the table is about.")
    others = int((~mine).sum())
    series = len(set(table.series_uids[~mine]))
    if others:
        of = "1 other series" if series == 1 else f"{series} other series"
        notes.append(f"{others} {'row' if others == 1 else 'rows'} of {of} left out.")
    if not mine.any():
        raise CTError(
            f"None of the table's {len(mine)} rows ({series} series) belongs to this CT. "
            "Open the CT of one of its series first."
        )
    outside = mine & ~np.array([volume.contains(p) for p in volume.to_voxel(table.positions_mm)])
    if outside.any():
        count = int(outside.sum())
        notes.append(f"{count} {'point lies' if count == 1 else 'points lie'} outside the CT.")
    rows = np.flatnonzero(mine)
    columns = {name: [values[i] for i in rows] for name, values in table.columns.items()}
    name = next((NAMES[column] for column in NAMES if column in columns), "Points")
    return PointMarks(name, table.positions_mm[rows], volume, columns, tuple(notes))


def write_points(path: str | os.PathLike[str], marks: PointMarks) -> None:
    """Write points as CSV: seriesuid, coordX, coordY, coordZ in LPS mm, then their columns.

    The series is the one of the scan they lie on, or left empty.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    """
    uid = (marks.volume.series_uid if marks.volume is not None else None) or ""
    others = [name for name in marks.columns if name not in NEEDED]
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NEEDED, *others])
        for number, position in enumerate(marks.positions_mm):
            cells = [_cell(marks.columns[name][number]) for name in others]
            writer.writerow([uid, *(f"{v:.4f}" for v in position), *cells])


def _position(row: dict[str, str], line: int, name: str) -> tuple[float, float, float]:
    try:
        x, y, z = (float(row[axis]) for axis in COORDINATES)
    except (TypeError, ValueError):
        x = y = z = np.nan
    if not np.isfinite((x, y, z)).all():
        raise CTError(f"Line {line} of {name} has no three numbers under {', '.join(COORDINATES)}.")
    return x, y, z


def _typed(cells: Sequence[str | None]) -> list[Any]:
    """Whole numbers, numbers or text, whichever all cells are; empty numbers are NaN."""
    texts = [(cell or "").strip() for cell in cells]
    for kind in (int, float):
        try:
            return [kind(t) if t or kind is int else np.nan for t in texts]
        except ValueError:
            continue
    return texts


def _cell(value: Any) -> Any:
    missing = value is None or (isinstance(value, float | np.floating) and np.isnan(value))
    return "" if missing else value
