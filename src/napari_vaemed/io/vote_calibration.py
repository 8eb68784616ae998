"""What votes were worth on nodules held out, as `vaemed calibrate` wrote it down."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.vote_calibration import VoteBin, VoteCalibration, VoteCurve
from napari_vaemed.io.reports import write_report

CALIBRATION_FILE = "twins_calibration.json"
"""Its name beside an index."""


def write_vote_calibration(path: Path, calibration: VoteCalibration) -> None:
    """Write the curves as JSON."""
    write_report(path, asdict(calibration))


def read_vote_calibration(path: Path) -> VoteCalibration:
    """Read what `write_vote_calibration` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It holds something else.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        curves = {name: _curve(each) for name, each in said["curves"].items()}
        above = {name: Interval(**each) for name, each in said["above_ruler"].items()}
        return VoteCalibration(
            **{**said, "curves": curves, "ruler": _curve(said["ruler"]), "above_ruler": above}
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path.name} does not hold the calibration of votes ({error!r}). Write it again with "
            "vaemed calibrate, or delete it."
        ) from None


def calibration_beside(index: Path, model_sha256: str) -> VoteCalibration | None:
    """The calibration that lies beside an index; None where there is none for this model."""
    path = index.with_name(CALIBRATION_FILE)
    found = read_vote_calibration(path) if path.is_file() else None
    return found if found is not None and found.model_sha256 == model_sha256 else None


def _curve(said: dict[str, Any]) -> VoteCurve:
    return VoteCurve(
        tuple(said["scores"]),
        tuple(said["chances"]),
        tuple(VoteBin(**each) for each in said["bins"]),
        Interval(**said["error"]),
        Interval(**said["same_class"]),
    )
