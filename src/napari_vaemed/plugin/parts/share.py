"""A bar cut into coloured shares."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vaemed.plugin.theme import ink_on


class ShareBar(QWidget):
    """Counts as lengths, each with its number on its colour."""

    def __init__(self) -> None:
        super().__init__()
        self._shares: list[tuple[int, str]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_shares(self, shares: Sequence[tuple[int, str]]) -> None:
        """Show (count, colour) from left to right; zero counts take no room."""
        self._shares = [share for share in shares if share[0]]
        self.update()

    def sizeHint(self) -> QSize:
        """As high as a line of text."""
        return QSize(200, 18)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        total = sum(count for count, _ in self._shares)
        painter, left = QPainter(self), 0.0
        for count, colour in self._shares:
            width = self.width() * count / total
            where = QRectF(left, 0, width - 2, self.height())
            painter.fillRect(where, QColor(colour))
            painter.setPen(QColor(ink_on(colour)))
            painter.drawText(where, Qt.AlignmentFlag.AlignCenter, str(count))
            left += width
        painter.end()
