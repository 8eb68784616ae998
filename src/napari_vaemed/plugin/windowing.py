"""The HU window of the CT spoken of: presets, numbers, and a drag with the right button."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.plugin.theme import Window

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session

HU_RANGE = (-2000.0, 4000.0)
"""How far napari's contrast slider of a CT reaches."""
LEVELS, WIDTHS = (-1024, 3071), (1, 4096)
"""Least and greatest level and width, HU: those of the twelve bits that scanners store."""
RIGHT_BUTTON = 2
PIXELS = 300
"""How far to drag for a change by one whole width."""


class Windowing(QObject):
    """Shows a CT and its CLAHE view in one window, whoever changed it.

    Signals
    -------
    window_changed : nothing; the CT spoken of is shown in another HU window
    """

    window_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._first: WeakKeyDictionary[Case, tuple[float, float]] = WeakKeyDictionary()
        self._wanted: tuple[float, float] | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._apply)
        session.case_changed.connect(self._on_case_changed)
        session.lungs_changed.connect(self._on_case_changed)
        self._on_case_changed()
        self.attach(session.viewer)

    @property
    def now(self) -> tuple[float, float] | None:
        """Level and width in HU as they are; None without a CT."""
        case = self._session.case
        if case is None:
            return None
        low, high = case.layer.contrast_limits
        return float(low + high) / 2, float(high - low)

    def set_window(self, window: Window) -> None:
        """Show the CT and its CLAHE view in a preset."""
        self.set_numbers(window.level, window.width)

    def set_numbers(self, level: float, width: float) -> None:
        """Show the CT and its CLAHE view at a level and width in HU, within what CT can hold."""
        level, width = float(np.clip(level, *LEVELS)), float(np.clip(width, *WIDTHS))
        self._show((level - width / 2, level + width / 2))

    def reset(self) -> None:
        """Go back to the window in which the CT was opened."""
        if self._session.case is not None:
            self._show(self._first[self._session.case])

    def attach(self, viewer: ViewerModel) -> None:
        """Take drags with the right button over a canvas, the main one or another.

        Nothing need be undone when the canvas goes.
        """
        if self._on_press not in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.append(self._on_press)

    def _show(self, limits: tuple[float, float]) -> None:
        self._wanted = None
        case = self._session.case
        if case is not None and tuple(case.layer.contrast_limits) != limits:
            case.layer.contrast_limits = limits

    def _on_case_changed(self) -> None:
        """Follow the layers of the CT spoken of, and let a new CLAHE view take its window."""
        case = self._session.case
        self._wanted = None
        if case is not None:
            limits = tuple(case.layer.contrast_limits)
            self._first.setdefault(case, limits)
            for layer in case.in_hu:
                layer.contrast_limits_range = case.layer.contrast_limits_range
                layer.contrast_limits = limits
                layer.events.contrast_limits.connect(self._on_limits)

    def _on_limits(self, event: Any) -> None:
        """Another window, set here or in napari's layer controls: the other layer follows."""
        for case in self._session.cases.values():
            layers = case.in_hu
            if event.source in layers:
                limits = tuple(event.source.contrast_limits)
                for other in layers:
                    if tuple(other.contrast_limits) != limits:
                        other.contrast_limits = limits
                if case is self._session.case:
                    self.window_changed.emit()

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        """Right or left: wider or narrower; down or up: a higher or lower level."""
        now = self._now_for(viewer, event)
        if now is None:
            return
        event.handled = True  # or vispy's camera would zoom
        level, width = now
        start, step = np.array(event.pos), max(width / PIXELS, 1.0)
        while event.type != "mouse_release":
            yield
            wider, higher = np.round((np.array(event.pos) - start) * step)
            # Many moves may come before the next frame; only the last one counts.
            self._wanted = level + higher, width + wider
            if not self._soon.isActive():
                self._soon.start()
        self._apply()

    def _now_for(self, viewer: Any, event: Any) -> tuple[float, float] | None:
        """Where a drag starts from; None where it is not for us."""
        case, active = self._session.case, viewer.layers.selection.active
        drawing = getattr(active, "mode", "pan_zoom") != "pan_zoom"
        flat = len(event.dims_displayed) == 2
        if case is None or drawing or not flat or event.button != RIGHT_BUTTON or event.modifiers:
            return None
        hidden = not any(layer.visible for layer in case.in_hu)
        return None if hidden and viewer is self._session.viewer else self.now

    def _apply(self) -> None:
        self._soon.stop()
        if self._wanted is not None:
            self.set_numbers(*self._wanted)
