"""A form: one row for each thing that can be set, what differs from its default in bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from qtpy.QtCore import QLocale, QSize, QTimer, Signal
from qtpy.QtGui import QDoubleValidator, QIntValidator, QResizeEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QWidget

from napari_vaemed.data.form import Field, Value
from napari_vaemed.plugin.parts.panel import label, set_kind

MOST = 2**31 - 1


class FormGrid(QWidget):
    """Rows of a name and an editor, in as many columns as there is room for, ``columns`` at most.

    Signals
    -------
    edited : nothing; the user changed a value
    """

    edited = Signal()

    def __init__(self, fields: Sequence[Field], columns: int = 1) -> None:
        super().__init__()
        self._fields = {field.name: field for field in fields}
        self.names = {field.name: label(field.name.replace("_", " "), "quiet") for field in fields}
        self.editors = {field.name: _editor(field) for field in fields}
        self._most, self._columns = columns, 0
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._fit)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        for field in fields:
            editor = self.editors[field.name]
            self.names[field.name].setBuddy(editor)
            _edited(editor).connect(partial(self._on_edited, field))
            self._mark(field)
        self._lay_out(columns)

    def minimumSizeHint(self) -> QSize:
        """As narrow as one column."""
        return QSize(self._width(1), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take as many columns as fit, soon: while it is resized nobody heeds its new height."""
        super().resizeEvent(event)
        self._soon.start()

    def _fit(self) -> None:
        fits = (n for n in range(self._most, 0, -1) if n == 1 or self._width(n) <= self.width())
        self._lay_out(next(fits))

    def _lay_out(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for place, (name, editor) in enumerate(self._pairs()):
            column, row = divmod(place, self._rows(columns))
            self._grid.addWidget(name, row, 2 * column)
            self._grid.addWidget(editor, row, 2 * column + 1)
        for column in range(self._most):
            self._grid.setColumnStretch(2 * column + 1, int(column < columns))

    def _width(self, columns: int) -> int:
        """Pixels that so many columns take at least."""
        pairs, rows = self._pairs(), self._rows(columns)
        total = (2 * columns - 1) * self._grid.horizontalSpacing()
        for first in range(0, len(pairs), rows):
            for column in zip(*pairs[first : first + rows], strict=True):
                total += max(max(w.minimumSizeHint().width(), w.minimumWidth()) for w in column)
        return total

    def _pairs(self) -> list[tuple[QWidget, QWidget]]:
        return [(self.names[name], self.editors[name]) for name in self._fields]

    def _rows(self, columns: int) -> int:
        return max(1, -(-len(self._fields) // columns))

    def values(self) -> dict[str, Value]:
        """What is set.

        Raises
        ------
        ValueError
            If a number is none.
        """
        return {name: _value(field, self.editors[name]) for name, field in self._fields.items()}

    def fill(self, values: Mapping[str, Any]) -> None:
        """Set values; names that are not here are passed over."""
        for name, field in self._fields.items():
            if name in values:
                _fill(self.editors[name], values[name])
                self._mark(field)

    def reset(self) -> None:
        """Set the defaults."""
        self.fill({name: field.default for name, field in self._fields.items()})

    @property
    def changed(self) -> list[str]:
        """Names of what differs from its default."""
        return [name for name, field in self._fields.items() if self._differs(field)]

    def _on_edited(self, field: Field, _: object = None) -> None:
        self._mark(field)
        self.edited.emit()

    def _mark(self, field: Field) -> None:
        """Bold where it differs; the default in the tooltip."""
        name, editor = self.names[field.name], self.editors[field.name]
        set_kind(name, "key" if self._differs(field) else "quiet")
        self._soon.start()  # bold is wider
        tip = f"{field.tip}\nDefault: {_told(field.default) or 'none'}".strip()
        for widget in (name, editor):
            widget.setToolTip(tip)

    def _differs(self, field: Field) -> bool:
        try:
            return _value(field, self.editors[field.name]) != field.default
        except ValueError:
            return True


def _editor(field: Field) -> QWidget:
    editor: QWidget
    if isinstance(field.default, bool):
        editor = QCheckBox()
    elif field.choices:
        editor = QComboBox()
        editor.addItems(field.choices)
    else:
        editor = QLineEdit()
        editor.setMinimumWidth(40)
        if isinstance(field.default, int):
            editor.setValidator(QIntValidator(-MOST, MOST, editor))
        elif isinstance(field.default, float):
            numbers = QDoubleValidator(editor)
            numbers.setLocale(QLocale.c())
            editor.setValidator(numbers)
    editor.setAccessibleName(field.name.replace("_", " "))
    _fill(editor, field.default)
    return editor


def _edited(editor: QWidget) -> Any:
    if isinstance(editor, QCheckBox):
        return editor.clicked
    return editor.activated if isinstance(editor, QComboBox) else editor.textEdited


def _fill(editor: QWidget, value: Value) -> None:
    if isinstance(editor, QCheckBox):
        editor.setChecked(bool(value))
    elif isinstance(editor, QComboBox):
        if editor.findText(str(value)) < 0:
            editor.addItem(str(value))
        editor.setCurrentText(str(value))
    elif isinstance(editor, QLineEdit):
        editor.setText(_told(value))
        editor.setCursorPosition(0)


def _value(field: Field, editor: QWidget) -> Value:
    if isinstance(editor, QCheckBox):
        return bool(editor.isChecked())
    if isinstance(editor, QComboBox):
        return str(editor.currentText())
    assert isinstance(editor, QLineEdit)
    text = editor.text().strip()
    kind = type(field.default)
    try:
        return kind(text)
    except ValueError:
        name, wanted = field.name.replace("_", " "), "whole " * (kind is int)
        raise ValueError(f"{name.capitalize()} must be a {wanted}number; got {text!r}.") from None


def _told(value: Value) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
