"""A table of very many rows, of which several can be chosen; headings sort it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from qtpy.QtGui import QGuiApplication, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_vaemed.plugin.parts.table import fit_height, show_rows_only, tabbed

Index: TypeAlias = QModelIndex | QPersistentModelIndex
MARGIN = 16
FRAME = 22
"""Pixels of border and of the scroll bar beneath."""
MEASURED = 200
"""Rows that a column's width is taken from."""


class RecordTable(QTableView):
    """Rows of values; each keeps the number it came with however it is sorted. Ctrl+C copies.

    Parameters
    ----------
    headings : sequence of str
    most : int
        How many rows are in sight at once.

    Signals
    -------
    highlighted : list of int
        The rows, as they came, that the user has chosen.
    opened : int
        The row that was double-clicked, or on which Enter was pressed.
    """

    highlighted = Signal(list)
    opened = Signal(int)

    def __init__(
        self, headings: Sequence[str], parent: QWidget | None = None, *, most: int = 7
    ) -> None:
        super().__init__(parent)
        self._most, self._filling = most, False
        self._model = _Rows(headings, self)
        self.setModel(self._model)
        show_rows_only(self)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSortingEnabled(True)
        self.setWordWrap(False)
        header = self.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.verticalHeader().setDefaultSectionSize(24)
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)
        self.activated.connect(self._on_activated)

    def fill(self, rows: Sequence[Sequence[Any]]) -> None:
        """Show these rows; numbers are sorted as such, None is an empty cell."""
        self._filling = True
        self._model.put(rows)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        room = self.fontMetrics().horizontalAdvance
        for column, heading in enumerate(self._model.headings):
            texts = [heading + "  ", *(_told(row[column]) for row in rows[:MEASURED])]
            self.setColumnWidth(column, max(map(room, texts)) + MARGIN)
        fit_height(self, self._most, frame=FRAME)
        self._filling = False

    def highlight(self, rows: Sequence[int]) -> None:
        """Show rows, as they came, as chosen, without saying so."""
        places = sorted(place for row in rows if (place := self._model.place_of(row)) is not None)
        if places == sorted(index.row() for index in self.selectionModel().selectedRows()):
            return
        self._filling = True
        chosen, last = QItemSelection(), self._model.columnCount() - 1
        for place in places:
            chosen.select(self._model.index(place, 0), self._model.index(place, last))
        flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self.selectionModel().select(chosen, flag)
        if places:
            self.scrollTo(self._model.index(places[0], 0))
        self._filling = False

    def as_text(self) -> str:
        """The table with tabs between cells, as it is sorted."""
        lines = [self._model.headings, *([_told(v) for v in row] for row in self._model.sorted())]
        return tabbed(lines)

    def keyPressEvent(self, event: Any) -> None:
        """Copy the table."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.as_text())
        else:
            super().keyPressEvent(event)

    def _on_selection_changed(self) -> None:
        if not self._filling:
            chosen = self.selectionModel().selectedRows()
            self.highlighted.emit([self._model.row_at(index.row()) for index in chosen])

    def _on_activated(self, index: QModelIndex) -> None:
        self.opened.emit(self._model.row_at(index.row()))


class _Rows(QAbstractTableModel):
    """The rows and the order they are shown in."""

    def __init__(self, headings: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.headings = list(headings)
        self._rows: list[Sequence[Any]] = []
        self._order: list[int] = []
        self._places: dict[int, int] = {}

    def put(self, rows: Sequence[Sequence[Any]]) -> None:
        self.beginResetModel()
        self._rows = list(rows)
        self._arrange(list(range(len(rows))))
        self.endResetModel()

    def row_at(self, place: int) -> int:
        return self._order[place]

    def place_of(self, row: int) -> int | None:
        return self._places.get(row)

    def sorted(self) -> list[Sequence[Any]]:
        return [self._rows[row] for row in self._order]

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return len(self.headings)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        value = self._rows[self._order[index.row()]][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _told(value)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            text = isinstance(value, str)
            side = Qt.AlignmentFlag.AlignLeft if text else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        wanted = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return self.headings[section] if wanted else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if column < 0:
            return
        known = [r for r in range(len(self._rows)) if self._rows[r][column] is not None]
        known.sort(key=lambda row: self._rows[row][column],
                   reverse=order == Qt.SortOrder.DescendingOrder)  # fmt: skip
        unknown = [r for r in range(len(self._rows)) if self._rows[r][column] is None]
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = [self._order[index.row()] for index in before]
        self._arrange(known + unknown)
        after = [
            self.index(self._places[row], index.column())
            for row, index in zip(rows, before, strict=True)
        ]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _arrange(self, order: list[int]) -> None:
        self._order = order
        self._places = {row: place for place, row in enumerate(order)}


def _told(value: Any) -> str:
    if value is None:
        return ""
    return str(round(value, 2)) if isinstance(value, float) else str(value)
