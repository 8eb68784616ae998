"""Where a click, a scribble or a box was, while its answer is awaited."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QGuiApplication

from napari_vaemed.plugin.theme import YELLOW

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.session import Session

LAYER = "Marker"
SPOT_MM, TRAIL_MM = 10.0, 1.5
"""Of the ring where a click was, and of those that show a scribble or a box."""
RING_MS = 300
"""Most answers are there by then: without a GPU, to draw the canvas for the ring alone would take
from the answer half as much again as it needs."""


class ClickMark(QObject):
    """The pointer that waits, at once; and rings in the canvas, where the answer takes longer."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._next: tuple[Case, NDArray[np.float64]] | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(RING_MS)
        self._later.timeout.connect(self._on_later)

    def await_answer(self, case: Case, voxels: Any, job: Job) -> None:
        """Show that voxels (n, 3) are being asked about, until the job has ended."""
        QGuiApplication.setOverrideCursor(Qt.CursorShape.BusyCursor)
        self._next = case, np.array(voxels, float).reshape(-1, 3)
        self._later.start()
        job.ended.connect(partial(self._on_ended, case, job))

    def show(self, case: Case, voxels: Any) -> None:
        """Have rings at these voxels (n, 3) and nowhere else."""
        at = np.array([case.world(voxel) for voxel in voxels]).reshape(-1, 3)
        size = SPOT_MM if len(at) == 1 else TRAIL_MM
        layer = case.made.get(LAYER)
        if layer is not None:
            layer.data = at
            layer.size = size
        elif len(at):
            attributes = {
                "name": "Click",
                "face_color": "transparent",
                "border_color": YELLOW,
                "size": size,
                "symbol": "ring",
                "units": "mm",
            }
            self._session.put_made(case, LAYER, (at, attributes, "points"))

    def _on_later(self) -> None:
        if self._next is not None and len(self._next[1]):
            self.show(*self._next)

    def _on_ended(self, case: Case, job: Job) -> None:
        QGuiApplication.restoreOverrideCursor()
        if self._session.jobs.has(job.channel):
            return  # a newer click is awaited
        self._later.stop()
        self._next = None
        layer = case.made.get(LAYER)
        if layer is not None and len(layer.data) and layer in self._session.viewer.layers:
            layer.data = np.empty((0, 3))
