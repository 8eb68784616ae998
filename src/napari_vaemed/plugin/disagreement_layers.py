"""Both nodules of an entry as layers on the canvas, side by side at one mm scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_vaemed.plugin.cases import MADE
from napari_vaemed.plugin.theme import LUNG_WINDOW

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.plugin.disagreement import DisagreementDesk
    from napari_vaemed.plugin.session import Session

NAMES = ("In doubt", "Beside it")
GAP_MM = 4.0


class PairLayers(QObject):
    """Two small image layers that follow the desk while they are wanted."""

    def __init__(self, desk: DisagreementDesk, session: Session) -> None:
        super().__init__(desk)
        self._desk, self._session = desk, session
        self._layers: list[Layer] = []
        self.on = False

    def show(self, on: bool) -> None:
        """Show the layers from now on, or take them away."""
        self.on = on
        self.refresh()

    def refresh(self) -> None:
        """Show the nodules that are looked at now."""
        desk, viewer = self._desk, self._session.viewer
        there = [layer for layer in self._layers if layer in viewer.layers]
        if not self.on or desk.opened is None:
            for layer in there:
                viewer.layers.remove(layer)
            return
        rows = (desk.row, desk.other)
        found = [None if row is None else desk.opened.pictures.get(row) for row in rows]
        size = next((np.shape(picture) for picture in found if picture is not None), None)
        if size is None:
            return
        if len(there) < len(NAMES) or there[0].data.shape != size:
            self._show_anew(there, size)
        for layer, picture in zip(self._layers, found, strict=True):
            layer.visible = picture is not None
            if picture is not None:
                layer.data = picture  # new layers would take half a second
        viewer.dims.set_point(0, (size[0] - 1) / 2)

    def _show_anew(self, there: list[Layer], size: tuple[int, ...]) -> None:
        for layer in there:
            self._session.viewer.layers.remove(layer)
        self._layers = []
        for place, name in enumerate(NAMES):
            attributes = {
                "name": name,
                "colormap": "gray",
                "units": "mm",
                "contrast_limits": LUNG_WINDOW.limits,
                "translate": (0.0, 0.0, place * (size[2] + GAP_MM)),
                "metadata": {MADE: "disagreement"},
            }
            black = np.full(size, LUNG_WINDOW.limits[0], np.int16)
            self._layers.append(self._session.add((black, attributes, "image")))
        self._session.viewer.reset_view()
