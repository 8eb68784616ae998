"""A row of buttons of which one is down."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QWidget

from napari_vaemed.plugin.parts.panel import button


class ModeRow(QWidget):
    """Buttons that stand for modes.

    Parameters
    ----------
    modes : sequence of (mode, text, tooltip)

    Signals
    -------
    chosen : str, the mode whose button a person pressed
    """

    chosen = Signal(str)

    def __init__(self, modes: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__()
        self.buttons = {
            mode: button(text, tooltip, partial(self.chosen.emit, mode), holds=True)
            for mode, text, tooltip in modes
        }
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for made in self.buttons.values():
            self._group.addButton(made)
            row.addWidget(made)

    def show_mode(self, mode: str) -> None:
        """Put a mode's button down."""
        self.buttons[mode].setChecked(True)
