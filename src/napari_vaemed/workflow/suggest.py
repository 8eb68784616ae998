"""Suggest nodules on a CT, and say how often such suggestions are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Work
from napari_vaemed.data.suggestion import Figures, Suggestion, at_least
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.suggestion_figures import read_figures
from napari_vaemed.io.weights import shipped_suggestion_figures_path
from napari_vaemed.segmentation import suggestions
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.workflow.click import shipped_click_net


@lru_cache(maxsize=1)
def shipped_figures() -> Figures:
    """How often suggestions of the shipped network are right."""
    return read_figures(shipped_suggestion_figures_path())


def suggest(volume: Volume, lungs: NDArray[np.uint8]) -> Work[tuple[Suggestion, ...]]:
    """Suggest nodules by the shipped click network; see `segmentation.suggestions.suggest`."""
    return (yield from suggestions.suggest(shipped_click_net().module, volume, lungs))


def suggest_on(
    path: Path, least: float | None = None
) -> Work[tuple[Volume, tuple[Suggestion, ...], float]]:
    """Open a CT, find its lungs and suggest nodules.

    Parameters
    ----------
    least : float or None
        Least score; None takes the usual one.

    Returns
    -------
    The CT, the suggestions, and their least score.

    Raises
    ------
    napari_vaemed.segmentation.lungs.NoLungs
        When no lungs are seen.
    """
    volume = yield from read_ct(path)
    lungs = yield from segment_lungs(volume)
    found = yield from suggest(volume, lungs)
    if least is None:
        figures = shipped_figures()
        least = figures.scores[figures.usual]
    return volume, at_least(found, least), least


def suggestion_values(found: Sequence[Suggestion]) -> list[dict[str, Any]]:
    """Suggestions as plain values; ``slice`` counts from the feet."""
    return [
        {
            "suggestion": number,
            "score": round(each.score, 3),
            "diameter_mm": round(each.diameter_mm, 1),
            "centre_mm": [round(c, 1) for c in each.centre_mm],
            "slice": round(each.voxel[0]),
            "checked": False,
        }
        for number, each in enumerate(found, 1)
    ]


def figure_values(least: float) -> list[dict[str, Any]]:
    """What was measured at the scores' step that holds a least score, as plain values."""
    figures = shipped_figures()
    step = figures.step_of(least)
    return [
        {
            "on": tried.name,
            "score": figures.scores[step],
            "scans": tried.scans,
            "nodules": tried.nodules,
            "sensitivity": asdict(tried.sensitivity[step]) if tried.sensitivity else None,
            "wrong_per_scan": asdict(tried.wrong[step]) if tried.wrong else None,
            "said": tried.said(step),
            "note": tried.note,
        }
        for tried in figures.tried
    ]
