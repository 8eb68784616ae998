"""Follow-up of incidental nodules: Fleischner Society 2017.

MacMahon et al., Radiology 2017;284:228–243, doi 10.1148/radiol.2017161659. Sizes are the mean of
the longest axis and its perpendicular, to the nearest millimetre, or volumes.
"""

from __future__ import annotations

from collections.abc import Callable

from napari_vaemed.data.guideline import Context, Guidance, NoduleFacts, Rule, Step
from napari_vaemed.data.interval import Interval
from napari_vaemed.decision.thresholds import (
    Graded,
    check_limits,
    rules_within,
    straddling,
    unanswered,
    words,
)

NAME = "Fleischner 2017"
SOURCE = "MacMahon, Radiology 2017;284:228, doi 10.1148/radiol.2017161659"
LIMITS = {"diameter": (6.0, 8.0), "volume": (100.0, 250.0)}
CLASSES = {
    "diameter": ("< 6 mm", "6–8 mm", "> 8 mm"),
    "volume": ("< 100 mm³", "100–250 mm³", "> 250 mm³"),
}
SIZES = {"diameter": "Mean diameter, to the nearest mm", "volume": "Volume"}
UNITS = {"diameter": "mm", "volume": "mm³"}
EXCLUSIONS = ("setting", "age_35", "cancer", "immune")

NO_FOLLOW_UP = "No routine follow-up"
OPTIONAL = "Optional CT at 12 months"
ABOVE_8 = "Consider CT at 3 months, PET/CT or tissue sampling"
SOLID = {
    ("single", "low"): (
        NO_FOLLOW_UP,
        "CT at 6–12 months, then consider CT at 18–24 months",
        ABOVE_8,
    ),
    ("single", "high"): (OPTIONAL, "CT at 6–12 months, then CT at 18–24 months", ABOVE_8),
    ("several", "low"): (NO_FOLLOW_UP, *["CT at 3–6 months, then consider CT at 18–24 months"] * 2),
    ("several", "high"): (OPTIONAL, *["CT at 3–6 months, then CT at 18–24 months"] * 2),
}
"""What follows below 6 mm, from 6 to 8 mm and above 8 mm, by number and risk."""

GROUND_GLASS = "CT at 6–12 months to confirm it persists, then every 2 years until 5 years"
PART_SOLID = (
    "CT at 3–6 months to confirm it persists; if unchanged and the solid part stays below 6 mm, "
    "yearly CT for 5 years"
)
SOLID_PART = (
    "CT at 3–6 months to confirm it persists; a solid part of 6 mm or more that persists is highly "
    "suspicious"
)
SEVERAL_SMALL = "CT at 3–6 months; if stable consider CT at 2 and 4 years"
SEVERAL_LARGE = "CT at 3–6 months; then by the most suspicious nodule"


def fleischner(nodule: NoduleFacts, context: Context, *, by: str = "diameter") -> Guidance:
    """What Fleischner 2017 recommends for a nodule, or what has to be answered first.

    Parameters
    ----------
    by : {"diameter", "volume"}
        Which of the published limits to use.

    Raises
    ------
    ValueError
        When the limits of volumes are asked for and no volume was measured.
    """
    check_limits(by, LIMITS)
    reason = _excluded(context)
    if reason is not None:
        return Guidance(NAME, refused=reason)
    asks = unanswered(context, *EXCLUSIONS)
    if nodule.density == "calcified":
        asks += unanswered(context, "pattern")
        if context.pattern == "benign":
            return Guidance(NAME, refused="The table is not for nodules that are calcified in a "
                            "benign pattern or hold fat.")  # fmt: skip
    solid = nodule.density in ("solid", "calcified")
    if asks:
        return Guidance(NAME, asks=(*asks, *unanswered(context, "several")))
    if context.several is None:
        return Guidance(NAME, asks=unanswered(context, "several", *(("risk",) if solid else ())))
    if not solid:
        return _subsolid(nodule, context, by)
    found = {risk: _solid(nodule, context, risk, by) for risk in ("low", "high")}
    if context.risk is not None:
        return found[context.risk]
    if {rule.next for rule in found["low"].rules} == {rule.next for rule in found["high"].rules}:
        return found["low"]
    return Guidance(NAME, asks=unanswered(context, "risk"))


def _excluded(context: Context) -> str | None:
    """Why the table does not hold for this patient."""
    if context.setting == "screening":
        return "Fleischner 2017 is not for lung cancer screening; Lung-RADS is."
    if context.age_35 is False:
        return "Fleischner 2017 is not for patients younger than 35 years."
    if context.cancer:
        return "Fleischner 2017 is not for patients with a known cancer."
    if context.immune:
        return "Fleischner 2017 is not for patients whose immune system is suppressed."
    return None


def _solid(nodule: NoduleFacts, context: Context, risk: str, by: str) -> Guidance:
    count = "several" if context.several else "single"

    def line(value: float) -> Rule:
        at = _class(value, by)
        nodules = f"{count} solid nodule{'s' if context.several else ''}"
        name = f"{nodules}, {risk} risk, {CLASSES[by][at]}"
        return Rule(name, SOLID[count, risk][at], f"{SOURCE}, table 1 A (solid)")

    told = [Step("Risk", words(context, "risk"))] if context.risk else []
    return _guidance(nodule, context, line, [(SIZES[by], _number(nodule, by))], told, by)


def _subsolid(nodule: NoduleFacts, context: Context, by: str) -> Guidance:
    limit = "100 mm³" if by == "volume" else "6 mm"
    source = f"{SOURCE}, table 1 B (subsolid)"

    def line(value: float, core: float = 0.0) -> Rule:
        small = _class(value, by) == 0
        size = f"{'<' if small else '≥'} {limit}"
        if context.several:
            then = SEVERAL_SMALL if small else SEVERAL_LARGE
            return Rule(f"several subsolid nodules, {size}", then, source)
        name = f"single {nodule.density} nodule, {size}"
        if small or nodule.density == "ground-glass":
            return Rule(name, NO_FOLLOW_UP if small else GROUND_GLASS, source)
        firm = _class(core, by) > 0
        name += f", solid part {'≥' if firm else '<'} {limit}"
        return Rule(name, SOLID_PART if firm else PART_SOLID, source)

    looked_at = [(SIZES[by], _number(nodule, by))]
    if nodule.density == "part-solid" and not context.several:
        core = nodule.solid_mm3 if by == "volume" else nodule.solid_mm
        if core is None:
            return Guidance(NAME, refused="The solid part of this nodule was not measured.")
        looked_at.append((f"{SIZES[by]}, of the solid part", core))
    return _guidance(nodule, context, line, looked_at, [], by)


def _guidance(
    nodule: NoduleFacts,
    context: Context,
    line: Callable[..., Rule],
    looked_at: list[tuple[str, Interval]],
    told: list[Step],
    by: str,
) -> Guidance:
    """Lay the table's limits on the numbers, and say how it came about."""
    numbers = [Graded(number, LIMITS[by], 1.0).values for _, number in looked_at]
    rules, both = rules_within(line, numbers), straddling(line, numbers)
    sizes = [
        Step(what, CLASSES[by][_class(values[0], by)], number, UNITS[by], straddles)
        for (what, number), values, straddles in zip(looked_at, numbers, both, strict=True)
    ]
    seen = "taken as solid" if nodule.density == "calcified" else nodule.density
    background = (
        Step("Setting", words(context, "setting")),
        Step("Age 35 or more, no known cancer, no immune suppression", "the table holds"),
        Step("Density", seen),
        Step("More than one nodule", words(context, "several")),
    )
    return Guidance(NAME, rules, (*background, *told, *sizes))


def _number(nodule: NoduleFacts, by: str) -> Interval:
    if by == "volume" and nodule.volume_mm3 is None:
        raise ValueError("Limits by volume need a volume; none was measured of this nodule.")
    return nodule.mean_mm if nodule.volume_mm3 is None or by != "volume" else nodule.volume_mm3


def _class(value: float, by: str) -> int:
    """0, 1 or 2: below the lower limit, up to the upper one, above."""
    small, large = LIMITS[by]
    return 0 if value < small else 1 if value <= large else 2
