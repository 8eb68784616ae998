"""A canvas of very many points to pan, zoom, point at, click and draw a lasso around."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget
from vispy import app

from napari_vaemed.plugin.parts.point_drawing import (
    Colours,
    Floats,
    Marks,
    PointDrawing,
    View,
)

NEAR_PX = 7.0
"""So near to a point a click means it."""
CLICK_PX = 4.0
"""A press that moves farther is a drag."""
MARGIN = 0.06
"""Of the plane's extent, left free around all points."""
STEP_PX = 60.0
"""An arrow key pans by so much."""
ZOOM_STEP = 1.25
CLOSEST = 200.0
"""How much closer than the whole one can look."""
SHARP_MS = 80
"""A zoom has come to rest after this."""
SIZES = ((500, 9.0), (2000, 7.0), (10_000, 5.0), (40_000, 4.0))
"""Up to so many points are so many pixels wide; more are 3."""
LEAST = 260

ARROWS = {Qt.Key.Key_Left: (1, 0), Qt.Key.Key_Right: (-1, 0), Qt.Key.Key_Up: (0, 1),
          Qt.Key.Key_Down: (0, -1)}  # fmt: skip


class PointCloud(QWidget):
    """Points in a plane, with marks over them.

    Left drag pans, the wheel zooms about the pointer, a click picks, a double click shows all.
    With the lasso on, left drag draws an outline. Arrows pan, + and − zoom, Home shows all, L
    switches the lasso, Esc ends it.

    Parameters
    ----------
    background, line : str
        Colours ``"#rrggbb"``: behind the points, and of the lasso.

    Signals
    -------
    hovered : int, object
        The point under the pointer, −1 for none, and the key of the mark there, or None.
    picked : int
        A point that was clicked; −1 for the empty plane.
    mark_picked : object
        The key of a mark that was clicked.
    lassoed : (n, 2) places, bool
        An outline was closed; whether it adds to what was chosen before.
    lasso_switched : bool
    framed : nothing
        A frame was drawn.
    """

    hovered = Signal(int, object)
    picked = Signal(int)
    mark_picked = Signal(object)
    lassoed = Signal(object, bool)
    lasso_switched = Signal(bool)
    framed = Signal()

    def __init__(self, background: str, line: str) -> None:
        super().__init__()
        self._places = np.empty((0, 2), np.float32)
        self.marks = Marks()
        self.view = View(np.zeros(2), 1.0, (1, 1))
        self.lasso_on = False
        self._whole = 1.0
        self._all_seen = True
        self._pressed: Any = None
        self._last = (0.0, 0.0)
        self._outline: list[tuple[float, float]] = []
        self._under: tuple[int, Any] = (-1, None)
        self.canvas = _Canvas(self, background, line)
        native = self.canvas.native
        native.setMouseTracking(True)
        native.installEventFilter(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(native)
        self.setFocusProxy(native)
        self.setMinimumHeight(LEAST)
        self._sharpen = QTimer(self)
        self._sharpen.setSingleShot(True)
        self._sharpen.setInterval(SHARP_MS)
        self._sharpen.timeout.connect(self.canvas.sharpen)

    @property
    def outline(self) -> Floats:
        """The lasso as far as it is drawn, (n, 2) pixels."""
        return np.array(self._outline, np.float64).reshape(-1, 2)

    def show_points(self, places: Floats, colours: Colours, order: Any = None) -> None:
        """Show points (n, 2) in colours (n, 4); ``order`` puts the last of its rows on top.

        Places that are others than before are all brought into view.
        """
        new = places is not self._places
        self._places = places
        size = next((px for most, px in SIZES if len(places) <= most), 3.0)
        drawn = slice(None) if order is None else order
        self.canvas.put_points(places[drawn], colours[drawn], size)
        if new:
            self.show_all()
        self.canvas.update()

    def show_marks(self, marks: Marks) -> None:
        """Show these marks over the points."""
        self.marks = marks
        self.canvas.put_marks(marks)
        self.canvas.update()

    def show_all(self) -> None:
        """Bring all points into view."""
        known = self._places[np.isfinite(self._places).all(axis=1)]
        if len(known):
            low, high = known.min(axis=0), known.max(axis=0)
            extent = np.maximum((high - low) * (1 + 2 * MARGIN), 1e-6)
            self._whole = float(np.min(np.array(self.view.size) / extent))
            self._look(View((low + high) / 2.0, self._whole, self.view.size))
            self._all_seen = True

    def bring_into_view(self, place: Floats) -> None:
        """Pan to a place, unless it is seen."""
        at = self.view.to_screen(np.asarray(place, np.float64)[None])[0]
        if np.any(at < 0) or np.any(at > self.view.size):
            self._look(View(np.asarray(place, np.float64), self.view.scale, self.view.size))

    def pan(self, right: float, down: float) -> None:
        """Move what is seen by so many pixels."""
        self._look(View(self.view.centre + np.array([-right, down]) / self.view.scale,
                        self.view.scale, self.view.size))  # fmt: skip

    def zoom(self, factor: float, around: Any = None) -> None:
        """Look closer by a factor, a pixel (the middle) staying where it is."""
        factor = float(np.clip(self.view.scale * factor, 0.5 * self._whole, CLOSEST * self._whole)
                       / self.view.scale)  # fmt: skip
        middle = np.array(self.view.size) / 2
        self._look(self.view.zoomed(factor, middle if around is None else around))
        self._sharpen.start()

    def set_lasso(self, on: bool) -> None:
        """Draw outlines with the left button from now on, or pan."""
        if on != self.lasso_on:
            self.lasso_on = on
            self._outline = []
            shape = Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor
            self.canvas.native.setCursor(shape)
            self.canvas.update()
            self.lasso_switched.emit(on)

    def point_at(self, pixel: Any) -> int:
        """The point within a few pixels of a pixel, −1 for none."""
        return _nearest(self.view, self._places, pixel, NEAR_PX)

    def mark_at(self, pixel: Any) -> Any:
        """The key of the mark at a pixel, None for none."""
        of_their_own = [n for n, key in enumerate(self.marks.keys) if key is not None]
        near = _nearest(self.view, self.marks.places[of_their_own], pixel, NEAR_PX)
        return None if near < 0 else self.marks.keys[of_their_own[near]]

    def eventFilter(self, watched: QObject, event: Any) -> bool:
        """Mouse and keys over the canvas; it draws, the rest is done here."""
        act = {
            QEvent.Type.MouseButtonPress: self._on_press,
            QEvent.Type.MouseMove: self._on_move,
            QEvent.Type.MouseButtonRelease: self._on_release,
            QEvent.Type.MouseButtonDblClick: self._on_double_click,
            QEvent.Type.Wheel: self._on_wheel,
            QEvent.Type.KeyPress: self._on_key,
            QEvent.Type.Leave: self._on_leave,
            QEvent.Type.ToolTip: self._on_tooltip,
        }.get(event.type())
        return act is not None and bool(act(event))

    def resized(self, width: int, height: int) -> None:
        """The canvas has another size: as much of the plane is seen as before."""
        seen = min(width, height) / min(self.view.size)
        self._whole *= seen
        self.view = View(self.view.centre, self.view.scale * seen, (width, height))
        if self._all_seen:
            self.show_all()

    def _look(self, view: View) -> None:
        self.view, self._all_seen = view, False
        self.canvas.update()

    def _on_press(self, event: Any) -> bool:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = self._last = _pixel(event)
            self._outline = [self._pressed] if self.lasso_on else []
            self.canvas.native.setFocus()
        return True

    def _on_move(self, event: Any) -> bool:
        at = _pixel(event)
        if self._pressed is None:
            self._hover(at)
        elif self._outline:
            self._outline.append(at)
            self.canvas.update()
        elif self._dragged(at):
            self.pan(at[0] - self._last[0], at[1] - self._last[1])
            self._last = at
        return True

    def _on_release(self, event: Any) -> bool:
        at, pressed, outline = _pixel(event), self._pressed, self.outline
        if pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return True
        moved = self._dragged(at) or len(outline) > 2
        self._pressed, self._outline = None, []
        self.canvas.update()
        if not moved:
            self._click(at)
        elif len(outline) > 2:
            adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.lassoed.emit(self.view.to_plane(outline), adds)
        return True

    def _dragged(self, at: tuple[float, float]) -> bool:
        """Whether the press has become a drag; once one it stays one."""
        far = self._last != self._pressed or np.hypot(*np.subtract(at, self._pressed)) > CLICK_PX
        return bool(far)

    def _click(self, at: tuple[float, float]) -> None:
        key = self.mark_at(at)
        if key is not None:
            self.mark_picked.emit(key)
        else:
            self.picked.emit(self.point_at(at))

    def _on_double_click(self, event: Any) -> bool:
        self._pressed = None
        self.show_all()
        return True

    def _on_wheel(self, event: Any) -> bool:
        self.zoom(ZOOM_STEP ** (event.angleDelta().y() / 120), _pixel(event))
        return True

    def _on_key(self, event: Any) -> bool:
        key = event.key()
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier,
                                      Qt.KeyboardModifier.KeypadModifier)  # fmt: skip
        if key in ARROWS and plain:
            self.pan(*(STEP_PX * step for step in ARROWS[key]))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.zoom(1 / ZOOM_STEP if key == Qt.Key.Key_Minus else ZOOM_STEP)
        elif key == Qt.Key.Key_Home and plain:
            self.show_all()
        elif key == Qt.Key.Key_L and plain:
            self.set_lasso(not self.lasso_on)
        elif key == Qt.Key.Key_Escape and self._outline:
            self._outline, self._pressed = [], None
            self.canvas.update()
        elif key == Qt.Key.Key_Escape and self.lasso_on:
            self.set_lasso(False)
        else:
            return False
        return True

    def _on_leave(self, event: Any) -> bool:
        self._say_under(-1, None)
        return False

    def _on_tooltip(self, event: Any) -> bool:
        """Nothing general is said while the pointer is on something."""
        return self._under != (-1, None)

    def _hover(self, at: tuple[float, float]) -> None:
        key = self.mark_at(at)
        self._say_under(-1 if key is not None else self.point_at(at), key)

    def _say_under(self, point: int, key: Any) -> None:
        if (point, key) != self._under:
            self._under = (point, key)
            self.hovered.emit(point, key)


class _Canvas(app.Canvas):
    """The GL side; what it is given before there is a context waits for its first frame."""

    def __init__(self, cloud: PointCloud, background: str, line: str) -> None:
        super().__init__(keys=None, show=False, size=(LEAST, LEAST))
        self._cloud = cloud
        self._colours = QColor(background).getRgbF(), QColor(line).getRgbF()
        self._drawing: PointDrawing | None = None
        self._points: tuple[Floats, Colours, float] | None = None
        self._marks: Marks | None = None

    def put_points(self, places: Floats, colours: Colours, size: float) -> None:
        self._points = places, colours, size

    def put_marks(self, marks: Marks) -> None:
        self._marks = marks

    def sharpen(self) -> None:
        if self._drawing is not None and self._drawing.is_stretched(self._cloud.view):
            self._drawing.renew()
            self.update()

    def on_resize(self, event: Any) -> None:
        self._cloud.resized(*event.size)

    def on_draw(self, event: Any) -> None:
        if self._drawing is None:
            self._drawing = PointDrawing(*self._colours)
        if self._points is not None:
            self._drawing.put_points(*self._points)
            self._points = None
        if self._marks is not None:
            self._drawing.put_marks(self._marks)
            self._marks = None
        width, height = self.physical_size
        self._drawing.draw(self._cloud.view, (int(width), int(height)), self._cloud.outline)
        self._cloud.framed.emit()


def _pixel(event: Any) -> tuple[float, float]:
    at = event.position()
    return at.x(), at.y()


def _nearest(view: View, places: Floats, pixel: Any, within: float) -> int:
    if not len(places):
        return -1
    apart = np.square(places - view.to_plane(pixel)).sum(axis=1)
    apart[~np.isfinite(apart)] = np.inf
    nearest = int(np.argmin(apart))
    return nearest if np.sqrt(apart[nearest]) * view.scale <= within else -1
