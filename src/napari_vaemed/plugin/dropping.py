"""A CT that is dropped on the window is read like one chosen in the dock: behind, to be stopped.

napari would call its readers at once, in the GUI thread, and the window would stand still.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QDragLeaveEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_vaemed.plugin.readers import are_slices_together, get_reader
from napari_vaemed.plugin.workspace import canvas_of

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session

NAPARIS_OWN = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
"""With one of these napari stacks files, or asks for a reader."""


class Dropping(QObject):
    """Takes what is dropped on the canvas when it is one thing that this plugin reads."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        canvas = canvas_of(session.viewer)
        for widget in () if canvas is None else _taking_drops(canvas):
            widget.installEventFilter(self)

    def eventFilter(self, widget: QObject, event: QEvent) -> bool:
        """Open it, or let napari do what it would."""
        if not isinstance(event, QDropEvent) or event.type() != QEvent.Type.Drop:
            return False
        path = _path_of(event)
        if path is None or get_reader(str(path)) is None:
            return False
        event.acceptProposedAction()
        QApplication.sendEvent(widget, QDragLeaveEvent())  # else the welcome stays lit up
        # What is dragged from waits for an answer until this returns.
        QTimer.singleShot(0, lambda: self._session.opening.choose(path))
        return True


def _taking_drops(canvas: QWidget) -> list[QWidget]:
    """What around the canvas takes drops, and what lies on it, as napari's welcome does."""
    found, around = canvas.findChildren(QWidget), canvas.parentWidget()
    while around is not None:
        found.append(around)
        around = around.parentWidget()
    return [widget for widget in found if widget.acceptDrops()]


def _path_of(event: QDropEvent) -> Path | None:
    """What is dropped, if it is one thing: a path, or slices of one folder."""
    urls = event.mimeData().urls()
    napari_is_asked = QApplication.keyboardModifiers() & NAPARIS_OWN
    if not urls or napari_is_asked or not all(url.isLocalFile() for url in urls):
        return None
    paths = [Path(url.toLocalFile()) for url in urls]
    return paths[0] if len(paths) == 1 or are_slices_together(paths) else None
