"""The HU window by name and by number: a button for each preset, level, width, and back again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDoubleSpinBox, QPushButton, QVBoxLayout, QWidget

from napari_vaemed.plugin.keys_page import spelled
from napari_vaemed.plugin.parts.panel import beside, button, in_grid, label
from napari_vaemed.plugin.theme import WINDOWS, Window
from napari_vaemed.plugin.windowing import LEVELS, WIDTHS

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session


class WindowControls(QWidget):
    """Shows and sets the window of the CT spoken of."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._windowing = session.windowing
        self.presets: dict[Window, QPushButton] = {}
        for window in WINDOWS:
            self.presets[window] = button(
                window.name, _tip(window), partial(self._on_preset, window), holds=True
            )
        self.level = _box(LEVELS, 10, "The HU shown as middle grey")
        self.width_ = _box(WIDTHS, 20, "How many HU lie between black and white")
        self.level.valueChanged.connect(self._on_number)
        self.width_.valueChanged.connect(self._on_number)
        self.back = button(
            "Reset",
            f"The window in which the CT was opened\nKey: {spelled('Alt-0')}",
            self._windowing.reset,
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(in_grid(list(self.presets.values()), 3))
        names = label("Level", "quiet"), label("Width", "quiet")
        layout.addLayout(beside(names[0], self.level, names[1], self.width_, self.back))
        self._windowing.window_changed.connect(self.tell)
        session.case_changed.connect(self.tell)
        self.tell()

    def tell(self) -> None:
        """Show the window as it is."""
        now = self._windowing.now
        for window, made in self.presets.items():
            made.setChecked(now == (window.level, window.width))
        for box, value in zip((self.level, self.width_), now or (0.0, 1.0), strict=True):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)

    def _on_preset(self, window: Window) -> None:
        self._windowing.set_window(window)
        self.tell()  # pressed again, the button stays down

    def _on_number(self, value: float) -> None:
        self._windowing.set_numbers(self.level.value(), self.width_.value())


def _tip(window: Window) -> str:
    low, high = window.limits
    return (
        f"{window.title}: {low:.0f} to {high:.0f} HU "
        f"(level {window.level:.0f}, width {window.width:.0f})\nKey: {spelled(window.key)}"
    )


def _box(ends: tuple[float, float], step: float, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(*ends)
    box.setDecimals(0)
    box.setSingleStep(step)
    box.setSuffix(" HU")
    box.setKeyboardTracking(False)
    box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)  # the arrow keys and the wheel do
    box.setToolTip(f"{tip}\nOr drag on the slice with the right mouse button")
    return box
