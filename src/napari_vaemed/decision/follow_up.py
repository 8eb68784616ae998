"""Which guideline holds for a measured nodule, and what it says."""

from __future__ import annotations

from napari_vaemed.data.finding import ErrorBars, Measurement
from napari_vaemed.data.guideline import Context, Guidance, NoduleFacts
from napari_vaemed.data.interval import Interval
from napari_vaemed.decision.fleischner import fleischner
from napari_vaemed.decision.lung_rads import lung_rads
from napari_vaemed.decision.thresholds import unanswered


def follow_up(
    measured: Measurement,
    bars: ErrorBars | None,
    context: Context,
    *,
    by: str = "diameter",
    before: tuple[Measurement, ErrorBars | None, float] | None = None,
) -> Guidance:
    """Fleischner 2017 for an incidental nodule, Lung-RADS v2022 in screening.

    Parameters
    ----------
    bars : ErrorBars or None
        Without them the numbers are taken as they are; what cannot be measured gets no answer.
    by : {"diameter", "volume"}
        Which of the published limits to use.
    before : (Measurement, ErrorBars or None, months), optional
        The same nodule on an earlier scan.
    """
    if bars is not None and bars.refused is not None:
        return Guidance("Follow-up", refused=f"The nodule cannot be measured. {bars.refused}")
    if context.setting is None:
        return Guidance("Follow-up", asks=unanswered(context, "setting"))
    facts = facts_of(measured, bars, before)
    ask = lung_rads if context.setting == "screening" else fleischner
    return ask(facts, context, by=by)


def facts_of(
    measured: Measurement,
    bars: ErrorBars | None,
    before: tuple[Measurement, ErrorBars | None, float] | None = None,
) -> NoduleFacts:
    """What guidelines ask for, with intervals where there are some."""
    bars = bars or ErrorBars()
    solid = measured.solid
    solid_mm = None if solid is None else bars.solid_mm or Interval.exact(solid.mean_mm)
    solid_mm3 = None if solid is None else bars.solid_mm3 or Interval.exact(solid.volume_mm3)
    earlier, months = None, None
    if before is not None:
        was, its_bars, months = before
        earlier = (its_bars or ErrorBars()).mean_mm or Interval.exact(was.mean_mm)
    return NoduleFacts(
        density=measured.density,
        mean_mm=bars.mean_mm or Interval.exact(measured.mean_mm),
        volume_mm3=bars.volume_mm3 or Interval.exact(measured.partial_volume_mm3),
        solid_mm=solid_mm,
        solid_mm3=solid_mm3,
        before_mm=earlier,
        months=months,
    )
