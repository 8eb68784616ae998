"""What a frame need not draw or send: a CT beneath its preview, and a table for each text."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtCore import QObject
from vispy.gloo import Texture2D

from napari_vaemed.plugin.cases import ENHANCED_SLICE
from napari_vaemed.plugin.workspace import qt_viewer_of

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session

OPAQUE = ("opaque", "translucent", "translucent_no_depth")
"""Ways of blending that hide what is beneath, as long as nothing is transparent."""


class Frames(QObject):
    """Makes each frame of the main canvas cheaper, above all without a graphics card.

    A CT that an opaque preview covers is not drawn. And vispy sends its table of interpolation
    filters, 64 KB, with every text of every frame, where the driver waits until it has drawn
    what came before: it is sent once.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._left_out: weakref.ref[Layer] | None = None
        around = qt_viewer_of(session.viewer)
        if around is not None:
            around.canvas._scene_canvas.events.draw.connect(self._before_frame)

    def covered(self) -> Layer | None:
        """The CT's layer while the preview of the slice looked at hides it."""
        case, viewer = self._session.case, self._session.viewer
        made = self._session.enhance.shown
        above = None if case is None else case.made.get(ENHANCED_SLICE)
        if made is None or case is None or not isinstance(above, Image):
            return None
        looked_at = made.index == self._session.slice_view.current()
        flat = viewer.dims.ndisplay == 2 and not viewer.canvas.grid.enabled
        if not (looked_at and flat and _hides(above) and above in viewer.layers):
            return None
        there = np.array_equal(above.translate[1:], case.layer.translate[1:])
        upper = viewer.layers.index(above) > viewer.layers.index(case.layer)
        return case.layer if there and upper else None

    def _before_frame(self, event: Any = None) -> None:
        around = qt_viewer_of(self._session.viewer)
        if around is None:
            return
        for font in around._font_manager._fonts.values():
            if isinstance(font._kernel, np.ndarray):
                font._kernel = Texture2D(font._kernel)
        covered = self.covered()
        before = None if self._left_out is None else self._left_out()
        nodes = around.canvas.layer_to_visual
        if before is not None and before is not covered and before in nodes:
            nodes[before].node.visible = before.visible
        if covered is not None and covered in nodes:
            nodes[covered].node.visible = False
        self._left_out = None if covered is None else weakref.ref(covered)


def _hides(layer: Image) -> bool:
    """Whether nothing is seen through an image, wherever it lies."""
    solid = bool(np.all(np.asarray(layer.colormap.colors)[:, 3] == 1))
    return layer.visible and layer.opacity == 1 and layer.blending in OPAQUE and solid
