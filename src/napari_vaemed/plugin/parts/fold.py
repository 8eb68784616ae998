"""A heading that folds what stands under it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton, QVBoxLayout, QWidget

from napari_vaemed.plugin.parts.panel import beside, label

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session


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


class LateFold(Fold):
    """A fold whose inside is made when it is first opened."""

    def __init__(self, session: Session, title: str, tooltip: str) -> None:
        super().__init__(title, tooltip)
        self._session = session
        self._built = False
        self.head.toggled.connect(self._on_opened)

    def tell(self) -> None:
        """Follow the session, once there is an inside."""
        if self._built:
            self._tell()

    def _build(self) -> None:
        raise NotImplementedError

    def _tell(self) -> None:
        raise NotImplementedError

    def _on_opened(self, on: bool) -> None:
        if on and not self._built:
            self._build()
            self._built = True
            self.tell()

    def _row(self, text: str, widget: QWidget) -> None:
        row = beside(label(text, "quiet"), widget)
        row.setStretch(1, 1)
        self.body.addLayout(row)
