"""A finding in a line: for the list's table, for its features, for its colour."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_vaemed.data.finding import ErrorBars, Measurement
from napari_vaemed.data.guideline import DENSITIES, Guidance
from napari_vaemed.data.interval import Interval
from napari_vaemed.decision.follow_up import follow_up
from napari_vaemed.plugin.finding_text import all_numbers, guideline_lines, in_short, told
from napari_vaemed.plugin.theme import FINDING_COLOURS, MIDDLE, finding_colour

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case, Finding
    from napari_vaemed.workflow.prior import Followed

NUMBER, DENSITY, SIDE, CHANGE = "finding", "density", "lung", "change"
COLOURS_BY = (NUMBER, DENSITY, SIDE, CHANGE)
"""What the outlines' colours can tell."""


@dataclass(frozen=True, eq=False)
class FindingRow:
    """One finding with what is said of it.

    Parameters
    ----------
    finding : Finding
    bars : ErrorBars or None
    guidance : Guidance
    followed : Followed or None
        What became of it since the prior; None without one.
    """

    finding: Finding
    bars: ErrorBars | None
    guidance: Guidance
    followed: Followed | None = None

    @classmethod
    def of(
        cls,
        case: Case,
        finding: Finding,
        followed: Followed | None = None,
        before: tuple[Measurement, ErrorBars | None, float] | None = None,
    ) -> FindingRow:
        """A finding of a CT, with its guideline line as far as it was answered.

        ``before`` is the same nodule on the prior, as `decision.follow_up` takes it.
        """
        measured, bars = finding.marked.measurement, case.bars_of(finding)
        guidance = follow_up(measured, bars, case.context_of(finding), before=before)
        return cls(finding, bars, guidance, followed)

    @property
    def category(self) -> str:
        """The guideline's category, or the months to the next CT; a dash where nothing is said.

        ``"?"`` is added where the error bar reaches another line.
        """
        rule = self.guidance.rule
        if rule is None:
            return "–"
        months = re.search(r"([\d–]+) months", rule.next)
        said = rule.category or (f"{months[1]}m" if months else "none")
        return f"{said}{' ?' if self.guidance.straddles else ''}"

    @property
    def change(self) -> str:
        """What became of it since the prior; empty without one."""
        if self.followed is None:
            return ""
        change = self.followed.change
        if change is None or change.ratio is None:
            return self.followed.verdict
        return f"{100 * (change.ratio.value - 1):+.0f} % {self.followed.verdict}"

    @property
    def cells(self) -> tuple[str, ...]:
        """Texts under `HEADINGS`."""
        measured, bars = self.finding.marked.measurement, self.bars or ErrorBars()
        return (
            self.finding.name,
            told(measured.mean_mm, bars.mean_mm),
            told(measured.partial_volume_mm3, bars.volume_mm3, 0),
            SHORT_DENSITIES.get(measured.density, measured.density),
            self.category,
        )

    @property
    def tooltip(self) -> str:
        """Everything, in lines."""
        measured = self.finding.marked.measurement
        place = f"{self.finding.name}, slice {measured.slice_index}"
        lines = [place, in_short(measured), all_numbers(measured, self.bars)]
        lines += guideline_lines(self.guidance)
        if self.followed is not None:
            lines.append(f"Since the prior: {self.change}")
        return "\n".join(lines)


SHORT_DENSITIES = {"ground-glass": "GGN", "part-solid": "part", "calcified": "calcif."}
HEADINGS = ("Finding", "Mean mm", "Vol. mm³", "Type", "Next")
WIDEST = ("13.3±2.2", "9999±999", "calcif.", "6–12m ?")
"""Of the table; each has its own order in `ORDERS`."""
ORDERS: tuple[Callable[[FindingRow], Any], ...] = (
    lambda row: row.finding.label,
    lambda row: row.finding.marked.measurement.mean_mm,
    lambda row: row.finding.marked.measurement.partial_volume_mm3,
    lambda row: row.finding.marked.measurement.density,
    lambda row: row.category,
)


def feature_values(row: FindingRow) -> dict[str, Any]:
    """A finding as features of a point: numbers with the ends of their intervals, and words."""
    finding, bars = row.finding, row.bars or ErrorBars()
    measured, rule = finding.marked.measurement, row.guidance.rule
    x, y, z = measured.centre_mm
    return {
        "finding": finding.label,
        "name": finding.name,
        "x_mm": x,
        "y_mm": y,
        "z_mm": z,
        **_interval("longest_mm", measured.longest_mm, bars.longest_mm),
        **_interval("perpendicular_mm", measured.perpendicular_mm, bars.perpendicular_mm),
        **_interval("mean_mm", measured.mean_mm, bars.mean_mm),
        **_interval("volume_mm3", measured.partial_volume_mm3, bars.volume_mm3),
        "mean_hu": measured.mean_hu,
        "density": measured.density,
        "side": measured.side or "",
        **said_values(row),
        "rule": "" if rule is None else rule.name,
    }


def said_values(row: FindingRow) -> dict[str, Any]:
    """What guideline, prior and model say of a finding, as plain values."""
    rule, model = row.guidance.rule, row.finding.marked.model
    followed = row.followed
    change = None if followed is None else followed.change
    growth = None if change is None else change.growth
    return {
        "guideline": "" if rule is None else row.guidance.guideline,
        "category": "" if rule is None else str(rule.category or ""),
        "next": "" if rule is None else rule.next,
        "straddles": bool(row.guidance.straddles),
        "since_prior": "" if followed is None else followed.verdict,
        "volume_ratio": float("nan") if change is None or not change.ratio else change.ratio.value,
        "doubling_days": (growth and growth.doubling_days) or float("nan"),
        "outlined_by": "hand" if model is None else model.name,
        "model_sha256": "" if model is None else model.sha256,
    }


def colour_of(row: FindingRow, by: str) -> str:
    """The colour of a finding's outline when it tells something of `COLOURS_BY`."""
    if by == DENSITY:
        return _among(row.finding.marked.measurement.density, DENSITIES)
    if by == SIDE:
        return _among(row.finding.marked.measurement.side or "", ("right", "left"))
    if by == CHANGE:
        return _among("" if row.followed is None else row.followed.verdict, _VERDICTS)
    return finding_colour(row.finding.label)


_VERDICTS = ("grown", "new", "shrunk", "within the error bars")
"""Those with a colour of their own; all others are grey."""


def _among(value: str, values: tuple[str, ...]) -> str:
    return FINDING_COLOURS[values.index(value)] if value in values else MIDDLE


def _interval(name: str, value: float, interval: Interval | None) -> dict[str, float]:
    nan = float("nan")
    low, high = (nan, nan) if interval is None else (interval.low, interval.high)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
