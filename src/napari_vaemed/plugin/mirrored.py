"""Layers of one viewer shown in another: the same arrays, cut in another plane.

A napari layer holds the slice it shows, so a second canvas needs layers of its own. These share
the arrays of the first ones, and what is set or painted on either is seen on both.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.events import disconnect_events
from napari.utils.events.event import WarningEmitter
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_vaemed.plugin.caliper_layer import CALIPERS
from napari_vaemed.plugin.cases import MADE, PREVIEW
from napari_vaemed.plugin.redrawing import outline_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

NOT_SHARED = {"name", "thumbnail", "mode", "scale_factor", "editable", "metadata"}
"""Properties that each layer has for itself, or that are followed in their own way."""
OF_ONE_CANVAS = {CALIPERS, PREVIEW}
"""Layers made for the plane of the main canvas, or for 3-D."""
REST_MS = 100
"""How long points and shapes are left alone before the side shows what was done to them."""


class MirroredLayers(QObject):
    """Keeps a second viewer's layers like those of the main one until it is closed.

    Images and labels follow both ways; points, shapes and all others are only shown.

    Parameters
    ----------
    main, side : ViewerModel
        ``side`` is empty; its layers belong to this object.
    """

    def __init__(self, main: ViewerModel, side: ViewerModel) -> None:
        super().__init__()
        self._main, self._side = main, side
        self._mirror: dict[Layer, Layer] = {}
        self._cut: dict[Layer, tuple[Any, ...]] = {}
        self._following = False
        self._stale: set[Layer] = set()
        self._old: set[Layer] = set()
        self._soon, self._later = self._timer(0, self._refresh), self._timer(REST_MS, self._renew)
        for layer in main.layers:
            self._add(layer)
        events = main.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        events.reordered.connect(self._on_reordered)
        main.layers.selection.events.active.connect(self._on_active)
        self._on_active()

    def close(self) -> None:
        """Follow no longer; the side's layers go with it."""
        self._soon.stop()
        self._later.stop()
        disconnect_events(self._main.layers.events, self)
        disconnect_events(self._main.layers.selection.events, self)
        for layer in list(self._mirror):
            self._let_go(layer)

    def of(self, layer: Layer) -> Layer:
        """The side's layer for one of the main viewer's."""
        return self._mirror[layer]

    def _timer(self, pause_ms: int, act: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(pause_ms)
        timer.timeout.connect(act)
        return timer

    # Layers that come, go and change places

    def _add(self, layer: Layer) -> None:
        if layer.metadata.get(MADE) in OF_ONE_CANVAS:
            return
        mirror = self._mirror[layer] = _mirror_of(layer)
        self._side.layers.append(mirror)
        self._cut[layer] = self._cut_now()
        if isinstance(layer, Image | Labels):
            for name in _shared(layer):
                layer.events[name].connect(self._on_changed)
                mirror.events[name].connect(self._on_changed)
            layer.events.set_data.connect(self._on_drawn)
        else:
            for name in _shared(layer):
                layer.events[name].connect(self._on_other_changed)
        if isinstance(layer, Labels):
            layer.events.mode.connect(self._on_mode)
            layer.events.labels_update.connect(self._on_painted)
            mirror.events.labels_update.connect(self._on_painted)

    def _let_go(self, layer: Layer) -> Layer:
        mirror = self._mirror.pop(layer)
        for old in (layer, mirror):
            disconnect_events(old.events, self)
        self._stale -= {layer, mirror}
        self._old.discard(layer)
        del self._cut[layer]
        return mirror

    def _on_inserted(self, event: Any) -> None:
        self._add(event.value)
        self._on_reordered()
        self._on_active()

    def _on_removed(self, event: Any) -> None:
        if event.value in self._mirror:  # else it is the one whose going closed this canvas
            self._side.layers.remove(self._let_go(event.value))

    def _on_reordered(self, event: Any = None) -> None:
        layers = self._side.layers
        mirrored = [layer for layer in self._main.layers if layer in self._mirror]
        for place, layer in enumerate(mirrored):
            now = layers.index(self._mirror[layer])
            if now != place:
                layers.move(now, place)

    def _on_active(self, event: Any = None) -> None:
        active = self._main.layers.selection.active
        self._side.layers.selection.active = self._mirror.get(active)

    # What is set on a layer

    def _on_changed(self, event: Any) -> None:
        """A property was set on one of the two: the other one follows."""
        if self._following:
            return
        source, target = event.source, self._other(event.source)
        self._following = True
        try:
            setattr(target, event.type, getattr(source, event.type))
        finally:
            self._following = False

    def _other(self, layer: Layer) -> Layer:
        if layer in self._mirror:
            return self._mirror[layer]
        return next(one for one, mirror in self._mirror.items() if mirror is layer)

    def _on_mode(self, event: Any) -> None:
        self._mirror[event.source].mode = event.source.mode

    def _on_other_changed(self, event: Any) -> None:
        self._old.add(event.source)
        self._later.start()

    def _renew(self) -> None:
        """Make points, shapes and their like look as they do on the main canvas."""
        for layer in self._old:
            mirror = self._mirror[layer]
            if isinstance(layer, Shapes):
                mirror.data = list(zip(layer.data, layer.shape_type, strict=True))
            for name in _shared(layer):
                if name != "data" or not isinstance(layer, Shapes):
                    setattr(mirror, name, getattr(layer, name))
        self._old.clear()

    # What is written into the arrays

    def _on_painted(self, event: Any) -> None:
        """A stroke goes on in one canvas: draw it in the other."""
        self._stale.add(self._other(event.source))
        self._soon.start()

    def _on_drawn(self, event: Any) -> None:
        """The main layer was drawn anew; if not for another slice, its array was written to."""
        layer, cut = event.source, self._cut_now()
        if self._cut[layer] == cut:
            self._stale.add(self._mirror[layer])
            self._soon.start()
        self._cut[layer] = cut

    def _cut_now(self) -> tuple[Any, ...]:
        dims = self._main.dims
        return dims.point, dims.order, dims.ndisplay, dims.margin_left, dims.margin_right

    def _refresh(self) -> None:
        stale, self._stale = self._stale, set()
        for layer in stale:
            layer.refresh(thumbnail=layer in self._mirror, extent=False)
            if layer in self._mirror:
                self._stale.discard(self._mirror[layer])  # it is where the change came from


class MirroredImage(Image):
    """An image beside the main canvas; nobody sees its thumbnail."""

    def _update_thumbnail(self) -> None:
        pass


class MirroredLabels(Labels):
    """Labels beside the main canvas; what is painted here is undone where it is undone there."""

    main: Labels

    def _update_thumbnail(self) -> None:
        pass

    def _calculate_contour(
        self, labels: NDArray[Any], data_slice: tuple[slice, ...]
    ) -> NDArray[Any] | None:
        return outline_of(self, labels, data_slice)

    def block_history(self) -> AbstractContextManager[None]:
        """Group what is painted into one step of the main layer's history."""
        return self.main.block_history()

    def undo(self) -> None:
        """Take back the main layer's last step."""
        self.main.undo()

    def redo(self) -> None:
        """Do the main layer's last undone step again."""
        self.main.redo()

    def _save_history(self, value: Any) -> None:
        self.main._save_history(value)

    def _begin_stroke(self) -> None:
        self.main._begin_stroke()

    def _commit_stroke(self) -> None:
        self.main._commit_stroke()

    def _abort_stroke(self) -> None:
        self.main._abort_stroke()


def _mirror_of(layer: Layer) -> Layer:
    """A layer that shows the same array in the same way."""
    data, attributes, kind = layer.as_layer_data_tuple()
    mirror: Layer
    if isinstance(layer, Labels):
        mirror = MirroredLabels(data, **attributes)
        mirror.main = layer
        mirror.contour, mirror.mode = layer.contour, layer.mode
    elif isinstance(layer, Image):
        mirror = MirroredImage(data, **attributes)
    else:
        mirror = Layer.create(data, attributes, kind)
    return mirror


def _shared(layer: Layer) -> list[str]:
    """Names of the properties that can be set and that say when they were."""
    return [
        name
        for name, emitter in layer.events.emitters.items()
        if name not in NOT_SHARED
        and not isinstance(emitter, WarningEmitter)
        and getattr(getattr(type(layer), name, None), "fset", None) is not None
    ]
