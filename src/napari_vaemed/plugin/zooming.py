"""Canvases that zoom together, each about the point where their planes meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.components import ViewerModel


class SharedZoom:
    """Multiplies the zoom of all canvases by what one of them was zoomed by.

    Parameters
    ----------
    viewers : list of ViewerModel
    point : function
        Gives the point of the world, (z, y, x) mm, that stays where it is on the other canvases.
    """

    def __init__(
        self, viewers: list[ViewerModel], point: Callable[[], NDArray[np.float64]]
    ) -> None:
        self._viewers, self._point = viewers, point
        self._zooms = [viewer.scene.camera.zoom for viewer in viewers]
        self._following = True
        for viewer in viewers:
            viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def close(self) -> None:
        """Let each canvas zoom by itself."""
        for viewer in self._viewers:
            viewer.scene.camera.events.zoom.disconnect(self._on_zoom)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Zoom one canvas without the others."""
        before, self._following = self._following, False
        try:
            yield
        finally:
            self._following = before
            self._zooms = [viewer.scene.camera.zoom for viewer in self._viewers]

    def _on_zoom(self, event: Any) -> None:
        if not self._following:
            return
        cameras = [viewer.scene.camera for viewer in self._viewers]
        source = next(i for i, camera in enumerate(cameras) if camera is event.source)
        factor = cameras[source].zoom / self._zooms[source]
        with self.apart():
            for viewer in self._viewers:
                if viewer.scene.camera is not event.source:
                    _zoom_about(viewer, self._point(), factor)


def _zoom_about(viewer: ViewerModel, point: NDArray[np.float64], factor: float) -> None:
    camera = viewer.scene.camera
    middle, still = np.array(camera.center[-2:]), point[list(viewer.dims.displayed)]
    camera.center = (0.0, *(still + (middle - still) / factor))
    camera.zoom *= factor
