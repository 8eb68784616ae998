"""The skeleton every dock shares: title, message, results, a fold for settings, status strip."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_vaemed.plugin.parts.message import MessageLine
from napari_vaemed.plugin.parts.status import StatusStrip

Act = Callable[[], object]
Offer = tuple[str, str, "Act | tuple[Offer, ...]"]
"""A button: its text, its tooltip, and what it does, or the offers of the menu it opens."""


class Panel(QWidget):
    """A dock's skeleton; `add` fills it, `say_empty` puts a hint with a way out in its place.

    Parameters
    ----------
    title : str
    strip : StatusStrip
    style : function
        Gives the style sheet for the window's theme as it is now.
    """

    def __init__(self, title: str, strip: StatusStrip, style: Callable[[], str]) -> None:
        super().__init__()
        self.setObjectName(panel_name(title))
        self._style = style
        self.title = label(title, "title")
        self.subject = label("", "quiet")
        self.subject.setWordWrap(True)
        self.message = MessageLine()
        self.strip = strip
        self.empty = EmptyState()
        self.body = QVBoxLayout()
        self.body.setContentsMargins(0, 0, 4, 0)
        self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._pages = QStackedWidget()
        self._pages.addWidget(_scrolling(self.body))
        self._pages.addWidget(self.empty)
        self._under = 0
        self._docked = False
        self._instead: QWidget | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 8, 6)
        for widget in (self.title, self.subject, self.message):
            layout.addWidget(widget)
        layout.addWidget(self._pages, 1)
        layout.addWidget(strip)
        self.setMinimumWidth(320)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.restyle()

    def add(self, *widgets: QWidget) -> None:
        """Add widgets to the body, side by side when there are several."""
        if len(widgets) == 1:
            self.body.addWidget(widgets[0])
        else:
            self.body.addLayout(beside(*widgets))

    def heading(self, text: str) -> QLabel:
        """Add a heading to the body."""
        made = label(text, "heading")
        self.body.addWidget(made)
        return made

    def say_empty(self, text: str = "", *offers: Offer) -> None:
        """Show a hint and its buttons instead of the body; without a text show the body."""
        if text:
            self.empty.offer(text, offers)
        self._under = 1 if text else 0
        self._turn_page()

    def show_instead(self, widget: QWidget | None) -> None:
        """Show a widget in the place of body and hint for a while; None brings them back."""
        if widget is not None and self._pages.indexOf(widget) < 0:
            self._pages.addWidget(widget)
        self._instead = widget
        self._turn_page()

    @property
    def is_empty(self) -> bool:
        """Whether the hint is shown."""
        return bool(self._pages.currentIndex() == 1)

    def _turn_page(self) -> None:
        if self._instead is None:
            self._pages.setCurrentIndex(self._under)
        else:
            self._pages.setCurrentWidget(self._instead)

    def restyle(self) -> None:
        """Take the colours of the window's theme."""
        wanted = self._style()
        if wanted != self.styleSheet():
            self.setStyleSheet(wanted)

    def changeEvent(self, event: QEvent) -> None:
        """The window's theme may have changed, or the dock was closed."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and self.isVisible():
            self.restyle()
        elif event.type() == QEvent.Type.ParentChange:
            docked = self.parent() is not None
            if self._docked and not docked:  # a closed dock lets go of it and it would never end
                self.deleteLater()
            self._docked = docked


class EmptyState(QWidget):
    """A sentence that says what to do next, and buttons that do it."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.buttons: list[QPushButton] = []
        self._column = QVBoxLayout(self)
        self._column.addStretch(1)
        self._column.addWidget(self.text)
        self._column.addSpacing(8)
        self._column.addStretch(2)

    def offer(self, text: str, offers: tuple[Offer, ...]) -> None:
        """Show the text and these buttons."""
        self.text.setText(text)
        for old in self.buttons:
            self._column.removeWidget(old)
            old.deleteLater()
        self.buttons = [button(*each) for each in offers]
        for place, made in enumerate(self.buttons):
            made.setMinimumWidth(180)
            if place == 0:
                made.setProperty("kind", "main")
            self._column.insertWidget(3 + place, made, 0, Qt.AlignmentFlag.AlignHCenter)


def panel_name(title: str) -> str:
    """Qt's name of the panel with this title, to find it in a window."""
    return f"vaemed {title}"


def label(text: str, kind: str = "") -> QLabel:
    """A text of one of the style sheet's kinds."""
    made = QLabel(text)
    if kind:
        made.setProperty("kind", kind)
    return made


def set_kind(widget: QWidget, kind: str) -> None:
    """Draw a widget as another of the style sheet's kinds."""
    if widget.property("kind") != kind:
        widget.setProperty("kind", kind)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def button(
    text: str,
    tooltip: str,
    act: Act | tuple[Offer, ...],
    kind: str = "",
    *,
    holds: bool = False,
) -> QPushButton:
    """A button with its tooltip; one that ``holds`` stays down, and its slot is its own affair.

    Offers instead of an act make a menu under it.
    """
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.setCheckable(holds)
    if kind:
        made.setProperty("kind", kind)
    if callable(act):
        made.clicked.connect(lambda _=False: act())
    else:
        made.setMenu(_menu(act, made))
    return made


def _menu(offers: tuple[Offer, ...], parent: QWidget) -> QMenu:
    menu = QMenu(parent)
    menu.setToolTipsVisible(True)
    for text, tooltip, act in offers:
        action = menu.addAction(text)
        action.setToolTip(tooltip)
        action.triggered.connect(lambda _=False, act=act: act())
    return menu


def beside(*widgets: QWidget) -> QHBoxLayout:
    """Widgets side by side."""
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    return row


def in_grid(widgets: list[QWidget], columns: int) -> QGridLayout:
    """Widgets in rows of so many columns."""
    grid = QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setSpacing(4)
    for place, widget in enumerate(widgets):
        grid.addWidget(widget, place // columns, place % columns)
    return grid


def _scrolling(layout: QVBoxLayout) -> QScrollArea:
    inside = QWidget()
    inside.setLayout(layout)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    return area
