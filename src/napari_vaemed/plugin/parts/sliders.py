"""A slider over real numbers with its value beside it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

STEPS = 200


class ValueSlider(QWidget):
    """From ``low`` to ``high`` in 200 steps.

    Parameters
    ----------
    low, high : float
    text : str
        How the value is written beside it, a format.

    Signals
    -------
    moved : float
        The user moved it; `set_value` does not say so.
    """

    moved = Signal(float)

    def __init__(self, low: float, high: float, text: str = "{:+.2f}") -> None:
        super().__init__()
        self._text = text
        self._low, self._step = low, (high - low) / STEPS
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(10)
        self.value = QLabel()
        widest = self.value.fontMetrics().horizontalAdvance(text.format(high)) + 8
        self.value.setFixedWidth(max(52, widest))
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider, 1)
        row.addWidget(self.value)
        self.slider.valueChanged.connect(self._on_value_changed)

    def set_value(self, value: float) -> None:
        """Show a value; beyond the ends the slider stays at its end, the number tells all."""
        self.slider.blockSignals(True)
        self.slider.setValue(round((value - self._low) / self._step))
        self.slider.blockSignals(False)
        self.value.setText(self._text.format(value))

    def setToolTip(self, text: str) -> None:
        """On the slider and its number alike."""
        super().setToolTip(text)
        self.slider.setToolTip(text)

    def _on_value_changed(self, place: int) -> None:
        value = self._low + place * self._step
        self.value.setText(self._text.format(value))
        self.moved.emit(value)
