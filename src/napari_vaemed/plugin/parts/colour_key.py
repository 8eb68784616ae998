"""What the colours of a map mean, on the ground they are seen on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QLinearGradient, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

INK = "#D6D8DB"
LINE, CHIP, GAP, MARGIN = 17, 9, 12, 6
BAR_WIDTH = 110


@dataclass(frozen=True)
class Key:
    """What colours mean.

    Parameters
    ----------
    title : str
    stops : tuple of colours
        Of a scale of numbers, evenly spaced; empty for classes.
    ends : two texts
        At both ends of the scale.
    classes : tuple of (name, colour)
    more : int
        Classes that are not listed.
    unknown : (name, colour) or None
        Of what has no value; None where all have one.
    """

    title: str
    stops: tuple[str, ...] = ()
    ends: tuple[str, str] = ("", "")
    classes: tuple[tuple[str, str], ...] = ()
    more: int = 0
    unknown: tuple[str, str] | None = None


@dataclass(frozen=True)
class Sign:
    """A mark and what it stands for."""

    name: str
    edge: str
    fill: str = ""


Draw = Callable[[QPainter, QRectF], None]


class ColourKey(QWidget):
    """A scale or classes, and the marks, in as many lines as it takes.

    Parameters
    ----------
    ground : str
        Colour behind it.
    """

    def __init__(self, ground: str) -> None:
        super().__init__()
        self._ground = ground
        self.key: Key | None = None
        self.signs: tuple[Sign, ...] = ()
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def tell(self, key: Key | None, signs: tuple[Sign, ...], tooltip: str) -> None:
        """Show what these colours and marks mean."""
        if (key, signs) != (self.key, self.signs):
            self.key, self.signs = key, signs
            self.updateGeometry()
            self.update()
        self.setToolTip(tooltip)

    def sizeHint(self) -> QSize:
        """As high as it takes."""
        return QSize(300, self.heightForWidth(self.width()))

    def heightForWidth(self, width: int) -> int:
        """As many lines as fit so wide."""
        flowed = self._flow(width)
        lines = max((round(where.top()) // LINE for where, _ in flowed), default=0) + 1
        return lines * LINE + MARGIN

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(self._ground))
        painter.setFont(self._font())
        for where, draw in self._flow(self.width()):
            draw(painter, where)
        painter.end()

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(8)
        return font

    def _flow(self, width: int) -> list[tuple[QRectF, Draw]]:
        """Every item and its place, lines broken where the room ends."""
        x, y, placed = float(MARGIN), MARGIN / 2, []
        for wide, draw in self._items():
            if x > MARGIN and x + wide > width - MARGIN:
                x, y = float(MARGIN), y + LINE
            placed.append((QRectF(x, y, wide, LINE), draw))
            x += wide + GAP
        return placed

    def _items(self) -> list[tuple[float, Draw]]:
        key, items = self.key, list[tuple[float, Draw]]()
        if key is not None:
            items.append(self._text(key.title, bold=True))
            if key.stops:
                items.append(self._scale(key))
            items += [self._chip(name, colour, colour) for name, colour in key.classes]
            if key.more:
                items.append(self._text(f"and {key.more} more; colours repeat"))
            if key.unknown:
                name, colour = key.unknown
                items.append(self._chip(name, colour, colour))
        items += [self._chip(sign.name, sign.edge, sign.fill) for sign in self.signs]
        return items

    def _wide(self, text: str) -> float:
        return QFontMetricsF(self._font()).horizontalAdvance(text) + 2

    def _text(self, text: str, *, bold: bool = False) -> tuple[float, Draw]:
        def draw(painter: QPainter, where: QRectF) -> None:
            _write(painter, where, text, "#FFFFFF" if bold else INK)

        return self._wide(text), draw

    def _chip(self, name: str, edge: str, fill: str) -> tuple[float, Draw]:
        def draw(painter: QPainter, where: QRectF) -> None:
            painter.setPen(QPen(QColor(edge), 1.8))
            painter.setBrush(QColor(fill) if fill else Qt.BrushStyle.NoBrush)
            middle = QPointF(where.left() + CHIP / 2, where.center().y())
            painter.drawEllipse(middle, CHIP / 2 - 1, CHIP / 2 - 1)
            _write(painter, where.adjusted(CHIP + 4, 0, 0, 0), name, INK)

        return self._wide(name) + CHIP + 4, draw

    def _scale(self, key: Key) -> tuple[float, Draw]:
        low, high = (self._wide(end) for end in key.ends)

        def draw(painter: QPainter, where: QRectF) -> None:
            _write(painter, where, key.ends[0], INK)
            bar = QRectF(where.left() + low + 4, where.top() + 4, BAR_WIDTH, LINE - 8)
            colours = QLinearGradient(bar.topLeft(), bar.topRight())
            for place, colour in enumerate(key.stops):
                colours.setColorAt(place / (len(key.stops) - 1), QColor(colour))
            painter.fillRect(bar, colours)
            _write(painter, where.adjusted(low + BAR_WIDTH + 8, 0, 0, 0), key.ends[1], INK)

        return low + BAR_WIDTH + high + 8, draw


def _write(painter: QPainter, where: QRectF, text: str, ink: str) -> None:
    painter.setPen(QColor(ink))
    painter.drawText(where, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
