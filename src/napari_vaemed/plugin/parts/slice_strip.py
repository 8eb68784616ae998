"""A strip of coloured slices beneath a slider; a click or drag goes to one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QBrush,
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from qtpy.QtWidgets import (
    QScrollBar,
    QSizePolicy,
    QStyle,
    QStyleOptionSlider,
    QToolTip,
    QWidget,
)

HEIGHT = 24
MARK = 6
"""Pixels above the colours, for the marks."""


class SliceStrip(QWidget):
    """One column a slice, where the slider's handle stands for it.

    Parameters
    ----------
    colour : function
        Colour of a value, as ``"#rrggbb"``.
    ends : two texts
        What lies at the left and the right end.

    Signals
    -------
    chosen : int
        The slice the user went to.
    """

    chosen = Signal(int)

    def __init__(self, colour: Callable[[float], str], ends: tuple[str, str]) -> None:
        super().__init__()
        self._colour, self._ends = colour, ends
        self.values: NDArray[np.float32] = np.empty(0, np.float32)
        self.marked: NDArray[np.bool_] = np.empty(0, bool)
        self.about: Callable[[int], str] = str
        self.current: int | None = None
        self._cells: list[tuple[int, QColor]] = []
        self._span = (0.0, 1.0)
        self._slider: QScrollBar | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Slices by score")

    def show_slices(
        self,
        values: NDArray[np.float32],
        marked: NDArray[np.bool_],
        about: Callable[[int], str],
    ) -> None:
        """Show values (n,), NaN where there is none, and marks (n,) above some of them.

        ``about`` gives the tooltip of a slice.
        """
        self.values, self.marked, self.about = values, marked, about
        # Where slices are narrower than a pixel the highest is drawn last, so that none is lost.
        rising = np.argsort(values)[: int(np.isfinite(values).sum())]
        self._cells = [(int(n), QColor(self._colour(float(values[n])))) for n in rising]
        self.update()

    def set_current(self, index: int | None) -> None:
        """Show which slice is looked at."""
        if index != self.current:
            self.current = index
            self.update()

    def set_span(self, first: float, last: float) -> None:
        """Say where the first and the last slice lie on the slider's way, 0 to 1."""
        if (first, last) != self._span:
            self._span = (first, last)
            self.update()

    def lie_under(self, slider: QScrollBar | None) -> None:
        """Keep the columns below the handle of a slider; without one use the whole width."""
        if slider is not self._slider:
            if self._slider is not None:
                self._slider.removeEventFilter(self)
                self._slider.destroyed.disconnect(self._on_slider_gone)
            self._slider = slider
            if slider is not None:
                slider.installEventFilter(self)
                slider.destroyed.connect(self._on_slider_gone)
            self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Draw anew when the slider has moved or grown."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show):
            self.update()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        """As high as the slider above."""
        return QSize(200, HEIGHT)

    def centre_of(self, index: int) -> float:
        """Where the middle of a slice is drawn, in pixels from the left."""
        start, step = self._scale()
        return start + step * index

    def index_at(self, x: float) -> int | None:
        """Slice drawn at so many pixels from the left, the nearest beyond the ends."""
        if not len(self.values):
            return None
        start, step = self._scale()
        place = round((x - start) / step) if step else 0
        return min(max(place, 0), len(self.values) - 1)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the slices, the marks and the place looked at."""
        if not len(self.values):
            return
        painter = QPainter(self)
        start, step = self._scale()
        band = QRectF(start - step / 2, MARK, step * len(self.values), self.height() - MARK - 5)
        ink = self.palette().windowText().color()
        paint_hatched(painter, band, ink)  # what has a value is painted over it
        wide = max(step, 1.0)
        for index, colour in self._cells:
            left = start + step * (index - 0.5)
            painter.fillRect(QRectF(left, band.top(), wide, band.height()), colour)
        for index in np.flatnonzero(self.marked).tolist():
            paint_mark(painter, start + step * index, 0, ink)
        self._paint_ends(painter, band, ink)
        if self.current is not None:
            self._paint_current(painter, band, wide, ink)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DotLine))
            painter.drawRect(band.adjusted(-3, -1, 3, 1))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._choose(self.index_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the hand."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(self.index_at(event.position().x()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right go slice by slice, Home and End to the ends."""
        last, at = len(self.values) - 1, self.current or 0
        goals = {
            Qt.Key.Key_Left: at - 1,
            Qt.Key.Key_Right: at + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        if event.key() in goals:
            self._choose(min(max(goals[Qt.Key(event.key())], 0), last))
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Tell about the slice under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            index = self.index_at(event.pos().x())
            if index is not None:
                QToolTip.showText(event.globalPos(), self.about(index), self)
            return True
        return super().event(event)

    def _on_slider_gone(self) -> None:
        self._slider = None

    def _choose(self, index: int | None) -> None:
        if index is not None and index != self.current:
            self.chosen.emit(index)

    def _scale(self) -> tuple[float, float]:
        """Middle of the first slice and pixels from one to the next."""
        left, right = self._way()
        steps = len(self.values) - 1
        if steps < 1:
            return (left + right) / 2, right - left
        first, last = (left + share * (right - left) for share in self._span)
        return first, (last - first) / steps

    def _way(self) -> tuple[float, float]:
        """Where the slider's handle has its middle at both ends, in this widget's pixels."""
        slider = self._slider
        if slider is None or not slider.isVisible():
            return 14.0, self.width() - 14.0
        option = QStyleOptionSlider()
        slider.initStyleOption(option)
        groove, handle = (
            slider.style().subControlRect(QStyle.ComplexControl.CC_ScrollBar, option, part, slider)
            for part in (
                QStyle.SubControl.SC_ScrollBarGroove,
                QStyle.SubControl.SC_ScrollBarSlider,
            )
        )
        shift = self.mapFromGlobal(slider.mapToGlobal(groove.topLeft())).x()
        return shift + handle.width() / 2, shift + groove.width() - handle.width() / 2

    def _paint_ends(self, painter: QPainter, band: QRectF, ink: QColor) -> None:
        painter.setPen(ink)
        room = QRectF(band.left() - 24, band.top(), 20, band.height())
        side = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, side | Qt.AlignmentFlag.AlignRight, self._ends[0])
        room.moveLeft(band.right() + 4)
        painter.drawText(room, side | Qt.AlignmentFlag.AlignLeft, self._ends[1])

    def _paint_current(self, painter: QPainter, band: QRectF, wide: float, ink: QColor) -> None:
        x, foot = self.centre_of(self.current or 0), band.bottom()
        half = max(wide / 2, 2.0) + 1
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(ink, 2))
        painter.drawRect(QRectF(x - half, band.top() - 1, 2 * half, band.height() + 2))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawPolygon(
            QPolygonF([QPointF(x - 4, foot + 5), QPointF(x + 4, foot + 5), QPointF(x, foot)])
        )


def paint_hatched(painter: QPainter, where: QRectF, ink: QColor) -> None:
    """The sign for "no value"."""
    shade, lines = QColor(ink), QColor(ink)
    shade.setAlpha(35)
    lines.setAlpha(110)
    painter.fillRect(where, shade)
    painter.fillRect(where, QBrush(lines, Qt.BrushStyle.BDiagPattern))


def paint_mark(painter: QPainter, x: float, top: float, ink: QColor) -> None:
    """A small triangle that points down at ``x``."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    foot = QPointF(x, top + MARK - 1)
    painter.drawPolygon(QPolygonF([QPointF(x - 2.5, top), QPointF(x + 2.5, top), foot]))
