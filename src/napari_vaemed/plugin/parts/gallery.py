"""A gallery of pictures with captions; one click chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from qtpy.QtWidgets import QAbstractButton, QWidget

from napari_vaemed.plugin.parts.picture import paint_slice, write_on_ct

NARROWEST = 96
CAPTION = 38
GAP = 6


@dataclass(frozen=True, eq=False)
class Exhibit:
    """What one card shows.

    Parameters
    ----------
    image : QImage
    mm_wide : float
        How many mm the picture is wide, for its scale bar.
    remark : str
        Small, in the picture: what kind of picture it is.
    chip, chip_colour, chip_ink : str
        Short value on a coloured spot.
    flag : str
        Small, in the picture's lower left corner; may be empty.
    lines : two texts
        Below the picture.
    tooltip : str
    """

    image: QImage
    mm_wide: float
    remark: str
    chip: str
    chip_colour: str
    chip_ink: str
    flag: str
    lines: tuple[str, str]
    tooltip: str


class Gallery(QWidget):
    """Cards in as many columns as fit.

    Signals
    -------
    chosen : int
        Which card was clicked.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[Card] = []

    def exhibit(self, exhibits: Sequence[Exhibit]) -> None:
        """Show these pictures."""
        for card in self.cards:
            card.hide()
            card.deleteLater()
        self.cards = [Card(each, self) for each in exhibits]
        for place, card in enumerate(self.cards):
            card.clicked.connect(lambda _=False, place=place: self.chosen.emit(place))
            card.show()
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the width there is."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        columns = max(2, (self.width() + GAP) // (NARROWEST + GAP))
        side = (self.width() - (columns - 1) * GAP) // columns
        high = side + CAPTION
        for place, card in enumerate(self.cards):
            row, column = divmod(place, columns)
            card.setGeometry(column * (side + GAP), row * (high + GAP), side, high)
        rows = -(-len(self.cards) // columns)
        self.setFixedHeight(max(rows * (high + GAP) - GAP, 0))


class Card(QAbstractButton):
    """One picture with its chip and two lines."""

    def __init__(self, exhibit: Exhibit, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.exhibit = exhibit
        self.setToolTip(exhibit.tooltip)
        self.setAccessibleName(f"{exhibit.chip} {exhibit.lines[0]} {exhibit.lines[1]}")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """The narrowest it is drawn."""
        return QSize(NARROWEST, NARROWEST + CAPTION)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw picture, chip, lines and focus."""
        shown, painter = self.exhibit, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        side = float(self.width())
        paint_slice(painter, shown.image, QRectF(0, 0, side, side), shown.mm_wide, shown.remark)
        flag = QRectF(4, side - 15, side - 8, 12)
        write_on_ct(painter, flag, Qt.AlignmentFlag.AlignLeft, shown.flag)
        self._paint_chip(painter, QRectF(side - 32, 4, 28, 17))
        # The style sheet rules the text colour, which the palette then holds.
        painter.setPen(self.palette().buttonText().color())
        font = QFont(self.font())
        font.setPointSizeF(8)
        painter.setFont(font)
        for place, line in enumerate(shown.lines):
            where = QRectF(0, side + 3 + 16 * place, side, 16)
            fitted = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideLeft, int(side))
            painter.drawText(where, Qt.AlignmentFlag.AlignLeft, fitted)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(QColor(shown.chip_colour), 2))
            painter.drawRect(QRectF(1, 1, side - 2, side - 2))
        painter.end()

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
