"""Pictures of a sweep: what each axis does to the AUC, and how the search went on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from napari_vaemed.data.sweep import Axis, Choice, Range, Space, SweepRow
from napari_vaemed.workflow.bench_pictures import (
    BENIGN,
    BETWEEN,
    FAINT,
    INK,
    MALIGNANT,
    PAPER,
    Picture,
    write_at,
)

WIDE, HIGH, EDGE = 420, 300, 56
"""Of one panel, and of the room for its scales, pixels."""


class _Panel:
    """A rectangle of a picture with the AUC upwards."""

    def __init__(
        self, draw: ImageDraw.ImageDraw, left: int, top: int, scale: tuple[float, float], title: str
    ) -> None:
        self.draw, self.left, self.top, self.scale = draw, left, top, scale
        write_at(draw, (left + EDGE, top + 4), title, size=15)
        for mark in np.linspace(*scale, 5):
            y = self.y(float(mark))
            draw.line((left + EDGE, y, left + WIDE - 12, y), fill=FAINT)
            write_at(draw, (left + 8, int(y) - 8), f"{mark:.3f}", size=13)

    def x(self, share: float) -> float:
        """Of a share of the width."""
        return self.left + EDGE + 16 + share * (WIDE - EDGE - 44)

    def y(self, area: float) -> float:
        """Of an AUC."""
        low, high = self.scale
        return self.top + 34 + (HIGH - 80) * (high - area) / (high - low)

    def dot(self, share: float, area: float, colour: tuple[int, int, int], radius: int = 4) -> None:
        """Mark a trial."""
        x, y = self.x(share), self.y(area)
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def below(self, share: float, text: str) -> None:
        """Write below a place, in its middle."""
        at = int(self.x(share)) - 3 * len(text), self.top + HIGH - 38
        write_at(self.draw, at, text, size=13)


def sweep_pictures(rows: Sequence[SweepRow], space: Space) -> dict[str, Picture]:
    """Objective by axis and history of the search, by file name; none before a trial is done."""
    told = [row for row in rows if row.auc is not None]
    if not told:
        return {}
    areas = [row.auc.value for row in told if row.auc]
    room = 0.1 * (max(areas) - min(areas)) + 0.002
    scale = min(areas) - room, max(areas) + room
    return {"axes": _axes(told, space, scale), "history": _history(told, scale)}


def _axes(rows: Sequence[SweepRow], space: Space, scale: tuple[float, float]) -> Picture:
    """A panel an axis: every trial's AUC, and the mean of the whole ones of each value."""
    axes = [axis for axis in space.axes if isinstance(axis, Range) or len(axis.values) > 1]
    across = min(3, max(1, len(axes)))
    down = max(1, -(-len(axes) // across))
    image = Image.new("RGB", (across * WIDE, down * HIGH), PAPER)
    draw = ImageDraw.Draw(image)
    for place, axis in enumerate(axes):
        left, top = (place % across) * WIDE, (place // across) * HIGH
        panel = _Panel(draw, left, top, scale, f"AUC by {axis.name}")
        for share, text in _marks(axis):
            panel.below(share, text)
        for row in rows:
            assert row.auc is not None
            share = _share(axis, row.values[axis.name])
            panel.dot(share, row.auc.value, BENIGN if row.state == "whole" else BETWEEN)
        if isinstance(axis, Choice):
            _means(panel, axis, rows)
    return np.asarray(image)


def _means(panel: _Panel, axis: Choice, rows: Sequence[SweepRow]) -> None:
    for value in axis.values:
        some = [
            row.auc.value
            for row in rows
            if row.auc and row.state == "whole" and row.values[axis.name] == value
        ]
        if some:
            x, y = panel.x(_share(axis, value)), panel.y(float(np.mean(some)))
            panel.draw.line((x - 22, y, x + 22, y), fill=MALIGNANT, width=3)


def _history(rows: Sequence[SweepRow], scale: tuple[float, float]) -> Picture:
    """AUC of the trials in the order they were begun, and the best of the whole ones so far."""
    image = Image.new("RGB", (WIDE, HIGH), PAPER)
    draw = ImageDraw.Draw(image)
    panel = _Panel(draw, 0, 0, scale, "AUC by trial; grey: stopped early; line: best so far")
    last = max(row.number for row in rows) or 1
    best: tuple[float, float] | None = None
    for row in sorted(rows, key=lambda row: row.number):
        assert row.auc is not None
        whole, share = row.state == "whole", row.number / last
        panel.dot(share, row.auc.value, BENIGN if whole else BETWEEN)
        if whole:
            now = row.auc.value if best is None else max(best[1], row.auc.value)
            if best is not None:
                corner = panel.x(share), panel.y(best[1])
                draw.line((panel.x(best[0]), panel.y(best[1]), *corner), fill=INK, width=2)
                draw.line((*corner, corner[0], panel.y(now)), fill=INK, width=2)
            best = share, now
    panel.below(0.0, "0")
    panel.below(1.0, str(last))
    return np.asarray(image)


def _share(axis: Axis, value: object) -> float:
    """Where on the axis a value lies, 0 to 1."""
    if isinstance(axis, Choice):
        place = axis.values.index(value) if value in axis.values else 0
        return (place + 0.5) / len(axis.values)
    at, low, high = float(value), axis.low, axis.high  # type: ignore[arg-type]
    if axis.log:
        at, low, high = math.log(at), math.log(low), math.log(high)
    return (at - low) / (high - low)


def _marks(axis: Axis) -> list[tuple[float, str]]:
    if isinstance(axis, Choice):
        return [(_share(axis, value), f"{value}") for value in axis.values]
    return [(0.0, f"{axis.low:g}"), (1.0, f"{axis.high:g}{' (log)' if axis.log else ''}")]
