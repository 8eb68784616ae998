"""A canvas beside napari's own, for another plane of the same CT."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.qt import QtViewer
from napari.settings import get_settings
from napari.utils.events import disconnect_events
from numpy.typing import NDArray
from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt

from napari_vaemed.plugin.corner import CornerText
from napari_vaemed.plugin.letters import EdgeLetters, put_upright
from napari_vaemed.plugin.mirrored import MirroredLayers

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session

ARROWS = {int(Qt.Key.Key_Left): -1, int(Qt.Key.Key_Right): 1}


class SideCanvas(QtViewer):
    """Shows the main viewer's layers in a plane of its own, with slider, letters and scale bar.

    Keys pressed here do what they do in the main canvas, and so does the Nodule tool; only the
    arrows left and right go through the slices of this one.

    Parameters
    ----------
    session : Session
    main : QtViewer
        The widget around the main canvas.
    axis : int
        World axis that runs across the slices shown: 0 for axial, 1 for coronal, 2 for sagittal.
    directions : (3, 3)
        Where the patient lies in the world, as `patient_directions` tells.
    """

    def __init__(
        self, session: Session, main: QtViewer, axis: int, directions: NDArray[Any]
    ) -> None:
        model = ViewerModel()
        model.theme = main.viewer.theme
        model.canvas.background_color_override = "black"
        model.canvas.overlays.scale_bar.visible = True
        model.canvas.overlays.scale_bar.position = "bottom_left"
        mirrored = MirroredLayers(main.viewer, model)
        model.dims.axis_labels = main.viewer.dims.axis_labels
        letters = EdgeLetters(model)
        _turn(model, letters, axis, directions)
        super().__init__(model)  # draws anew with every change, so it comes when all is there
        self._session, self._main = session, weakref.ref(main)  # nobody is to outlive the other
        self._mirrored, self._letters = mirrored, letters
        self._corner = CornerText(session, model, self.canvas.native)
        session.windowing.attach(model)
        session.calipers.attach(model)
        model.mouse_drag_callbacks.append(self._on_press)
        main.viewer.events.theme.connect(self._on_theme)
        self.canvas.native.installEventFilter(self)

    def show_plane(self, axis: int, directions: NDArray[Any]) -> None:
        """Turn to another plane; the parameters are those of the canvas."""
        _turn(self.viewer, self._letters, axis, directions)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Hand keys on to the main canvas."""
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return False
        step = ARROWS.get(int(event.key()))
        main = self._main()
        if step is None and main is not None:
            QCoreApplication.sendEvent(main.canvas.native, event)
        elif step is not None and event.type() == QEvent.Type.KeyPress:
            dims = self.viewer.dims
            (axis,) = dims.not_displayed
            dims.set_current_step(axis, dims.current_step[axis] + step)
        return True

    def done(self) -> None:
        """Close it and let go of everything outside."""
        self._session.calipers.detach(self.viewer)
        self.canvas.native.removeEventFilter(self)
        self._corner.close()
        self._mirrored.close()
        self.close()
        self._session.viewer.events.theme.disconnect(self._on_theme)
        settings = get_settings()
        for events in (settings.appearance, settings.application, settings.experimental):
            for listener in (self.viewer, *self.dims.slider_widgets):
                disconnect_events(events.events, listener)

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        if self._session.tool.on:
            yield from self._session.tool.press(viewer, event)

    def _on_theme(self, event: Any) -> None:
        self.viewer.theme = self._session.viewer.theme

    def _bind_shortcuts(self) -> None:
        """Shortcuts are the application's and bound already; again it would take half a second."""


def _turn(model: ViewerModel, letters: EdgeLetters, axis: int, directions: NDArray[Any]) -> None:
    """Turn to a plane, head or front up, with its letters."""
    model.dims.order = (axis, *(other for other in range(3) if other != axis))
    put_upright(model)
    letters.set_shown(True, directions)
