"""Does a slice classifier tell whole scans of known truth apart?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_vaemed.data.progress import Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.decision.lungs_shown import lung_areas
from napari_vaemed.decision.subject import upper_mean
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.segmentation.lungs import segment_lungs
from napari_vaemed.workflow.classify import Classified, classify

LEAST_GAP = 0.1
"""By how much every scan with COVID-19 must score above every other one."""

RULE = (
    f"Every scan with COVID-19 scores at least {LEAST_GAP:g} above every other scan, and no scan "
    "has more than half of its slices unlike the training pictures."
)


@dataclass(frozen=True)
class KnownScan:
    """One scan whose truth is known: its name, and what is known of it."""

    name: str
    truth: str
    covid: bool


def check_scan(
    model: Model, scan: KnownScan, volume: Volume
) -> Work[tuple[dict[str, Any], Classified]]:
    """Score a scan; its line of the card's ``subject_check``, and all that was said of it."""
    lungs = yield from segment_lungs(volume)
    said = yield from classify(volume, lungs, model)
    areas = lung_areas(lungs, volume.spacing)[said.scores.indices]
    line = {
        "scan": scan.name,
        "truth": scan.truth,
        "value": round(upper_mean(said.scores.covid, areas), 4),
        "n_slices": len(said.scores),
        "share_unlike": round(float(np.mean(said.scores.unlike > 1)), 4),
    }
    return line, said


def separates(scans: Sequence[KnownScan], lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these scans are told apart by `RULE`; never where one kind is missing."""
    covid = [line["value"] for scan, line in zip(scans, lines, strict=True) if scan.covid]
    other = [line["value"] for scan, line in zip(scans, lines, strict=True) if not scan.covid]
    if not covid or not other or any(line["share_unlike"] > 0.5 for line in lines):
        return False
    return min(covid) - max(other) >= LEAST_GAP


def checked_card(
    card: Mapping[str, Any], scans: Sequence[KnownScan], lines: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The card with what was found on the known scans."""
    return {
        **card,
        "subject_check": list(lines),
        "separates": separates(scans, lines),
        "separates_rule": RULE,
    }
