"""A bench's table as Markdown, CSV and JSON, and its pictures as PNG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.bench import BenchRow
from napari_vaemed.data.interval import Interval
from napari_vaemed.io.reports import write_table

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
    whole = {**about, "rows": [asdict(row) for row in rows]}
    flat = [_flat(row) for row in rows]
    write_table(out / "bench", markdown(rows, about), flat, whole, pictures)


def read_bench(path: Path) -> tuple[dict[str, Any], tuple[BenchRow, ...]]:
    """What a bench is about, and its rows, from its ``bench.json``.

    Raises
    ------
    ValueError
        If it is damaged, or of another version.
    """
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(_row_of(told) for told in about.pop("rows"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no bench ({error}). Run `vaemed bench` again.") from None
    return about, rows


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
        markdown_table(
            ["by", "distance or method", "AUC", "deviation between seeds", "AUC, 6–10 mm",
             "above log volume", "above mask features", "p of that", "same class among 10"],
            [_first(row) for row in rows],
        ),
        "## Calibrated by isotonic regression on the other folds",
        markdown_table(
            ["by", "distance or method", "accuracy", "Brier", "calibration error"],
            [[row.entrant, row.distance, interval_told(row.accuracy), interval_told(row.brier),
              interval_told(row.calibration_error)] for row in rows],
        ),
        "## AUC inside strata",
        markdown_table(
            ["by", "distance or method", *strata],
            [[row.entrant, row.distance, *(interval_told(row.strata[name]) for name in strata)]
             for row in rows],
        ),
        "## What else the codes hold",
        markdown_table(
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
        interval_told(row.auc),
        "–" if row.auc_sd is None else f"{row.auc_sd:.3f}",
        interval_told(row.auc_small),
        interval_told(row.over_volume, signed=True),
        interval_told(row.over_mask, signed=True),
        "–" if row.p_mask is None else f"{row.p_mask:.3f}",
        interval_told(row.precision_at_10),
    ]


def interval_told(found: Interval | None, *, signed: bool = False) -> str:
    """For example ``"0.915 [0.886, 0.941]"``; a dash where there is none."""
    if found is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _fact(row: BenchRow, fact: str, digits: int) -> str:
    value = row.facts.get(fact)
    return "–" if value is None else f"{value:.{digits}f}"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells below their columns."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row_of(told: Mapping[str, Any]) -> BenchRow:
    """A row from what `dataclasses.asdict` made of it."""

    def back(value: Any) -> Any:
        whole = isinstance(value, Mapping) and set(value) == {"value", "low", "high"}
        return Interval(**value) if whole else value

    strata = {name: back(value) for name, value in told["strata"].items()}
    return BenchRow(**{**{name: back(value) for name, value in told.items()}, "strata": strata})


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
