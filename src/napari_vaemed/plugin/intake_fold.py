"""What was done to the data on its way from the file to the screen, in a fold of a dock."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QLabel

from napari_vaemed.plugin.parts.fold import Fold
from napari_vaemed.plugin.parts.panel import button


class IntakeFold(Fold):
    """The intake report of a CT in lines, and a button that copies them."""

    def __init__(self) -> None:
        super().__init__(
            "What was done to your data",
            "How the slices were sorted, what was filled or resampled, and what saving restores",
        )
        self._lines: tuple[str, ...] = ()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.copy_button = button("Copy", "Copy these lines to the clipboard", self.copy)
        self.body.addWidget(self.text)
        self.body.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignLeft)

    def tell(self, lines: tuple[str, ...]) -> None:
        """Show these lines; without any the fold is hidden."""
        self.setVisible(bool(lines))
        self._lines = lines
        self.text.setText(paragraphs(lines))

    def copy(self) -> None:
        """Copy the report to the clipboard."""
        QGuiApplication.clipboard().setText("\n".join(self._lines))


def paragraphs(lines: tuple[str, ...]) -> str:
    """Lines as Qt's rich text, set a little apart: each may run over several."""
    return "".join(f"<p style='margin: 0 0 4px 0'>{escape(line)}</p>" for line in lines)
