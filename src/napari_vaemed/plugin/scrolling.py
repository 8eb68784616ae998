"""Through the slices: to the first, to the last, and by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from napari.components import Dims

    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session


class Scrolling(QObject):
    """Moves the session's viewer through the slices of the CT spoken of.

    Playing goes on at the pace that napari's preferences say (ten slices a second unless
    changed), begins anew after the last slice, and ends as soon as anybody else changes slice.

    Signals
    -------
    played : bool; it plays now, or no longer
    """

    played = Signal(bool)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._moving = False
        self._tick = QTimer(self)
        self._tick.timeout.connect(self._on_tick)
        dims = session.viewer.dims.events
        for event in (dims.point, dims.order, dims.ndisplay, dims.ndim):
            event.connect(self._on_dims)
        session.case_changed.connect(self.stop)

    @property
    def on(self) -> bool:
        """Whether it plays."""
        return self._tick.isActive()

    def first(self) -> None:
        """Go to the first slice."""
        self._go(lambda now, n: 0)

    def last(self) -> None:
        """Go to the last slice."""
        self._go(lambda now, n: n - 1)

    def toggle(self) -> None:
        """Play, or stop."""
        if self.on:
            self.stop()
        elif self._session.case is not None and self._axis is not None:
            from napari.settings import get_settings

            per_second = abs(get_settings().application.playback_fps) or 10
            self._tick.start(round(1000 / per_second))
            self.played.emit(True)

    def stop(self) -> None:
        """Play no longer."""
        if self.on:
            self._tick.stop()
            self.played.emit(False)

    @property
    def _axis(self) -> int | None:
        return axis_across(self._session.viewer.dims)

    def _go(self, wanted: Callable[[int, int], int]) -> None:
        """Look at another slice, told by the one looked at and how many there are."""
        case, axis, dims = self._session.case, self._axis, self._session.viewer.dims
        if case is not None and axis is not None:
            now = round(float(case.voxel(dims.point[-3:])[axis]))
            voxel = [0, 0, 0]
            voxel[axis] = wanted(now, case.volume.shape[axis])
            dims.set_point(dims.ndim - 3 + axis, float(case.world(voxel)[axis]))

    def _on_tick(self) -> None:
        if self._session.case is None or self._axis is None:
            self.stop()
            return
        self._moving = True
        try:
            self._go(lambda now, n: (now + 1) % n)
        finally:
            self._moving = False

    def _on_dims(self, event: Any = None) -> None:
        if not self._moving:
            self.stop()


def axis_across(dims: Dims) -> int | None:
    """The axis of a CT (0 for z, 1 for y, 2 for x) that runs across a canvas; None in 3-D."""
    first = dims.ndim - 3
    across = [axis - first for axis in dims.not_displayed if axis >= first]
    return across[0] if first >= 0 and len(across) == 1 else None


def shown_slice(case: Case, dims: Dims) -> tuple[int, int] | None:
    """The axis of a CT that runs across a canvas, and the slice shown; None in 3-D or beyond it."""
    axis = axis_across(dims)
    if axis is None:
        return None
    index = round(float(case.voxel(dims.point[-3:])[axis]))
    return (axis, index) if 0 <= index < case.volume.shape[axis] else None
