"""A gallery of nodules, each in three planes at one scale with a few lines; one click chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from qtpy.QtWidgets import QAbstractButton, QWidget

from napari_vaemed.plugin.parts.picture import grey_image, paint_slice, write_on_ct
from napari_vaemed.preprocessing.patch import middle_planes

PLANES = 3
GAP = 6
BETWEEN = 2
WORDS = 96
"""Least width of what is written beside the planes."""
LARGEST = 112
"""Largest edge of a plane, pixels."""
LINE = 15
TOP = 2
"""Above the first line where a chip stands beside it, pixels."""
CHIP_WIDTH, CHIP_HEIGHT = 24, 16


@dataclass(frozen=True, eq=False)
class Exhibit:
    """What one card shows.

    Parameters
    ----------
    hu : (z, y, x) int16
        A cube of CT in HU, 1 mm a voxel; its middle planes are shown.
    remark : str
        Small, in the first plane: what kind of picture it is.
    chip, chip_colour, chip_ink : str
        Short value on a coloured spot; without one the card is not there to be chosen.
    flag : str
        Small, in the first plane's lower left corner; may be empty.
    lines : texts
        Beside the planes, the first next to the chip; each cut to the room there is.
    foot : str
        Below the planes, over the whole width; may be empty.
    tooltip : str
    """

    hu: NDArray[np.int16]
    remark: str
    chip: str
    chip_colour: str
    chip_ink: str
    flag: str
    lines: tuple[str, ...]
    foot: str
    tooltip: str


class Gallery(QWidget):
    """Cards below each other, all at one mm scale and in one HU window.

    Parameters
    ----------
    limits : (low, high)
        HU that are drawn black and white.

    Signals
    -------
    chosen : int
        Which card was clicked.
    """

    chosen = Signal(int)

    def __init__(self, limits: tuple[float, float]) -> None:
        super().__init__()
        self.cards: list[Card] = []
        self.limits = limits

    def exhibit(self, exhibits: Sequence[Exhibit]) -> None:
        """Show these nodules."""
        for card in self.cards:
            card.hide()
            card.deleteLater()
        self.cards = [Card(each, self.limits, self) for each in exhibits]
        for place, card in enumerate(self.cards):
            card.clicked.connect(lambda _=False, place=place: self.chosen.emit(place))
            card.show()
        self._arrange()

    def show_window(self, limits: tuple[float, float]) -> None:
        """Draw all in another HU window."""
        if limits != self.limits:
            self.limits = limits
            for card in self.cards:
                card.show_window(limits)

    def mark(self, place: int | None) -> None:
        """Draw one card as the one spoken of."""
        for number, card in enumerate(self.cards):
            card.marked = number == place
            card.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the width there is."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        top = 0
        for card in self.cards:
            high = card.height_for(self.width())
            card.setGeometry(0, top, self.width(), high)
            top += high + GAP
        self.setFixedHeight(max(top - GAP, 0))


class Card(QAbstractButton):
    """Three planes of one nodule with its chip and lines."""

    def __init__(
        self, exhibit: Exhibit, limits: tuple[float, float], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.exhibit = exhibit
        self.marked = False
        self.setToolTip(exhibit.tooltip)
        self.setAccessibleName(" ".join((exhibit.chip, *exhibit.lines)))
        if exhibit.chip:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if exhibit.chip else Qt.FocusPolicy.NoFocus)
        self.show_window(limits)

    def show_window(self, limits: tuple[float, float]) -> None:
        """Draw the planes in another HU window."""
        self._planes: list[QImage] = [
            grey_image(plane, limits) for plane in middle_planes(self.exhibit.hu)
        ]
        self.update()

    def height_for(self, width: int) -> int:
        """Pixels that it needs at a width."""
        return self._above_foot(width) + (LINE if self.exhibit.foot else 0)

    def _above_foot(self, width: int) -> int:
        """Pixels of planes and lines, whichever are higher: in a narrow dock the lines are."""
        return max(_edge(width), TOP + LINE * len(self.exhibit.lines))

    def sizeHint(self) -> QSize:
        """The narrowest it is drawn."""
        return QSize(320, self.height_for(320))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw planes, chip, lines and focus."""
        shown, painter = self.exhibit, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = float(_edge(self.width()))
        for number, image in enumerate(self._planes):
            where = QRectF(number * (edge + BETWEEN), 0, edge, edge)
            remark = shown.remark if number == 0 else ("cor", "sag")[number - 1]
            paint_slice(painter, image, where, float(image.width()), remark, bar=number == 0)
        flag = QRectF(4, edge - 15, edge - 8, 12)
        write_on_ct(painter, flag, Qt.AlignmentFlag.AlignLeft, shown.flag)
        left = PLANES * (edge + BETWEEN) + 6
        if shown.chip:
            self._paint_chip(painter, QRectF(left, 1, CHIP_WIDTH, CHIP_HEIGHT))
        self._write(painter, left)
        if shown.chip and (self.hasFocus() or self.underMouse() or self.marked):
            ink = self.palette().buttonText().color()
            painter.setPen(QPen(ink if self.marked else QColor(shown.chip_colour), 3))
            painter.drawRect(QRectF(1, 1, PLANES * (edge + BETWEEN) - BETWEEN - 2, edge - 2))
        painter.end()

    def _write(self, painter: QPainter, left: float) -> None:
        # The style sheet rules the text colour, which the palette then holds.
        painter.setPen(self.palette().buttonText().color())
        font = QFont(self.font())
        font.setPointSizeF(8)
        painter.setFont(font)
        beside, top = (CHIP_WIDTH + 4.0, TOP) if self.exhibit.chip else (0.0, 0)
        for place, line in enumerate(self.exhibit.lines):
            x = left if place else left + beside
            room = self.width() - x
            fitted = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, int(room))
            where = QRectF(x, top + LINE * place, room, LINE)
            painter.drawText(where, Qt.AlignmentFlag.AlignLeft, fitted)
        font.setPointSizeF(7)
        painter.setFont(font)
        foot = QRectF(0, self._above_foot(self.width()) + 1, self.width(), LINE)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, self.exhibit.foot)

    def _paint_chip(self, painter: QPainter, where: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.exhibit.chip_colour))
        painter.drawRoundedRect(where, 4, 4)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(self.exhibit.chip_ink))
        font = QFont(self.font())
        font.setPointSizeF(8.5)
        font.setBold(True)
        painter.setFont(font)
        painter.drawText(where, Qt.AlignmentFlag.AlignCenter, self.exhibit.chip)

    def enterEvent(self, event: object) -> None:
        """Show that it can be clicked."""
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: object) -> None:
        """Back to rest."""
        self.update()
        super().leaveEvent(event)


def _edge(width: int) -> int:
    """Edge of a plane in a card of that width."""
    return max(min((width - WORDS) // PLANES - BETWEEN, LARGEST), 32)
