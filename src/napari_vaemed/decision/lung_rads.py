"""Categories of nodules in lung cancer screening: ACR Lung-RADS v2022.

Christensen et al., CHEST 2024;165:738–753. Sizes are mean diameters to one decimal, or volumes to
the nearest mm³. The lines that are new in v2022 are marked as not compared with the original.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from napari_vaemed.data.guideline import Context, Guidance, NoduleFacts, Rule, Step
from napari_vaemed.data.interval import Interval
from napari_vaemed.decision.thresholds import (
    Graded,
    check_limits,
    rounded,
    rules_within,
    straddling,
    unanswered,
    words,
)

NAME = "Lung-RADS v2022"
SOURCE = "ACR Lung-RADS v2022, Christensen, CHEST 2024;165:738"
GROWTH_MM = 1.5
LIMITS = {
    "diameter": (4.0, 6.0, 8.0, 10.0, 15.0, 30.0),
    "volume": (34.0, 113.0, 268.0, 524.0, 1767.0, 14137.0),
}
"""Mean diameters in mm and the volumes of such spheres in mm³."""

UNITS = {"diameter": ("mm", 0.1), "volume": ("mm³", 1.0)}
NEXT = {
    "0": "Find the prior scan, complete or repeat this one, or CT in 1–3 months",
    "1": "Screening CT in 12 months",
    "2": "Screening CT in 12 months",
    "3": "CT in 6 months",
    "4A": "CT in 3 months; PET/CT may be considered from 8 mm solid",
    "4B": "Diagnostic CT, PET/CT, tissue sampling, referral",
    "4X": "Diagnostic CT, PET/CT, tissue sampling, referral",
}
SUSPECT = ("3", "4A", "4B")

Rows = tuple[tuple[float | None, str, str], ...]

SOLID: Rows = (
    (6, "2", "< 6 mm"),
    (8, "3", "≥ 6 to < 8 mm"),
    (15, "4A", "≥ 8 to < 15 mm"),
    (None, "4B", "≥ 15 mm"),
)
SOLID_NEW: Rows = (
    (4, "2", "< 4 mm"),
    (6, "3", "4 to < 6 mm"),
    (8, "4A", "6 to < 8 mm"),
    (None, "4B", "≥ 8 mm"),
)
SOLID_GROWING: Rows = ((8, "4A", "< 8 mm"), (None, "4B", "≥ 8 mm"))
SOLID_PART: Rows = (
    (6, "3", "solid part < 6 mm"),
    (8, "4A", "solid part ≥ 6 to < 8 mm"),
    (None, "4B", "solid part ≥ 8 mm"),
)
SOLID_PART_GROWS: Rows = (
    (4, "4A", "solid part new or growing, < 4 mm"),
    (None, "4B", "solid part new or growing, ≥ 4 mm"),
)
"""Rows of the table: below how many mm, category, and which line; the last has no limit."""


def lung_rads(nodule: NoduleFacts, context: Context, *, by: str = "diameter") -> Guidance:
    """The Lung-RADS category of a nodule, or what has to be answered first.

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
    if context.setting == "incidental":
        return Guidance(NAME, refused="Lung-RADS is for lung cancer screening only; Fleischner "
                        "2017 is for incidental nodules.")  # fmt: skip
    if context.setting is None:
        return Guidance(NAME, asks=unanswered(context, "setting"))
    incomplete = _incomplete(context)
    if incomplete is not None:
        return incomplete
    asks = unanswered(context, "scan", "complete", "infection", "lesion")
    if nodule.density == "calcified":
        asks += unanswered(context, "pattern")
    if asks:
        return Guidance(NAME, asks=asks)
    if context.lesion in ("airway", "cyst"):
        return Guidance(NAME, refused=f"{words(context, 'lesion')}: Lung-RADS has rules of its own "
                        "for it, which are not covered here.")  # fmt: skip
    if context.pattern == "benign":
        return _of_one(context, "1", "benign calcification or fat", "Pattern", "pattern")
    if nodule.density == "calcified":
        nodule = replace(nodule, density="solid")
    return _sized(nodule, context, by)


def growth(nodule: NoduleFacts) -> Interval | None:
    """Change of the mean diameter in mm, within 12 months; None without an earlier diameter.

    Over more than 12 months it is the mean change in 12; the errors of two scans are independent.
    """
    before, months = nodule.before_mm, nodule.months
    if before is None or months is None:
        return None
    share = min(1.0, 12 / months)
    now = nodule.mean_mm
    change = now.value - before.value
    down = ((now.value - now.low) ** 2 + (before.high - before.value) ** 2) ** 0.5
    up = ((now.high - now.value) ** 2 + (before.value - before.low) ** 2) ** 0.5
    return Interval(share * change, share * (change - down), share * (change + up))


def _incomplete(context: Context) -> Guidance | None:
    """Category 0, where anything asks for it."""
    for key, answer, why in (
        ("scan", "prior being located", "priors being located"),
        ("complete", False, "part of the lungs not shown"),
        ("infection", True, "findings that suggest infection or inflammation"),
    ):
        if getattr(context, key) == answer:
            return _of_one(context, "0", why, "Before any size", key)
    return None


def _of_one(context: Context, category: str, why: str, what: str, key: str) -> Guidance:
    """A category that needs no number."""
    return Guidance(NAME, (_rule(category, why),), (Step(what, words(context, key)),))


def _sized(nodule: NoduleFacts, context: Context, by: str) -> Guidance:
    """By size, and at a later scan by what it was before."""
    core = nodule.solid_mm3 if by == "volume" else nodule.solid_mm
    size = nodule.volume_mm3 if by == "volume" else nodule.mean_mm
    if size is None:
        raise ValueError("Limits by volume need a volume; none was measured of this nodule.")
    if nodule.density == "part-solid" and core is None:
        return Guidance(NAME, refused="The solid part of this nodule was not measured.")
    unit, step = UNITS[by]
    sizes = Graded(size, LIMITS[by], step).values
    cores = (0.0,) if core is None else Graded(core, LIMITS[by], step).values
    table = _table(nodule.density, context, by)
    histories = _histories(nodule, context)
    asks = unanswered(context, *_needed(histories, nodule.density, context))
    if asks:
        return Guidance(NAME, asks=asks)
    looked_at = [histories, sizes, cores]
    rules, both = rules_within(table, looked_at), straddling(table, looked_at)
    if any(rule.category in SUSPECT for rule in rules):
        if context.suspicious is None:
            return Guidance(NAME, asks=unanswered(context, "suspicious"))
        if context.suspicious:
            suspected = [_suspected(rule) for rule in rules]
            rules = tuple({(rule.category, rule.next): rule for rule in suspected}.values())
    steps = [
        Step("Scan", words(context, "scan")),
        Step("Kind", words(context, "lesion")),
        Step("Density", nodule.density),
    ]
    if context.scan == "follow-up":
        change = None if context.history else growth(nodule)
        steps.append(Step("Against the earlier scan", histories[0], change, "mm", both[0]))
    what = "Volume" if by == "volume" else "Mean diameter, to 0.1 mm"
    steps.append(Step(what, rules[0].name, size, unit, both[1]))
    if core is not None and nodule.density == "part-solid":
        steps.append(Step(f"{what}, of the solid part", rules[0].name, core, unit, both[2]))
    return Guidance(NAME, rules, tuple(steps))


def _histories(nodule: NoduleFacts, context: Context) -> tuple[str, ...]:
    """What became of it since the earlier scan, then what else the change's interval allows."""
    if context.scan == "baseline":
        return ("baseline",)
    change = growth(nodule)
    if context.history is not None or change is None or nodule.before_mm is None:
        return (context.history or "",)
    now, before = (rounded(v, 0.1) for v in (nodule.mean_mm.value, nodule.before_mm.value))
    rises = [mm for mm, _, _ in SOLID if mm is not None and before < mm <= now]
    slow = "crossed" if nodule.density == "solid" and rises else "stable"
    values = (change.value, change.low, change.high)
    return tuple(dict.fromkeys("growing" if v > GROWTH_MM else slow for v in values))


def _needed(histories: tuple[str, ...], density: str, context: Context) -> tuple[str, ...]:
    """The questions that decide between lines for such histories."""
    if not histories[0]:
        return ("history",)
    keys: tuple[str, ...] = ()
    if "growing" in histories and density == "part-solid":
        keys += ("solid_grows",)
    if "stable" in histories and density != "ground-glass":
        keys += ("before", "waited") if context.before in (None, "3", "4A") else ()
    return keys


def _table(density: str, context: Context, by: str) -> Callable[..., Rule]:
    """The lines for one density: a function of history, size and the solid part's size."""
    limit = dict(zip(LIMITS["diameter"], LIMITS[by], strict=True))

    def solid(history: str, size: float, core: float) -> Rule:
        if context.lesion == "juxtapleural" and history in ("baseline", "new") and size < limit[10]:
            return _rule("2", f"juxtapleural, smooth, < 10 mm, {history}", confirmed=False)
        if history == "stable":
            return _unchanged(context)
        rows = {"new": SOLID_NEW, "growing": SOLID_GROWING}.get(history, SOLID)
        return _row(rows, size, limit, f"solid, {_when(history)}")

    def part_solid(history: str, size: float, core: float) -> Rule:
        if history == "stable":
            return _unchanged(context)
        if history == "new" and size < limit[6]:
            return _rule("3", "part-solid, new, < 6 mm in all")
        if history == "new" or (history == "growing" and context.solid_grows):
            return _row(SOLID_PART_GROWS, core, limit, "part-solid")
        when = "solid part not growing" if history == "growing" else _when(history)
        if size < limit[6]:
            return _rule("2", f"part-solid, {when}, < 6 mm in all")
        return _row(SOLID_PART, core, limit, f"part-solid, {when}, ≥ 6 mm in all")

    def ground_glass(history: str, size: float, core: float) -> Rule:
        if size < limit[30]:
            return _rule("2", f"ground glass, < 30 mm, {history}", confirmed=history != "growing")
        if history in ("baseline", "new"):
            return _rule("3", f"ground glass, ≥ 30 mm, {history}")
        if history == "growing":
            name = f"ground glass, ≥ 30 mm, growing by more than {GROWTH_MM} mm in 12 months"
            return Rule(name, "The table has no line for this", SOURCE)
        return _rule("2", "ground glass, ≥ 30 mm, stable or slowly growing")

    return {"solid": solid, "part-solid": part_solid, "ground-glass": ground_glass}[density]


def _when(history: str) -> str:
    told = {"baseline": "at baseline", "crossed": "in a higher size class now"}
    return told.get(history, history)


def _row(rows: Rows, size: float, limit: dict[float, float], where: str) -> Rule:
    """The first row whose limit the size stays below; the last has none."""
    category, name = next((c, n) for mm, c, n in rows if mm is None or size < limit[mm])
    return _rule(category, f"{where}, {name}")


def _unchanged(context: Context) -> Rule:
    """Stable or smaller: it keeps its category, or steps down when its time is over."""
    if context.before == "1 or 2":
        return _rule("2", "stable, category 2 before")
    if context.before in ("3", "4A") and context.waited:
        months, lower = {"3": (6, "2"), "4A": (3, "3")}[context.before]
        name = f"category {context.before} stable or smaller at {months} months"
        return _rule(lower, name, confirmed=False)
    category = "4B" if context.before == "4B or 4X" else str(context.before)
    return _rule(category, f"stable, category {context.before} before, no step down yet")


def _suspected(rule: Rule) -> Rule:
    """The rule with further features that raise suspicion."""
    if rule.category not in SUSPECT:
        return rule
    name = f"{rule.name}; further features raise suspicion"
    return replace(rule, name=name, category="4X", next=NEXT["4X"])


def _rule(category: str, name: str, *, confirmed: bool = True) -> Rule:
    return Rule(name, NEXT[category], SOURCE, category, confirmed)
