"""Choose one of several series in a dock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QKeyEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_vaemed.plugin.parts.panel import beside, button, label
from napari_vaemed.plugin.parts.series_table import Row, SeriesTable

if TYPE_CHECKING:
    from napari_vaemed.io.series import Series

HEADINGS = ("Kind", "Slices", "Spacing (mm)", "Kernel", "Date")
THIN = "\N{THIN SPACE}"
UNNAMED = "Series without a description"


class Chooser(QWidget):
    """A table of series with their pictures, and the buttons to open one or none.

    Signals
    -------
    opened : int
        Number of the series to open.
    put_away : nothing; the user wants none
    """

    opened = Signal(int)
    put_away = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.head = label("", "quiet")
        self.head.setWordWrap(True)
        self.table = SeriesTable(HEADINGS, gives_way=HEADINGS.index("Kernel"))
        self.table.setAccessibleName("Series found")
        self.open_button = button(
            "Open",
            "Open the series chosen above  (Enter, or a double click)",
            self._on_open,
            "main",
        )
        self.none_button = button("Cancel", "Open none of them  (Esc)", self.put_away.emit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 4)
        layout.addWidget(self.head)
        layout.addWidget(self.table, 1)
        layout.addLayout(beside(self.open_button, self.none_button))
        self.table.opened.connect(self.opened)
        self.table.chosen.connect(self._on_chosen)

    def offer(self, head: str, rows: Sequence[Row], selected: int | None) -> None:
        """Show these series, with one of them chosen."""
        self.head.setText(head)
        self.table.fill(rows, selected)
        self._on_chosen()

    def show_picture(self, number: int, grey: NDArray[np.uint8]) -> None:
        """Put a picture (h, w) before a series."""
        grey = np.ascontiguousarray(grey)
        high, wide = grey.shape
        image = QImage(grey.data, wide, high, wide, QImage.Format.Format_Grayscale8)
        self.table.show_picture(number, image)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape puts the table away."""
        if event.key() == Qt.Key.Key_Escape:
            self.put_away.emit()
        else:
            super().keyPressEvent(event)

    def _on_open(self) -> None:
        if self.table.row is not None:
            self.opened.emit(self.table.row)

    def _on_chosen(self) -> None:
        self.open_button.setEnabled(self.table.row is not None)


def rows_of(found: Sequence[Series]) -> list[Row]:
    """What the table says of each series: no names, patients and studies by number."""
    days: dict[tuple[int, int], str] = {}
    for series in found:
        key = series.patient_number, series.study_number
        days[key] = min(filter(None, (days.get(key), series.date)), default="")
    return [_row_of(series, days[series.patient_number, series.study_number]) for series in found]


def head_of(found: Sequence[Series]) -> str:
    """How many series of how many patients there are, and what to do."""
    patients = len({series.patient_number for series in found})
    usable = sum(not series.why_not for series in found)
    of = "one patient" if patients == 1 else f"{patients} patients"
    count = "1 series" if len(found) == 1 else f"{len(found)} series"
    ready = f"{usable} can be opened" if usable else "none is a CT that can be opened"
    return f"{count} of {of}; {ready}."


def _row_of(series: Series, day: str) -> Row:
    facts = (
        series.modality or "?",
        str(len(series.slices)),
        _millimetres(series),
        series.kernel,
        series.date,
    )
    known = [f"{name}: {fact}" for name, fact in zip(HEADINGS, facts, strict=True) if fact]
    lines = (series.description or UNNAMED, *known, *series.remarks, series.why_not)
    return Row(
        group=f"Patient {series.patient_number} · Study {day or series.study_number}",
        title=series.description or UNNAMED,
        facts=facts,
        reason=series.why_not,
        remark=" ".join(series.remarks),
        tooltip="\n".join(filter(None, lines)),
    )


def _millimetres(series: Series) -> str:
    """Spacing along x, y and z, as far as it is known."""
    if series.spacing is None:
        return ""
    z, y, x = series.spacing
    return f"{x:.2f} × {y:.2f} × {z:.3g}".replace(" ", THIN)
