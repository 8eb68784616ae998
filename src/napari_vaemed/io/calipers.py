"""Write calipers as a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.reports import write_measurements_csv

MOST_POINTS = 4


def write_calipers(
    path: str | os.PathLike[str], calipers: Sequence[MeasuredCaliper], volume: Volume
) -> None:
    """Write one line a caliper: what it reads, and where its points lie in the patient.

    Columns: number, kind, plane, slice (0 is the first along z, y or x), what `Reading` holds with
    the unit in the name, then the points in LPS mm (``point1_mm_x`` and so on, in the order of
    `POINTS`). What does not apply is left empty.

    Parameters
    ----------
    volume : Volume
        The CT they were drawn on.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    """
    write_measurements_csv(path, [_row(each, volume) for each in calipers])


def _row(measured: MeasuredCaliper, volume: Volume) -> dict[str, Any]:
    caliper = measured.caliper
    row: dict[str, Any] = {
        "caliper": measured.label,
        "kind": caliper.kind,
        "plane": caliper.plane,
        "slice": caliper.slice_index,
    }
    row |= {name: _rounded(value, 2) for name, value in asdict(measured.reading).items()}
    places = [volume.to_world(point) for point in caliper.points]
    for number in range(MOST_POINTS):
        known = number < len(places)
        xyz = [_rounded(float(v), 3) for v in places[number]] if known else [None] * 3
        row[f"point{number + 1}_mm"] = xyz
    return row


def _rounded(value: float | int | None, digits: int) -> float | int | None:
    return round(value, digits) if isinstance(value, float) else value
