"""What the colours of a strip mean."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vaemed.plugin.parts.slice_strip import paint_hatched, paint_mark

STOPS = 10


class ColourScale(QWidget):
    """A bar of colours between two values, then the sign for "no value" and the mark.

    Parameters
    ----------
    colour : function
        Colour of a share from 0 to 1, as ``"#rrggbb"``.
    ends : two texts
    without, mark : str
        What hatching and the mark stand for.
    """

    def __init__(
        self, colour: Callable[[float], str], ends: tuple[str, str], without: str, mark: str
    ) -> None:
        super().__init__()
        self._colour, self._ends, self._without, self._mark = colour, ends, without, mark
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(f"Colours from {ends[0]} to {ends[1]}; hatched: {without}; ▼: {mark}")

    def sizeHint(self) -> QSize:
        """As high as a line of text."""
        return QSize(240, 16)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter, ink = QPainter(self), self.palette().windowText().color()
        font = QFont(self.font())
        font.setPointSizeF(8)
        painter.setFont(font)
        x = self._write(painter, 0, self._ends[0])
        bar = QRectF(x, 3, max(self.width() * 0.28, 40), 10)
        colours = QLinearGradient(bar.topLeft(), bar.topRight())
        for stop in range(STOPS + 1):
            colours.setColorAt(stop / STOPS, QColor(self._colour(stop / STOPS)))
        painter.fillRect(bar, colours)
        x = self._write(painter, bar.right() + 4, self._ends[1]) + 8
        paint_hatched(painter, QRectF(x, 3, 16, 10), ink)
        x = self._write(painter, x + 20, self._without) + 8
        paint_mark(painter, x + 4, 5, ink)
        self._write(painter, x + 11, self._mark)
        painter.end()

    def _write(self, painter: QPainter, x: float, text: str) -> float:
        """Write a text; gives where the next may begin."""
        painter.setPen(self.palette().windowText().color())
        wide = painter.fontMetrics().horizontalAdvance(text)
        room = QRectF(x, 0, wide + 2, self.height())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        return room.right() + 4
