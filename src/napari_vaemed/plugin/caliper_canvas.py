"""One canvas that calipers are shown on: the main one, or one beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.plugin.caliper_layer import (
    CALIPERS,
    caliper_layer,
    fit_to_zoom,
    put_calipers,
    put_readings,
)
from napari_vaemed.plugin.layers import LayerData
from napari_vaemed.plugin.scrolling import axis_across

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from napari_vaemed.plugin.cases import Case

Put = Callable[["Case", str, LayerData], "Shapes"]


class CaliperCanvas:
    """Keeps a layer for each CT that shows its calipers in the plane of one canvas.

    Parameters
    ----------
    viewer : ViewerModel
    put : function or None
        Adds the layer of a CT; by default it is laid on top.
    turned : function
        Called when another plane is shown.
    """

    def __init__(self, viewer: ViewerModel, put: Put | None, turned: Callable[[], object]) -> None:
        self.viewer = viewer
        self.layers: WeakKeyDictionary[Case, Shapes] = WeakKeyDictionary()
        self.writing = False
        self._put = put or self._lay_on_top
        self._turned = turned
        viewer.dims.events.order.connect(self._on_order)
        for event in (viewer.scene.camera.events.zoom, viewer.scene.camera.events.orientation):
            event.connect(self._on_camera)

    @property
    def axis(self) -> int | None:
        """The axis its slices are counted along; None where it shows none of three axes."""
        return axis_across(self.viewer.dims)

    def show(
        self,
        case: Case,
        shown: tuple[MeasuredCaliper, ...],
        *,
        drawing: bool = False,
        make: bool = False,
    ) -> Shapes | None:
        """Show calipers of a CT, those in this canvas's plane; gives the layer if it is new.

        Parameters
        ----------
        drawing : bool
            Whether it is one of many such calls while the mouse moves.
        make : bool
            Whether to make a layer even when there is nothing to show.
        """
        axis, layer, new = self.axis, self.layers.get(case), None
        here = [each for each in shown if each.caliper.axis == axis]
        if axis is None or (layer is None and not here and not make):
            return None
        self.writing = True
        try:
            if layer is None:
                new = layer = self.layers[case] = self._put(
                    case, CALIPERS, caliper_layer(case, axis)
                )
            zoom, upwards = self._camera()
            put_calipers(layer, case, axis, here, zoom, upwards=upwards, drawing=drawing)
        finally:
            self.writing = False
        return new

    def tell(self, case: Case, now: tuple[MeasuredCaliper, ...]) -> None:
        """Write what calipers read beside their shapes, which are being moved."""
        layer = self.layers[case]
        self.writing = True
        try:
            put_readings(layer, [each for each in now if each.caliper.axis == self.axis])
        finally:
            self.writing = False

    def drop(self, case: Case) -> None:
        """Take the layer of a CT away."""
        layer = self.layers.pop(case, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def close(self) -> None:
        """Follow the canvas no longer."""
        camera = self.viewer.scene.camera.events
        self.viewer.dims.events.order.disconnect(self._on_order)
        for event in (camera.zoom, camera.orientation):
            event.disconnect(self._on_camera)
        for case in list(self.layers):
            self.drop(case)

    def _lay_on_top(self, case: Case, what: str, layer_data: LayerData) -> Shapes:
        from napari.layers import Layer

        active = self.viewer.layers.selection.active
        layer: Shapes = self.viewer.add_layer(Layer.create(*layer_data))
        self.viewer.layers.selection.active = active
        return layer

    def _camera(self) -> tuple[float, bool]:
        """Pixels of the screen per mm, and whether rows run up."""
        camera = self.viewer.scene.camera
        return float(camera.zoom), str(camera.orientation[1]) == "up"

    def _on_order(self, event: Any = None) -> None:
        self._turned()

    def _on_camera(self, event: Any = None) -> None:
        zoom, upwards = self._camera()
        self.writing = True
        try:
            for layer in self.layers.values():
                fit_to_zoom(layer, zoom, upwards=upwards)
                layer.refresh(thumbnail=False, extent=False)
        finally:
            self.writing = False


def drawing(viewer: Any) -> bool:
    """Whether one of napari's own tools is in hand: a brush, a shape."""
    return getattr(viewer.layers.selection.active, "mode", "pan_zoom") != "pan_zoom"
