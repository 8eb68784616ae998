"""A bench's table as Markdown, CSV and JSON, and its pictures as PNG."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_vaemed.data.bench import BenchRow
from napari_vaemed.data.interval import Interval
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.reports import write_report

FACTS = {
    "active_units": ("active units", 1),
    "kl_nats": ("KL, nats", 1),
    "elbo": ("ELBO, nats a voxel", 3),
    "elbo_undecided": ("ELBO, undecided", 3),
    "rmse_hu": ("error, HU", 0),
    "rmse_hu_undecided": ("error, undecided, HU", 0),
    "own_mask_dice": ("own mask, Dice", 3),
    "probe_mask_dice": ("mask from frozen code, Dice", 3),
    "seconds": ("training, s a fold", 0),
}
"""Column and digits of each fact."""


def write_bench(
    out: Path,
    rows: Sequence[BenchRow],
    about: Mapping[str, Any],
    pictures: Mapping[str, NDArray[np.uint8]],
) -> None:
    """Write ``bench.md``, ``bench.csv``, ``bench.json`` and the pictures into a folder."""
    with replacing(out / "bench.md") as beside:
        beside.write_text(markdown(rows, about), encoding="utf-8")
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    with (
        replacing(out / "bench.csv") as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(flat)
    write_report(out / "bench.json", {**about, "rows": [asdict(row) for row in rows]})
    for name, picture in pictures.items():
        with replacing(out / f"{name}.png") as beside:
            Image.fromarray(picture).save(beside)


def markdown(rows: Sequence[BenchRow], about: Mapping[str, Any]) -> str:
    """The bench in words and four tables: who is best, where, how sure, and what else it can do."""
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about.items())
    names = list(dict.fromkeys(row.entrant for row in rows if row.facts))
    best = [next(row for row in rows if row.entrant == name) for name in names]
    strata = list(rows[0].strata) if rows else []
    parts = [
        "# Bench",
        f"{told}. Malignancy 1–2 against 4–5; no patient is learned from and judged. Intervals: "
        "95 %, patients drawn with replacement, the same draws in every row.",
        "## Who tells malignant from benign",
        _table(
            ["by", "distance or method", "AUC", "deviation between seeds", "AUC, 6–10 mm",
             "above log volume", "above mask features", "p of that", "same class among 10"],
            [_first(row) for row in rows],
        ),
        "## Calibrated by isotonic regression on the other folds",
        _table(
            ["by", "distance or method", "accuracy", "Brier", "calibration error"],
            [[row.entrant, row.distance, _told(row.accuracy), _told(row.brier),
              _told(row.calibration_error)] for row in rows],
        ),
        "## AUC inside strata",
        _table(
            ["by", "distance or method", *strata],
            [[row.entrant, row.distance, *(_told(row.strata[name]) for name in strata)]
             for row in rows],
        ),
        "## What else the codes hold",
        _table(
            ["by", *(title for title, _ in FACTS.values())],
            [[row.entrant, *(_fact(row, fact, digits) for fact, (_, digits) in FACTS.items())]
             for row in best],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _first(row: BenchRow) -> list[str]:
    return [
        row.entrant,
        row.distance,
        _told(row.auc),
        "–" if row.auc_sd is None else f"{row.auc_sd:.3f}",
        _told(row.auc_small),
        _told(row.over_volume, signed=True),
        _told(row.over_mask, signed=True),
        "–" if row.p_mask is None else f"{row.p_mask:.3f}",
        _told(row.precision_at_10),
    ]


def _told(found: Interval | None, *, signed: bool = False) -> str:
    if found is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _fact(row: BenchRow, fact: str, digits: int) -> str:
    value = row.facts.get(fact)
    return "–" if value is None else f"{value:.{digits}f}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _flat(row: BenchRow) -> dict[str, Any]:
    """One line of the CSV: an interval is three columns."""
    flat: dict[str, Any] = {}
    whole = {**asdict(row), **{f"auc, {name}": value for name, value in row.strata.items()}}
    for name, value in {**whole, **row.facts}.items():
        if name in ("strata", "facts"):
            continue
        ends = asdict(value) if isinstance(value, Interval) else value
        if isinstance(ends, dict):
            flat |= {name: ends["value"], f"{name} low": ends["low"], f"{name} high": ends["high"]}
        else:
            flat[name] = value
    return flat
