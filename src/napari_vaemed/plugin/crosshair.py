"""Two lines on a canvas that meet at a point of the patient, and the gesture that carries them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from qtpy.QtCore import QEvent, QObject, QRect, Qt
from qtpy.QtWidgets import QFrame, QWidget

from napari_vaemed.plugin.theme import YELLOW

if TYPE_CHECKING:
    from napari.qt import QtViewer

    from napari_vaemed.plugin.ortho import ThreeViews

GAP_MM = 5.0
"""Radius around the point that stays free, so that the lines hide nothing there."""


class Crosshair(QObject):
    """The lines on one canvas.

    They are widgets that lie over the canvas: to move them it need not be drawn anew, which takes
    longer than all the rest.
    """

    def __init__(self, canvas: QtViewer) -> None:
        super().__init__()
        self._viewer, self._canvas = canvas.viewer, canvas.canvas.native
        self._point = np.zeros(3)
        self.bars = tuple(_bar(self._canvas.parentWidget()) for _ in range(4))
        self._canvas.installEventFilter(self)
        self._viewer.scene.camera.events.connect(self._place)

    def meet_at(self, point: ArrayLike) -> None:
        """Let the lines meet at a point of napari's world, (z, y, x) mm."""
        self._point = np.array(point, float)
        self._place()

    def close(self) -> None:
        """Take the lines away."""
        self._viewer.scene.camera.events.disconnect(self._place)
        self._canvas.removeEventFilter(self)
        for bar in self.bars:
            bar.hide()
            bar.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow a canvas that moves or changes its size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show):
            self._place()
        return False

    def where(self) -> tuple[float, float]:
        """Pixels of the canvas, to the right and down, at which the lines meet."""
        camera, size = self._viewer.scene.camera, self._canvas.size()
        down, right = (
            1.0 if str(end) in ("down", "right") else -1.0 for end in camera.orientation2d
        )
        row, column = self._point[list(self._viewer.dims.displayed[-2:])]
        return (
            size.width() / 2 + right * camera.zoom * (column - camera.center[-1]),
            size.height() / 2 + down * camera.zoom * (row - camera.center[-2]),
        )

    def _place(self, event: Any = None) -> None:
        area = self._canvas.geometry()
        x, y = (round(pixels) for pixels in self.where())
        x, y, gap = area.x() + x, area.y() + y, round(GAP_MM * self._viewer.scene.camera.zoom)
        ends = (
            QRect(area.left(), y, x - gap - area.left(), 1),
            QRect(x + gap, y, area.right() + 1 - x - gap, 1),
            QRect(x, area.top(), 1, y - gap - area.top()),
            QRect(x, y + gap, 1, area.bottom() + 1 - y - gap),
        )
        for bar, end in zip(self.bars, ends, strict=True):
            seen = end.intersected(area)
            bar.setVisible(not seen.isEmpty())
            bar.setGeometry(seen)


def _bar(parent: QWidget) -> QFrame:
    bar = QFrame(parent)
    bar.setStyleSheet(f"background-color: {YELLOW};")
    bar.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return bar


class Carrying:
    """While Shift is held the mouse carries the point where the planes meet, in any canvas.

    Moving is enough, so nothing that is clicked or painted gets in the way.
    """

    def __init__(self, views: ThreeViews, viewer: Any) -> None:
        self._views, self._viewer = views, viewer
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.mouse_drag_callbacks.append(self._on_press)

    def close(self) -> None:
        """Leave the canvas."""
        self._viewer.mouse_move_callbacks.remove(self._on_move)
        self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_move(self, viewer: Any, event: Any) -> None:
        if _held(event):
            self._views.put_point(event.position, event.dims_displayed)

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        active = viewer.layers.selection.active
        drawing = getattr(active, "mode", "pan_zoom") != "pan_zoom"
        if not _held(event) or event.button != 1 or drawing:
            return
        event.handled = True
        self._views.put_point(event.position, event.dims_displayed)
        yield
        while event.type == "mouse_move":
            self._views.put_point(event.position, event.dims_displayed)
            yield


def _held(event: Any) -> bool:
    return tuple(event.modifiers) == ("Shift",) and len(event.dims_displayed) == 2
