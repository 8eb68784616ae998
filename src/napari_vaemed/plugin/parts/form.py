"""A form: one row for each thing that can be set, what differs from its default in bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from qtpy.QtCore import QLocale, Signal
from qtpy.QtGui import QDoubleValidator, QIntValidator
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QWidget

from napari_vaemed.data.form import Field, Value
from napari_vaemed.plugin.parts.panel import label, set_kind

MOST = 2**31 - 1


class FormGrid(QWidget):
    """Rows of a name and an editor, in one or two columns.

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
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        rows = -(-len(fields) // columns)
        for place, field in enumerate(fields):
            column, row = divmod(place, rows)
            name, editor = self.names[field.name], self.editors[field.name]
            name.setBuddy(editor)
            grid.addWidget(name, row, 2 * column)
            grid.addWidget(editor, row, 2 * column + 1)
            grid.setColumnStretch(2 * column + 1, 1)
            _edited(editor).connect(partial(self._on_edited, field))
            self._mark(field)

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
