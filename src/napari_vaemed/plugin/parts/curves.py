"""Curves of a training: the whole loss large, each of its terms small."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vaemed.plugin.theme import ORANGE, SKY

LEARNED, HELD_OUT = "learned", "held out"
COLOURS = {LEARNED: SKY, HELD_OUT: ORANGE}
WHOLE_HIGH, TERM_HIGH, GAP = 132, 62, 8
COLUMNS = 2
LOG_FROM = 8.0
"""A curve that spans a larger ratio is drawn on a logarithmic scale."""


@dataclass(frozen=True)
class Curve:
    """A quantity by epoch: its name, and values of what was learned from and of what was not."""

    name: str
    values: Mapping[str, Sequence[float]]

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        every = [v for values in self.values.values() for v in values if math.isfinite(v)]
        return (min(every), max(every)) if every else (0.0, 1.0)

    @property
    def logarithmic(self) -> bool:
        """Whether it is drawn on a logarithmic scale."""
        low, high = self.span
        return low > 0 and high / low > LOG_FROM


def curves_of(
    learned: Sequence[Mapping[str, float]], held_out: Sequence[Mapping[str, float]]
) -> list[Curve]:
    """The whole loss, then its terms, from every epoch's mean of each term."""
    both = {LEARNED: learned, HELD_OUT: [terms for terms in held_out if terms]}
    whole = {of: [sum(terms.values()) for terms in epochs] for of, epochs in both.items()}
    names = list(learned[0]) if learned else []
    return [
        Curve("loss", whole),
        *(
            Curve(name, {of: [terms.get(name, math.nan) for terms in each]
                         for of, each in both.items()})
            for name in names
        ),
    ]  # fmt: skip


class Curves(QWidget):
    """Draws curves in the colours `COLOURS`, each with its last values in numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.curves: list[Curve] = []
        self._total = 1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Means of every epoch. Blue: what is learned from, varied anew each time. "
                        "Orange: patients held out, by the averaged weights. Terms are weighted; "
                        "their sum is the loss")  # fmt: skip

    def show_curves(self, curves: list[Curve], total: int) -> None:
        """Draw these, over as many epochs as there will be."""
        taller = len(curves) != len(self.curves)
        self.curves, self._total = curves, max(total, 2)
        if taller:
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """As high as the curves are many."""
        rows = -(-(len(self.curves) - 1) // COLUMNS) if self.curves else 0
        return QSize(300, WHOLE_HIGH + rows * (TERM_HIGH + GAP))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = (self.width() - GAP * (COLUMNS - 1)) / COLUMNS
        for place, curve in enumerate(self.curves):
            if place == 0:
                where = QRectF(0, 0, self.width(), WHOLE_HIGH)
            else:
                row, column = divmod(place - 1, COLUMNS)
                top = WHOLE_HIGH + GAP + row * (TERM_HIGH + GAP)
                where = QRectF(column * (width + GAP), top, width, TERM_HIGH)
            self._paint(painter, curve, where, large=place == 0)
        painter.end()

    def _paint(self, painter: QPainter, curve: Curve, where: QRectF, *, large: bool) -> None:
        line = QFontMetricsF(painter.font()).height()
        head = QRectF(where.left(), where.top(), where.width(), line)
        plot = where.adjusted(0.5, line + 2, -0.5, -0.5)
        ink = self.palette().windowText().color()
        frame = QColor(ink)
        frame.setAlphaF(0.25)
        painter.setPen(QPen(frame, 1))
        painter.drawRect(plot)
        painter.setPen(ink)
        scale = " (log)" if curve.logarithmic else ""
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, f"{curve.name}{scale}")
        right = head.right()
        for of in (HELD_OUT, LEARNED):
            values = curve.values.get(of, ())
            if values:
                said = f"{of} {values[-1]:.4g}" if large else f"{values[-1]:.3g}"
                right -= QFontMetricsF(painter.font()).horizontalAdvance(said)
                painter.setPen(self._readable(of))
                painter.drawText(QPointF(right, head.bottom() - 3), said)
                painter.setPen(QPen(self._readable(of), 1.6 if large else 1.2))
                painter.drawPolyline(self._points(curve, values, plot.adjusted(3, 3, -3, -3)))
                right -= 10

    def _readable(self, of: str) -> QColor:
        """The colour of a curve, darker on a bright ground."""
        colour = QColor(COLOURS[of])
        bright = self.palette().window().color().lightnessF() > 0.5
        return colour.darker(145) if bright else colour

    def _points(self, curve: Curve, values: Sequence[float], plot: QRectF) -> QPolygonF:
        low, high = curve.span
        if curve.logarithmic:
            low, high = math.log(low), math.log(high)
        reach = (high - low) or 1.0
        points = QPolygonF()
        for epoch, value in enumerate(values):
            if math.isfinite(value):
                told = math.log(value) if curve.logarithmic else value
                x = plot.left() + plot.width() * epoch / (self._total - 1)
                points.append(QPointF(x, plot.bottom() - plot.height() * (told - low) / reach))
        return points
