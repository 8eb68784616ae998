"""How often suggestions are right, as the benchmark wrote it down."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.suggestion import Figures, Tried
from napari_vaemed.io.reports import write_report


def read_figures(path: str | os.PathLike[str]) -> Figures:
    """Read the figures that `write_figures` wrote.

    Raises
    ------
    ValueError
        The file holds something else.
    FileNotFoundError
        There is no such file.
    """
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
        return Figures(
            tuple(said["scores"]), said["usual"], tuple(map(_tried, said["tried"])), said["model"]
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{Path(path).name} does not hold the figures of suggestions: {error!r}. Write it "
            "again with benchmarks/suggestions.py."
        ) from error


def write_figures(path: str | os.PathLike[str], figures: Figures) -> None:
    """Write the figures as JSON."""
    write_report(path, asdict(figures))


def _tried(said: dict[str, Any]) -> Tried:
    return Tried(
        said["name"],
        said["note"],
        said["scans"],
        said["nodules"],
        tuple(Interval(**each) for each in said["sensitivity"]),
        tuple(Interval(**each) for each in said["wrong"]),
    )
