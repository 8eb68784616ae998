"""Three views of one CT: the main canvas, and beside it the two other planes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QSplitter

from napari_vaemed.plugin.crosshair import Carrying, Crosshair
from napari_vaemed.plugin.layers import patient_directions
from napari_vaemed.plugin.scrolling import axis_across
from napari_vaemed.plugin.workspace import qt_viewer_of
from napari_vaemed.plugin.zooming import SharedZoom

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.qt import QtViewer

    from napari_vaemed.plugin.session import Session
    from napari_vaemed.plugin.side_canvas import SideCanvas

SIDE_SHARE = 0.42
"""Width of the side canvases, of the whole."""


class ThreeViews(QObject):
    """Shows a CT in three planes that meet in a point, and lines through that point.

    The side canvases and the lines are there while they are wanted, a CT is spoken of and the
    main canvas shows slices; else they are closed and nothing of them is left.

    Signals
    -------
    switched : nothing; three views or the crosshair are wanted, or no longer
    arranged : nothing; side canvases have opened or closed
    """

    switched = Signal()
    arranged = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.on = self.crosshair_on = False
        self.sides: list[SideCanvas] = []
        self._column: QSplitter | None = None
        self._lines: dict[ViewerModel, tuple[Crosshair, Carrying]] = {}
        self._point = np.zeros(3)
        self._main_point: tuple[float, ...] = ()
        self._zoom: SharedZoom | None = None
        self._width, self._shrunk = 1, 1.0
        self._turn = self._left = 0
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._go)
        viewer = session.viewer
        viewer.dims.events.point.connect(self._on_main_point)
        viewer.events.reset_view.connect(self._fit_sides)
        dims = viewer.dims.events
        for event in (dims.ndisplay, dims.ndim, dims.order):
            event.connect(self.arrange)
        session.case_changed.connect(self.arrange)
        self._on_main_point()

    def point(self) -> NDArray[np.float64]:
        """Where the planes meet, in napari's world (z, y, x) mm."""
        return self._point.copy()

    @property
    def side_viewers(self) -> list[ViewerModel]:
        """The viewers of the side canvases; none while there is one view."""
        return [side.viewer for side in self.sides]

    @property
    def waiting(self) -> bool:
        """Whether the canvases are still to go to the point."""
        return self._soon.isActive()

    def toggle(self) -> None:
        """Three views, or one."""
        self.set_on(not self.on)

    def set_on(self, on: bool) -> None:
        """Show three views with the crosshair, or one without."""
        self.on = self.crosshair_on = on
        self.arrange()
        self.switched.emit()

    def toggle_crosshair(self) -> None:
        """Lines through the point, or none."""
        self.set_crosshair(not self.crosshair_on)

    def set_crosshair(self, on: bool) -> None:
        """Show the lines, or take them away."""
        self.crosshair_on = on
        self.arrange()
        self.switched.emit()

    def put_point(self, position: ArrayLike, axes: Sequence[int] = (0, 1, 2)) -> None:
        """Let the planes meet in another voxel of the CT; they go there before the next frame.

        Parameters
        ----------
        position : (z, y, x) mm of napari's world
        axes : sequence of int
            Which of the three count; the point stays where it is along the others.
        """
        case = self._session.case
        if case is not None:
            last = np.array(case.volume.shape) - 1
            voxel = np.clip(np.rint(case.voxel(position)), 0, last)
            self._point[list(axes)] = case.world(voxel)[list(axes)]
            self._later()

    def arrange(self, event: Any = None) -> None:
        """Open or close canvases and lines, as is wanted and possible."""
        dims, case = self._session.viewer.dims, self._session.case
        flat = case is not None and dims.ndim == 3 and axis_across(dims) is not None
        main = qt_viewer_of(self._session.viewer)
        if main is None:
            return
        if self.sides and not (flat and self.on):
            self._close_sides(main)
            self.arranged.emit()
        elif flat and self.on and not self.sides:
            self._open_sides(main)
            self.arranged.emit()
        else:
            self._turn_sides()
        wanted = [main, *self.sides] if flat and self.crosshair_on else []
        self._draw_lines(wanted)
        self._later()

    # Canvases

    def _open_sides(self, main: QtViewer) -> None:
        from napari_vaemed.plugin.side_canvas import SideCanvas

        main.setUpdatesEnabled(False)  # else everything is drawn at each step
        self._column = QSplitter(Qt.Orientation.Vertical)
        for axis in self._other_axes():
            side = SideCanvas(self._session, main, axis, self._directions())
            side.viewer.dims.events.point.connect(self._on_side_point)
            self._column.addWidget(side)
            self.sides.append(side)
        self._width = _narrow(main)
        main.setOrientation(Qt.Orientation.Horizontal)
        main.addWidget(self._column)
        main.setSizes([round(1000 * (1 - SIDE_SHARE)), round(1000 * SIDE_SHARE)])
        main.window().installEventFilter(self)
        self._zoom = SharedZoom([main.viewer, *self.side_viewers], self.point)
        QTimer.singleShot(0, self._settle)

    def _settle(self) -> None:
        """The canvases have their sizes: let each show its whole slice, or what it did before."""
        main = qt_viewer_of(self._session.viewer) if self.sides else None
        if main is not None:
            main.setUpdatesEnabled(True)
            self._fit_sides()
            with self._apart():
                self._shrunk = _narrow(main) / self._width
                main.viewer.scene.camera.zoom *= self._shrunk

    def _close_sides(self, main: QtViewer) -> None:
        main.window().removeEventFilter(self)
        self._draw_lines([])
        if self._zoom is not None:
            self._zoom.close()
            self._zoom = None
        for side in self.sides:
            side.done()
        self.sides.clear()
        if self._column is not None:
            self._column.hide()
            self._column.deleteLater()  # later: a key pressed on it may have closed it
            self._column = None
        main.setOrientation(Qt.Orientation.Vertical)
        main.viewer.scene.camera.zoom /= self._shrunk
        self._shrunk = 1.0

    def _fit_sides(self, event: Any = None) -> None:
        with self._apart():
            for side in self.sides:
                side.viewer.fit_to_view()

    def _apart(self) -> AbstractContextManager[None]:
        return nullcontext() if self._zoom is None else self._zoom.apart()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Close the side canvases before Qt destroys the window around them."""
        if event.type() == QEvent.Type.DeferredDelete and watched.isWindow():
            self.set_on(False)
        return False

    def _turn_sides(self) -> None:
        """Give each side canvas one of the planes that the main one does not show."""
        with self._apart():
            for side, axis in zip(self.sides, self._other_axes(), strict=False):
                side.show_plane(axis, self._directions())

    def _other_axes(self) -> list[int]:
        shown = axis_across(self._session.viewer.dims)
        return [axis for axis in range(3) if axis != shown]

    def _directions(self) -> NDArray[np.float64]:
        case = self._session.case
        return np.eye(3) if case is None else patient_directions(case.layer, case.volume)

    def _draw_lines(self, canvases: list[QtViewer]) -> None:
        """Have lines on these canvases and on no others."""
        wanted = {canvas.viewer: canvas for canvas in canvases}
        for viewer in set(self._lines) - set(wanted):
            for part in self._lines.pop(viewer):
                part.close()
        for viewer in set(wanted) - set(self._lines):
            self._lines[viewer] = Crosshair(wanted[viewer]), Carrying(self, viewer)

    # The point

    def _on_main_point(self, event: Any = None) -> None:
        """Somebody went to another slice, or to a point, in the main viewer."""
        dims = self._session.viewer.dims
        now = tuple(dims.point[-3:])
        if len(now) == 3 and now != self._main_point:
            last = self._main_point or (None,) * 3
            for axis, (mm, before) in enumerate(zip(now, last, strict=True)):
                if mm != before:
                    self._point[axis] = mm
            self._main_point = now
            self._scrolled()

    def _on_side_point(self, event: Any) -> None:
        """Somebody went to another slice in a side canvas."""
        axis = axis_across(event.source)
        if axis is not None and event.source.point[axis] != self._point[axis]:
            self._point[axis] = event.source.point[axis]
            self._scrolled()

    def _scrolled(self) -> None:
        """Move the lines at once, in the frame that shows the other slice."""
        self._move_lines()
        self._later()

    def _later(self) -> None:
        if self.sides or self._lines:
            self._left = 1 + len(self.sides)
            if not self._soon.isActive():
                self._soon.start()

    def _go(self) -> None:
        """Bring the lines to the point, and of the canvases the one that has waited longest.

        The others follow with the next frames: all in one would take two or three times as long,
        and nothing on the screen would move meanwhile.
        """
        self._move_lines()
        canvases = [viewer.dims for viewer in (self._session.viewer, *self.side_viewers)]
        while self._left > 0:
            self._left -= 1
            self._turn = (self._turn + 1) % len(canvases)
            dims = canvases[self._turn]
            axis = axis_across(dims)
            if axis is not None and dims.point[axis] != self._point[axis]:
                dims.set_point(axis, float(self._point[axis]))
                break
        if self._left > 0:
            self._soon.start()

    def _move_lines(self) -> None:
        for lines, _ in self._lines.values():
            lines.meet_at(self._point)


def _narrow(canvas: QtViewer) -> int:
    """Pixels along the shorter side of a canvas."""
    size = canvas.canvas.native.size()
    return max(1, min(size.width(), size.height()))
