"""A heading that folds what stands under it away."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton, QVBoxLayout, QWidget


class Fold(QWidget):
    """A titled part of a dock that opens and closes; `body` is the layout to fill.

    Parameters
    ----------
    title, tooltip : str
    unfolded : bool
        Whether it starts open.
    """

    def __init__(self, title: str, tooltip: str, *, unfolded: bool = False) -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setText(title)
        self.head.setToolTip(tooltip)
        self.head.setProperty("kind", "fold")
        self.head.setCheckable(True)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.inside = QWidget()
        self.body = QVBoxLayout(self.inside)
        self.body.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.head)
        layout.addWidget(self.inside)
        self.head.toggled.connect(self._on_toggled)
        self.head.setChecked(unfolded)
        self._on_toggled(unfolded)

    def unfold(self, on: bool = True) -> None:
        """Open it, or close it."""
        self.head.setChecked(on)

    def _on_toggled(self, on: bool) -> None:
        self.head.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self.inside.setVisible(on)
