"""A table of numbers that can be copied into a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QGuiApplication, QKeySequence, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)


class NumberTable(QTableWidget):
    """Rows of values under headings with units; Ctrl+C copies it.

    Parameters
    ----------
    headings : sequence of str
    most : int
        How many rows are in sight at once.

    Signals
    -------
    chosen : int
        The row the user went to.
    """

    chosen = Signal(int)

    def __init__(
        self, headings: Sequence[str], parent: QWidget | None = None, *, most: int = 6
    ) -> None:
        super().__init__(0, len(headings), parent)
        self._most = most
        self.setHorizontalHeaderLabels(list(headings))
        show_rows_only(self)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._filling = False
        self.itemSelectionChanged.connect(self._on_selection_changed)

    def fill(
        self,
        rows: Sequence[Sequence[str]],
        *,
        tooltips: Sequence[str] = (),
        colours: Sequence[str] = (),
        selected: int | None = None,
    ) -> None:
        """Show these rows; ``colours`` puts a spot before the first cell of each."""
        self._filling = True
        self.setRowCount(len(rows))
        for r, row in enumerate(rows):
            for c, text in enumerate(row):
                item = QTableWidgetItem(text)
                side = Qt.AlignmentFlag.AlignLeft if c == 0 else Qt.AlignmentFlag.AlignRight
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(tooltips[r] if tooltips else "")
                if c == 0 and colours:
                    item.setData(Qt.ItemDataRole.DecorationRole, _spot(colours[r]))
                self.setItem(r, c, item)
        fit_height(self, self._most, frame=4)
        self._filling = False
        self.choose(selected)

    def choose(self, row: int | None) -> None:
        """Show a row as chosen, or none, without saying so."""
        self._filling = True
        if row is None:
            self.clearSelection()
        else:
            self.selectRow(row)
        self._filling = False

    def copy(self) -> None:
        """Put the table into the clipboard."""
        QGuiApplication.clipboard().setText(self.as_text())

    def as_text(self) -> str:
        """The table with tabs between cells."""
        headings = [self.horizontalHeaderItem(c).text() for c in range(self.columnCount())]
        lines = [headings] + [
            [self.item(r, c).text() for c in range(self.columnCount())]
            for r in range(self.rowCount())
        ]
        return tabbed(lines)

    def keyPressEvent(self, event: object) -> None:
        """Copy the table."""
        if event.matches(QKeySequence.StandardKey.Copy):  # type: ignore[attr-defined]
            self.copy()
        else:
            super().keyPressEvent(event)

    def _on_selection_changed(self) -> None:
        rows = self.selectionModel().selectedRows()
        if rows and not self._filling:
            self.chosen.emit(rows[0].row())


def show_rows_only(table: QTableView) -> None:
    """Let whole rows be chosen and nothing be typed; Tab leaves the table."""
    table.verticalHeader().hide()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setTabKeyNavigation(False)
    table.horizontalHeader().setHighlightSections(False)


def fit_height(table: QTableView, most: int, *, frame: int) -> None:
    """As high as the rows it has, ``most`` of them at most, and ``frame`` pixels more."""
    rows = min(max(table.model().rowCount(), 1), most)
    height = table.horizontalHeader().sizeHint().height() + frame
    table.setFixedHeight(height + rows * table.verticalHeader().defaultSectionSize())


def tabbed(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells as a spreadsheet takes them from the clipboard."""
    return "\n".join("\t".join(line) for line in lines)


def _spot(colour: str) -> QPixmap:
    spot = QPixmap(10, 10)
    spot.fill(QColor(colour))
    return spot
