"""What a frame need not wait for: napari's list of layers, thumbnails, and slow outlines."""

from __future__ import annotations

import weakref
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
from napari._qt.containers import QtLayerList
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_vaemed.plugin.workspace import qt_viewer_of

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session

FRAME_MS = 30
"""What need not be in the frame that shows an answer begins so much later."""
PAUSE_MS = 500
"""How long the list of layers and its thumbnails may lag behind the canvas."""


class Redrawing(QObject):
    """Makes images and labels of the main viewer cheaper to scroll through.

    With every slice napari makes thumbnails and paints its list of layers anew, and for that Qt
    puts the whole window together once more; outlines it finds by filters that take longer than
    to draw the slice.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._late: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._list_waits = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._catch_up)
        for layer in session.viewer.layers:
            self._lighten(layer)
        session.viewer.layers.events.inserted.connect(self._on_inserted)
        session.viewer.dims.events.point.connect(self._on_point)

    def put_off(self, layer: Layer) -> None:
        """Make a layer's thumbnail a little later."""
        self._late.add(layer)
        self._start()

    def _on_point(self, event: Any = None) -> None:
        if not self._list_waits:
            self._let_list_paint(False)
        self._start()

    def _start(self) -> None:
        if not self._pause.isActive():
            self._pause.start()

    def _on_inserted(self, event: Any) -> None:
        self._lighten(event.value)

    def _lighten(self, layer: Layer) -> None:
        if isinstance(layer, Labels):
            layer._calculate_contour = MethodType(outline_of, layer)
        if isinstance(layer, Image | Labels):
            mine = weakref.ref(self)  # a layer may outlive the window

            def later(layer: Layer) -> None:
                keeper = mine()
                if keeper is None:
                    type(layer)._update_thumbnail(layer)
                else:
                    keeper.put_off(layer)

            layer._update_thumbnail = MethodType(later, layer)

    def _catch_up(self) -> None:
        late, self._late = self._late, weakref.WeakSet()
        for layer in late:
            type(layer)._update_thumbnail(layer)
        if self._list_waits:
            self._let_list_paint(True)

    def _let_list_paint(self, on: bool) -> None:
        self._list_waits = not on
        around = qt_viewer_of(self._session.viewer)
        for shown in [] if around is None else around.window().findChildren(QtLayerList):
            shown.setUpdatesEnabled(on or shown.underMouse())  # there somebody may click on it


def outline_of(
    layer: Labels, labels: NDArray[Any], data_slice: tuple[slice, ...]
) -> NDArray[Any] | None:
    """Outlines of a slice of a labels layer, the same as napari's own.

    Thin ones are the voxels with a neighbour of another label; others are left to napari.
    """
    if layer.contour != 1 or labels.ndim != 2:
        outline: NDArray[Any] | None = Labels._calculate_contour(layer, labels, data_slice)
        return outline
    labels = np.ascontiguousarray(labels)
    edge = np.zeros(labels.shape, bool)
    for axis in range(2):
        here, there = np.moveaxis(edge, axis, 0), np.moveaxis(labels, axis, 0)
        differs = there[1:] != there[:-1]
        here[1:] |= differs
        here[:-1] |= differs
    return np.where(edge, labels, labels.dtype.type(layer.colormap.background_value))[data_slice]
