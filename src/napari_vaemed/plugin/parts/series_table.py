"""A table of what can be opened: a picture, a title and a line of facts in columns, in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QKeyEvent, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

PICTURE = 44
ROW = Qt.ItemDataRole.UserRole + 1
EDGE = 6
GROUP = 24
GREYED = 0.65
"""Opacity of what cannot be opened: still to be read, its reason above all."""
UPWARDS = (
    QAbstractItemView.CursorAction.MoveUp,
    QAbstractItemView.CursorAction.MovePageUp,
    QAbstractItemView.CursorAction.MoveHome,
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    group : str
        Rows of one group follow each other under its name.
    title : str
        Stands above the facts, over the whole width.
    facts : tuple of str
        One text for each heading.
    reason : str
        Why it cannot be opened, instead of the facts; empty when it can.
    remark : str
        What else is to be known before it is opened, below the facts.
    tooltip : str
    """

    group: str
    title: str
    facts: tuple[str, ...]
    reason: str = ""
    remark: str = ""
    tooltip: str = ""


class SeriesTable(QTreeWidget):
    """Rows under headings, in groups; one is chosen, Enter or a double click opens it.

    Parameters
    ----------
    headings : texts
        Of the facts.
    gives_way : int
        Which of them is cut short where there is little room.

    Signals
    -------
    opened : int
        Number of the row to open.
    chosen : nothing; another row is chosen, or none
    """

    opened = Signal(int)
    chosen = Signal()

    def __init__(
        self, headings: Sequence[str], gives_way: int, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setHeaderLabels(["Series", *headings])
        self.setIconSize(QSize(PICTURE, PICTURE))
        self.setRootIsDecorated(False)
        self.setItemsExpandable(False)
        self.setExpandsOnDoubleClick(False)
        self.setIndentation(0)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self._items: list[QTreeWidgetItem] = []
        self.itemDoubleClicked.connect(lambda item, _: self._open(item))
        self.itemSelectionChanged.connect(self.chosen)
        header = self.header()
        header.setSectionsMovable(False)
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(1 + gives_way, QHeaderView.ResizeMode.Stretch)
        self.setColumnWidth(0, PICTURE + EDGE)

    @property
    def row(self) -> int | None:
        """Number of the chosen row."""
        selected = self.selectedItems()
        return self._items.index(selected[0]) if selected else None

    def fill(self, rows: Sequence[Row], selected: int | None = None) -> None:
        """Show these rows, with one of them chosen."""
        self.clear()
        self._items = []
        group: QTreeWidgetItem | None = None
        for row in rows:
            if group is None or group.text(0) != row.group:
                group = self._add_group(row.group)
            self._items.append(_item_of(row, group))
        self.expandAll()
        if selected is not None:
            self.setCurrentItem(self._items[selected])

    def show_picture(self, number: int, image: QImage) -> None:
        """Put a picture before a row."""
        fitted = QPixmap.fromImage(image).scaled(
            PICTURE, PICTURE, Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )  # fmt: skip
        icon = QIcon(fitted)
        icon.addPixmap(fitted, QIcon.Mode.Selected)  # else it is tinted
        self._items[number].setIcon(0, icon)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the chosen row."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentItem():
            self._open(self.currentItem())
        else:
            super().keyPressEvent(event)

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """Pass over the groups' names and what cannot be opened."""
        index = super().moveCursor(action, modifiers)
        onwards = self.indexAbove if action in UPWARDS else self.indexBelow
        needed = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        while index.isValid() and index.flags() & needed != needed:
            index = onwards(index)
        return index if index.isValid() else self.currentIndex()

    def drawRow(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw the title above the facts, the remark below or the reason in their place."""
        super().drawRow(painter, option, index)
        row: Row | None = index.siblingAtColumn(0).data(ROW)
        if row is None:
            return
        painter.save()
        painter.setPen(self._ink(self.itemFromIndex(index)))
        line = painter.fontMetrics().height()
        where = QRect(option.rect).adjusted(self.columnWidth(0) + EDGE // 2, 0, -EDGE, 0)
        where.setTop(option.rect.center().y() - line * 3 // 2)
        if row.reason:
            below, wrap = where.adjusted(0, line, 0, 0), Qt.TextFlag.TextWordWrap
            painter.drawText(below, wrap, row.reason)
        else:
            _draw_line(painter, where.adjusted(0, 2 * line, 0, 0), row.remark)
            font = painter.font()
            font.setBold(True)
            painter.setFont(font)
        _draw_line(painter, where, row.title)
        painter.restore()

    def _ink(self, item: QTreeWidgetItem) -> QColor:
        role = QPalette.ColorRole.HighlightedText if item.isSelected() else QPalette.ColorRole.Text
        ink = self.palette().color(QPalette.ColorGroup.Active, role)
        if item.isDisabled():
            ink.setAlphaF(GREYED)
        return ink

    def _add_group(self, name: str) -> QTreeWidgetItem:
        group = QTreeWidgetItem(self, [name])
        group.setFirstColumnSpanned(True)
        group.setSizeHint(0, QSize(0, GROUP))
        group.setFlags(Qt.ItemFlag.ItemIsEnabled)
        font = group.font(0)
        font.setBold(True)
        group.setFont(0, font)
        return group

    def _open(self, item: QTreeWidgetItem) -> None:
        if item in self._items and not item.isDisabled():
            self.opened.emit(self._items.index(item))


def _item_of(row: Row, group: QTreeWidgetItem) -> QTreeWidgetItem:
    facts = ("",) * len(row.facts) if row.reason else row.facts
    item = QTreeWidgetItem(group, ["", *facts])
    item.setData(0, ROW, row)
    spoken = ", ".join(part for part in (row.title, *row.facts, row.reason, row.remark) if part)
    item.setData(0, Qt.ItemDataRole.AccessibleTextRole, spoken)
    item.setDisabled(bool(row.reason))
    item.setSizeHint(0, QSize(0, PICTURE + EDGE))
    for column in range(len(row.facts) + 1):
        item.setToolTip(column, row.tooltip)
        item.setTextAlignment(column, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return item


def _draw_line(painter: QPainter, where: QRect, text: str) -> None:
    fitted = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, where.width())
    painter.drawText(where, Qt.AlignmentFlag.AlignTop, fitted)
