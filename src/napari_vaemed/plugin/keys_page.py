"""The page of keys and mouse: one window beside the viewer's, made from the table of keys."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_vaemed.plugin.docks import style_of
from napari_vaemed.plugin.main_window import main_window
from napari_vaemed.plugin.parts.panel import label

if TYPE_CHECKING:
    from napari_vaemed.plugin.keys import Gesture, Key
    from napari_vaemed.plugin.session import Session

NAME = "vaemed keys"
Row = tuple[str, str]


class KeysPage(QDialog):
    """Lists under headings what each key and each movement of the mouse does.

    Parameters
    ----------
    groups : mapping of heading to rows of (key or gesture, what it does)
    style : str
        Style sheet of the window's theme.
    """

    def __init__(
        self, groups: dict[str, list[Row]], style: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName(NAME)
        self.setWindowTitle("Keys and mouse")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setStyleSheet(style)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 14, 18, 14)
        layout.addWidget(label("Keys and mouse", "title"))
        columns = QHBoxLayout()
        columns.setSpacing(28)
        for column in _in_two(groups):
            columns.addLayout(_listed(column), 1)
        layout.addLayout(columns)
        layout.addStretch(1)
        hint = "In a field for text or numbers, keys type. Esc closes this page."
        layout.addWidget(label(hint, "quiet"))


def show_keys(session: Session, keys: Sequence[Key], gestures: Sequence[Gesture]) -> None:
    """Open the page beside the viewer's window, or close it when it is open."""
    window = main_window(session.viewer)
    if window is None:
        return
    there = window.findChild(KeysPage, NAME)
    if there is not None and there.isVisible():
        there.close()
    else:
        KeysPage(grouped(keys, gestures), style_of(session), window).show()


def grouped(keys: Sequence[Key], gestures: Sequence[Gesture]) -> dict[str, list[Row]]:
    """Rows of (key or gesture, what it does) by heading, in the table's order."""
    groups: dict[str, list[Row]] = {}
    for key in keys:
        groups.setdefault(key.about, []).append((spelled(key.key), key.what))
    for gesture in gestures:
        groups.setdefault(gesture.about, []).append((gesture.hand, gesture.what))
    return groups


def spelled(key: str) -> str:
    """A key in napari's spelling (``"Alt-1"``) as this system's menus spell it."""
    from napari.utils.key_bindings import coerce_keybinding

    mac = sys.platform == "darwin"
    return str(coerce_keybinding(key).to_text(use_symbols=mac, joinchar="" if mac else "+"))


def _in_two(groups: dict[str, list[Row]]) -> list[list[tuple[str, list[Row]]]]:
    """The groups in order in two columns, as alike in height as they can be."""
    items = list(groups.items())
    heights = [len(rows) + 1.5 for _, rows in items]
    cut = min(range(1, len(items) + 1), key=lambda n: abs(sum(heights[:n]) - sum(heights[n:])))
    return [items[:cut], items[cut:]]


def _listed(groups: list[tuple[str, list[Row]]]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(14)
    grid.setVerticalSpacing(3)
    grid.setColumnStretch(1, 1)
    for heading, rows in groups:
        grid.addWidget(label(heading, "heading"), grid.rowCount(), 0, 1, 2)
        for key, what in rows:
            at = grid.rowCount()
            grid.addWidget(label(key, "key"), at, 0, Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(QLabel(what), at, 1)
    grid.setRowStretch(grid.rowCount(), 1)
    return grid
