"""A table of numbers whose rows have a name to edit, a box to tick, and an order to choose."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidgetItem, QWidget

from napari_vaemed.plugin.parts.table import NumberTable

MARGIN = 12


class NamedTable(NumberTable):
    """Its first column holds names: double click or F2 edits one, its box ticks the row.

    Clicking a heading asks for another order; whoever fills the table sorts.

    Parameters
    ----------
    headings : sequence of str
    widest : sequence of str
        A text as wide as any under each heading but the first, which takes what room is left.
    most : int
        How many rows are in sight at once.

    Signals
    -------
    renamed : int, str; the row and its new name
    ticked : int, bool; the row and whether its box is ticked
    sorted_by : int; the column whose heading was clicked
    """

    renamed = Signal(int, str)
    ticked = Signal(int, bool)
    sorted_by = Signal(int)

    def __init__(
        self, headings: Sequence[str], widest: Sequence[str], parent: QWidget | None = None, *,
        most: int = 10,
    ) -> None:  # fmt: skip
        super().__init__(headings, parent, most=most)
        self._names: list[str] = []
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        header = self.horizontalHeader()
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self.sorted_by)
        self.setWordWrap(False)
        for column, texts in enumerate(zip(headings[1:], widest, strict=True), 1):
            room = max(map(self.fontMetrics().horizontalAdvance, texts)) + MARGIN
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, room)
        self.itemChanged.connect(self._on_item_changed)

    def tick(self, ticks: Sequence[bool]) -> None:
        """Tick the rows' boxes; only names can be edited from now on."""
        self._filling = True
        for row in range(self.rowCount()):
            for column in range(self.columnCount()):
                item = self.item(row, column)
                if column:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                else:
                    on, off = Qt.CheckState.Checked, Qt.CheckState.Unchecked
                    item.setCheckState(on if ticks[row] else off)
        self._names = [self.item(row, 0).text() for row in range(self.rowCount())]
        self._filling = False

    def edit_name(self, row: int) -> None:
        """Let the user type a row's name."""
        self.editItem(self.item(row, 0))

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        if self._filling or item.column():
            return
        row, name = item.row(), item.text()
        if name != self._names[row]:
            self.renamed.emit(row, name)
        else:
            self.ticked.emit(row, item.checkState() == Qt.CheckState.Checked)
