"""A marked nodule's error bars, and its numbers and guideline lines as plain values."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.finding import PERCENTILES, ErrorBars, Measurement, NoduleMask
from napari_vaemed.data.guideline import Guidance
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.progress import Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation import uncertainty
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.segmentation.refine import Belief, Hints, NothingLeft, refine
from napari_vaemed.segmentation.uncertainty import Outline, Spread
from napari_vaemed.workflow.click import METHODS, outline
from napari_vaemed.workflow.examine import Marked


def error_bars(
    volume: Volume, marked: Marked, lungs: NDArray[np.uint8] | None = None
) -> Work[ErrorBars]:
    """The 95 % intervals of a marked nodule's sizes, or why it cannot be measured.

    A click is repeated at other places in the nodule by its own method and asked once of every
    other; a mask drawn by hand has the spread of its border alone.
    """
    ways = _ways(marked, lungs)
    return (yield from uncertainty.error_bars(volume, marked.mask, marked.measurement, ways))


def spread_of_marked(
    volume: Volume, marked: Marked, lungs: NDArray[np.uint8] | None = None
) -> Work[Spread | str]:
    """The same before calibration."""
    ways = _ways(marked, lungs)
    return (yield from uncertainty.measuring_spread(volume, marked.mask, marked.measurement, ways))


def _ways(marked: Marked, lungs: NDArray[np.uint8] | None) -> list[Outline]:
    """The method that outlined a nodule, then the others, hints and all; none after a hand."""
    if marked.method is None:
        return []
    names = (marked.method, *(name for name in METHODS if name != marked.method))
    said = marked.hints, marked.belief
    return [partial(_outlined, lungs, name, *said) for name in names]


def measured_values(measured: Measurement, bars: ErrorBars | None = None) -> dict[str, Any]:
    """A nodule's numbers by name, each with the ends of its interval; None where not known.

    Lengths in mm, volumes in mm³, HU; ``slice`` counts from the feet. ``volume_mm3`` counts the
    mask's voxels, ``partial_volume_mm3`` those at its border in part; the volume's interval is
    of the latter.
    """
    solid, bars = measured.solid, bars or ErrorBars()
    values: dict[str, Any] = {
        "centre_mm": [round(float(c), 3) for c in measured.centre_mm],
        "longest_mm": round(measured.longest_mm, 2),
        "perpendicular_mm": round(measured.perpendicular_mm, 2),
        "volume_mm3": round(measured.volume_mm3, 1),
        "mean_hu": round(measured.mean_hu, 1),
        "slice": measured.slice_index,
        "mean_mm": round(measured.mean_mm, 2),
        "rounded_mm": measured.rounded_mm,
        "longest_3d_mm": round(measured.longest_3d_mm, 2),
        "partial_volume_mm3": round(measured.partial_volume_mm3, 1),
        "sphericity": round(measured.sphericity, 3),
        "density": measured.density,
        "solid_mean_mm": None if solid is None else round(solid.mean_mm, 2),
        "solid_volume_mm3": None if solid is None else round(solid.volume_mm3, 1),
        "side": measured.side,
        "pleura_mm": None if measured.pleura_mm is None else round(measured.pleura_mm, 1),
    }
    for percent, hu in zip(PERCENTILES, measured.hu_percentiles, strict=True):
        values[f"hu_p{percent}"] = round(hu, 1)
    for each in fields(bars):
        if each.name.endswith(("_mm", "_mm3")):
            interval = getattr(bars, each.name)
            values |= {f"{each.name}_low": _end(interval, "low"),
                       f"{each.name}_high": _end(interval, "high")}  # fmt: skip
    return {**values, "cannot_be_measured": bars.refused}


def guidance_values(guidance: Guidance) -> dict[str, Any]:
    """A guideline's answer as plain values; ``rules`` begins with the one that fired."""
    return {
        "guideline": guidance.guideline,
        "category": guidance.rule and guidance.rule.category,
        "next": guidance.rule and guidance.rule.next,
        "straddles": guidance.straddles,
        "rules": [
            {
                "line": rule.name,
                "category": rule.category,
                "next": rule.next,
                "source": rule.source,
                "confirmed": rule.confirmed,
            }
            for rule in guidance.rules
        ],
        "trace": [
            {
                "what": step.what,
                "followed": step.followed,
                "value": step.number and round(step.number.value, 2),
                "low": _end(step.number, "low"),
                "high": _end(step.number, "high"),
                "unit": step.unit or None,
                "straddles": step.straddles,
            }
            for step in guidance.trace
        ],
        "asks": [
            {"key": q.key, "question": q.text, "answers": [a for a, _ in q.choices]}
            for q in guidance.asks
        ],
        "refused": guidance.refused,
    }


def _end(interval: Interval | None, which: str) -> float | None:
    return None if interval is None else round(float(getattr(interval, which)), 2)


def _outlined(
    lungs: NDArray[np.uint8] | None,
    method: str,
    hints: Hints | None,
    believed: Belief | None,
    volume: Volume,
    voxel: tuple[float, float, float],
) -> NoduleMask:
    mask = outline(volume, voxel, lungs, method=method)
    if hints is None:
        return mask
    try:
        return refine(volume, mask, hints, believed)
    except NothingLeft as reason:
        raise NoNodule(str(reason)) from reason
