"""A finding's numbers and guideline lines in words, as the Nodule dock shows them."""

from __future__ import annotations

from napari_vaemed.data.finding import PERCENTILES, ErrorBars, Measurement
from napari_vaemed.data.guideline import Guidance, Rule, Step
from napari_vaemed.data.interval import Interval

UNCONFIRMED = "this line is from memory and was not compared with the original"

MODE_BUTTONS = (
    ("new", "New", "A click marks a new finding"),
    ("add", "Add", "Click or scribble on what the chosen finding lacks (else: Shift + click)"),
    ("remove", "Remove", "Click or scribble on what does not belong to the chosen finding, such "
     "as a vessel (else: Ctrl + click)"),
    ("box", "Box", "Drag a box around a nodule: the chosen one is made to fit it, another one "
     "becomes a finding"),
)  # fmt: skip
"""The modes of the Nodule tool, their buttons and what these are for."""

MODE_HINTS = {
    "new": "Click a nodule. A further click is a further finding; Shift + click adds to the chosen "
           "one, Ctrl + click takes away.",
    "add": "Click or scribble on what the chosen finding lacks.",
    "remove": "Click or scribble on what does not belong to the chosen finding.",
    "box": "Drag a box around a nodule.",
}  # fmt: skip
"""What to do in each."""


def size_cells(measured: Measurement, bars: ErrorBars | None) -> tuple[str, ...]:
    """Longest, perpendicular, volume and mean HU, with half the interval's width once known."""
    bars = bars or ErrorBars()
    return (
        told(measured.longest_mm, bars.longest_mm),
        told(measured.perpendicular_mm, bars.perpendicular_mm),
        told(measured.partial_volume_mm3, bars.volume_mm3, 0),
        f"{measured.mean_hu:.0f}",
    )


def told(value: float, interval: Interval | None, digits: int = 1) -> str:
    """For example ``"8.4±0.9"``: no spaces, the columns are narrow."""
    return (interval or Interval.exact(value)).text(digits).replace(" ", "")


def all_numbers(measured: Measurement, bars: ErrorBars | None) -> str:
    """Every number of a finding, in lines, each with the ends of its interval."""
    shown, solid = bars or ErrorBars(), measured.solid
    rows = [
        ("Longest", measured.longest_mm, shown.longest_mm, "mm"),
        ("Perpendicular", measured.perpendicular_mm, shown.perpendicular_mm, "mm"),
        ("Mean", measured.mean_mm, shown.mean_mm, "mm"),
        ("Longest in any direction", measured.longest_3d_mm, None, "mm"),
        ("Volume", measured.partial_volume_mm3, shown.volume_mm3, "mm³"),
    ]
    if solid is not None:
        rows += [("Solid part, mean", solid.mean_mm, shown.solid_mm, "mm"),
                 ("Solid part, volume", solid.volume_mm3, shown.solid_mm3, "mm³")]  # fmt: skip
    lines = [_line(*row) for row in rows]
    percent = ", ".join(
        f"{hu:.0f} ({p} %)" for p, hu in zip(PERCENTILES, measured.hu_percentiles, strict=True)
    )
    lines += [f"Voxels of the mask {measured.volume_mm3:.0f} mm³", f"HU {percent}",
              f"Sphericity {measured.sphericity:.2f}"]  # fmt: skip
    if bars is None:
        lines.append("Error bars follow.")
    elif bars.refused:
        lines.append(f"Cannot be measured. {bars.refused}")
    elif not bars.clicks:
        lines.append("Drawn by hand: the bars are those of its border alone.")
    return "\n".join(lines)


def in_short(measured: Measurement) -> str:
    """Rounded mean diameter, density, side and distance to the pleura."""
    parts = [f"{measured.rounded_mm} mm mean", measured.density]
    if measured.side is not None:
        parts.append(f"{measured.side} lung")
    if measured.pleura_mm is not None:
        parts.append(f"{measured.pleura_mm:.0f} mm to the pleura")
    return " · ".join(parts)


def guideline_lines(guidance: Guidance) -> tuple[str, ...]:
    """What a guideline says: the line that fired, then those the error bars reach."""
    if guidance.refused is not None:
        return (guidance.refused,)
    lines = [_outcome(rule) for rule in guidance.rules]
    if not lines:
        return ()
    lines[0] = f"{guidance.guideline}: {lines[0]}"
    return (lines[0], *(f"or, within the error bar: {line}" for line in lines[1:]))


def trace_lines(guidance: Guidance) -> tuple[str, ...]:
    """How a guideline came to its answer, step by step, with the source."""
    lines = [_step(step) for step in guidance.trace]
    for rule in guidance.rules:
        note = "" if rule.confirmed else f" ({UNCONFIRMED})"
        lines.append(f"→ {rule.name}: {_outcome(rule)}{note}")
    if guidance.rule is not None:
        lines.append(f"Source: {guidance.rule.source}")
    return tuple(lines)


def _outcome(rule: Rule) -> str:
    return rule.next if rule.category is None else f"category {rule.category}. {rule.next}"


def _step(step: Step) -> str:
    if step.number is None:
        return f"{step.what}: {step.followed}"
    ends = f" ({step.number.low:.1f} to {step.number.high:.1f})" if step.number.known else ""
    crosses = "; the error bar reaches across a limit" if step.straddles else ""
    return f"{step.what}: {step.number.value:.1f} {step.unit}{ends}, {step.followed}{crosses}"


def _line(name: str, value: float, interval: Interval | None, unit: str) -> str:
    digits = 0 if unit == "mm³" else 1
    text = f"{name} {value:.{digits}f} {unit}"
    if interval is None:
        return text
    return f"{text}, 95 %: {interval.low:.{digits}f} to {interval.high:.{digits}f}"
