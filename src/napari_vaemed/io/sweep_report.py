"""A sweep's space from a file, and its table as Markdown, CSV and JSON with pictures as PNG."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.sweep import Space, SweepRow, space_of
from napari_vaemed.io.bench_report import interval_told, markdown_table
from napari_vaemed.io.reports import write_report, write_table

Axes = Mapping[str, Mapping[str, tuple[int, Interval | None]]]
"""By axis and value: how many trials, and their mean AUC."""


def read_space(path: Path) -> Space:
    """Read a space from a TOML or JSON file, see `data.sweep.space_of`.

    Raises
    ------
    ValueError
        If it is neither, or no space.
    """
    text = path.read_text(encoding="utf-8")
    try:
        told = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}. It must be TOML or JSON.") from None
    if not isinstance(told, Mapping):
        raise ValueError(f"{path.name} holds no table of axes.")
    return space_of(told)


def read_winners(out: Path) -> list[dict[str, Any]]:
    """What was scored on the outer fold so far, in order."""
    path = out / "winners.json"
    if not path.is_file():
        return []
    return list(json.loads(path.read_text(encoding="utf-8"))["winners"])


def write_winners(out: Path, winners: Sequence[Mapping[str, Any]]) -> None:
    """Keep what was scored on the outer fold, each time it was."""
    write_report(out / "winners.json", {"winners": list(winners)})


def write_sweep(
    out: Path,
    rows: Sequence[SweepRow],
    about: Mapping[str, Any],
    rulers: Mapping[str, Sequence[float] | None],
    axes: Axes,
    winners: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, NDArray[np.uint8]],
) -> None:
    """Write ``sweep.md``, ``sweep.csv``, ``sweep.json`` and the pictures into a folder."""
    whole = {
        **about, "rulers": dict(rulers), "winners": list(winners),
        "rows": [{**asdict(row), "curve": list(row.curve.items())} for row in rows],
    }  # fmt: skip
    told = markdown(rows, about, rulers, axes, winners)
    write_table(out / "sweep", told, [_flat(row) for row in rows], whole, pictures)


def markdown(
    rows: Sequence[SweepRow],
    about: Mapping[str, Any],
    rulers: Mapping[str, Sequence[float] | None],
    axes: Axes,
    winners: Sequence[Mapping[str, Any]],
) -> str:
    """The sweep in words and tables: how it was judged, each trial, each axis, the winner."""
    names = list(about["axes"])
    parts = [
        f"# Sweep: {about['name']} of {about['model']}",
        f"{_told(about)}. Each configuration learned from one part of the outer training patients "
        f"and was judged on {about['n']} nodules ({about['malignant']} malignant, "
        f"{about['n_6_to_10_mm']} of 6–10 mm) of {about['patients']} others of them: AUC of 20-NN "
        "votes, malignancy 1–2 against 4–5, after the last epoch, with its 95 % interval over "
        "patients, mean of the seeds. No patient of the outer fold was looked at. The highest of "
        f"{len(rows)} is flattered by having been picked; *below the best* is paired.",
        f"On the same nodules, without an encoder: {_rulers(rulers)}.",
        markdown_table(
            ["trial", *names, "state", "epochs", "AUC", "AUC, 6–10 mm", "below the best", "s"],
            [_line(row, names) for row in rows],
        ),
    ]
    if axes:
        lines = [
            [name, value, str(count), interval_told(mean)]
            for name, values in axes.items()
            for value, (count, mean) in values.items()
        ]
        heads = ["axis", "value", "whole trials", "mean AUC"]
        parts += ["## By axis", markdown_table(heads, lines)]
    parts += ["## The winner, on the outer fold", _winner(winners)]
    return "\n\n".join(parts) + "\n"


def _told(about: Mapping[str, Any]) -> str:
    shown = ("search", "stopped early", "seeds", "inner folds", "epochs", "batch", "lr", "seed",
             "device")  # fmt: skip
    return ", ".join(f"{name} {about[name]}" for name in shown if name in about)


def _rulers(rulers: Mapping[str, Sequence[float] | None]) -> str:
    return "; ".join(f"{name} {_ends(found)}" for name, found in rulers.items())


def _line(row: SweepRow, names: Sequence[str]) -> list[str]:
    values = [_short(row.values.get(name, "–")) for name in names]
    state = f"failed: {row.why}" if row.why else row.state
    return [
        str(row.number), *values, state, str(row.epochs), interval_told(row.auc),
        interval_told(row.auc_small), interval_told(row.below_best, signed=True),
        f"{row.seconds:.0f}",
    ]  # fmt: skip


def _winner(winners: Sequence[Mapping[str, Any]]) -> str:
    if not winners:
        return "Not yet: trials are still to be done."
    last = winners[-1]
    values = ", ".join(f"{name} {_short(value)}" for name, value in last["values"].items())
    fixed = {"number", "values", "epochs", "seeds", "n", "malignant", "n_6_to_10_mm", "patients"}
    lines = [
        [name.replace("auc", "AUC").replace("_", " "), _ends(found)]
        for name, found in last.items()
        if name not in fixed
    ]
    looked = (
        f" The outer fold has been scored {len(winners)} times in this folder, as trials were "
        "added: it is no longer unseen."
        if len(winners) > 1
        else ""
    )
    return (
        f"Trial {last['number']} ({values}), trained anew on all inner patients, {last['epochs']} "
        f"epochs, seeds {last['seeds']}; scored once on {last['n']} nodules ({last['malignant']} "
        f"malignant, {last['n_6_to_10_mm']} of 6–10 mm) of {last['patients']} patients.{looked}\n\n"
        + markdown_table(["", "AUC or difference"], lines)
    )


def _ends(found: Sequence[float] | None) -> str:
    return interval_told(None if found is None else Interval(*found))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _flat(row: SweepRow) -> dict[str, Any]:
    """One line of the CSV: an interval is three columns, an axis its own."""
    flat: dict[str, Any] = {"trial": row.number, **row.values, "state": row.state}
    for name in ("auc", "auc_small", "below_best"):
        found: Interval | None = getattr(row, name)
        ends = (found.value, found.low, found.high) if found else ("", "", "")
        flat |= dict(zip((name, f"{name} low", f"{name} high"), ends, strict=True))
    return {**flat, "epochs": row.epochs, "seconds": row.seconds, "why": row.why}
