"""How long a window drag, a slice and a read-out take to reach the canvas, against plain napari.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). A CT of 512 x 512 x 300 with its
lung mask is shown. The peer is napari with the same two layers in the same window, before the
plugin is there: it assigns ``contrast_limits``, or goes to another slice. Times are from the mouse
event or the assignment to the frame on the screen. At the end the mouse moves two hundred times
without waiting, to see whether frames queue up. Run::

    python benchmarks/window_level.py [--moves 60]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import napari
import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication, QWidget

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import labels_to_layer, volume_to_layer
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.workspace import WIDTH, canvas_of, open_workspace
from window import rest

REPEATS = (3, 4, 4)
"""A phantom of a forty-eighth of the voxels is repeated so often along z, y and x."""
NONE = Qt.MouseButton.NoButton


class Canvas:
    """Counts the frames that reach the screen."""

    def __init__(self, widget: QOpenGLWidget) -> None:
        self.widget, self.frames = widget, 0
        widget.frameSwapped.connect(self._on_swapped)

    def ms_to_frame(self, act: Callable[[], object]) -> float:
        """Milliseconds from doing something to the next frame."""
        before, start = self.frames, time.perf_counter()
        act()
        while self.frames == before:
            if time.perf_counter() > start + 10:
                raise TimeoutError("No frame was drawn.")
            QApplication.processEvents()
        return 1000 * (time.perf_counter() - start)

    def mouse(self, kind: QEvent.Type, x: float, y: float, button: Qt.MouseButton = NONE) -> None:
        """Send a mouse event; a move holds the right button unless told otherwise."""
        at = QPointF(x, y)
        held = NONE if kind == QEvent.Type.MouseButtonRelease else button
        pressed = NONE if kind == QEvent.Type.MouseMove else button
        event = QMouseEvent(
            kind, at, self.widget.mapToGlobal(at), pressed, held, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(self.widget, event)

    def _on_swapped(self) -> None:
        self.frames += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=60, help="how many moves to time")
    moves = parser.parse_args().moves
    volume, lungs = large_chest()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    canvas = Canvas(canvas_of(viewer))
    plain_window, plain_slice = peer(viewer, canvas, volume, lungs, moves)
    session = session_of(viewer)
    open_workspace(viewer)
    session.add(volume_to_layer(volume))
    mask = session.put_made(session.case, "Lungs", labels_to_layer(lungs, volume, "Lungs"))
    mask.contour = 1
    rest()
    dragged = drag(canvas, moves)
    scrolled = scroll(viewer, canvas, moves)
    print(f"window drag: {said(dragged)}; plain napari contrast_limits: {said(plain_window)}; "
          f"ratio {statistics.median(dragged) / statistics.median(plain_window):.2f}")  # fmt: skip
    print(f"slice with lung mask: {said(scrolled)}; plain napari: {said(plain_slice)}; "
          f"ratio {statistics.median(scrolled) / statistics.median(plain_slice):.2f}")  # fmt: skip
    print(f"read-out under a moving pointer: {said(read_out(canvas, session, moves))}")
    flood(canvas, session)
    viewer.close()


def large_chest() -> tuple[Volume, np.ndarray]:
    """A chest of 300 slices of 512 x 512, and its lung labels."""
    shape = tuple(n // r for n, r in zip((300, 512, 512), REPEATS, strict=True))
    phantom = chest_phantom(shape=shape, spacing=(3.0, 2.8, 2.8), seed=7)
    hu, lungs = phantom.volume.hu, phantom.lungs
    for axis, times in enumerate(REPEATS):
        hu, lungs = np.repeat(hu, times, axis), np.repeat(lungs, times, axis)
    return Volume(hu, (1.0, 0.7, 0.7)), lungs


def peer(
    viewer: napari.Viewer, canvas: Canvas, volume: Volume, lungs: np.ndarray, moves: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of plain napari for a window and for a slice."""
    room = QWidget()
    room.setMinimumWidth(WIDTH)
    dock = viewer.window.add_dock_widget(room, area="right")
    data, attributes, _ = volume_to_layer(volume)
    image = viewer.add_image(data, **{**attributes, "metadata": {}})
    labels = viewer.add_labels(lungs, scale=image.scale, translate=image.translate, units="mm")
    labels.contour = 1
    rest()
    windows = [
        canvas.ms_to_frame(lambda n=n: setattr(image, "contrast_limits", (-1350, 150 + n)))
        for n in range(1, moves + 1)
    ]
    slices = scroll(viewer, canvas, moves)
    viewer.layers.clear()
    viewer.window.remove_dock_widget(dock)
    rest()
    return windows, slices


def scroll(viewer: napari.Viewer, canvas: Canvas, moves: int) -> list[float]:
    """Milliseconds of each slice."""
    first = viewer.dims.current_step[0]
    return [
        canvas.ms_to_frame(lambda n=n: viewer.dims.set_current_step(0, first + n))
        for n in range(1, moves + 1)
    ]


def drag(canvas: Canvas, moves: int) -> list[float]:
    """Milliseconds of each move of a drag with the right button."""
    right, move = Qt.MouseButton.RightButton, QEvent.Type.MouseMove
    canvas.mouse(QEvent.Type.MouseButtonPress, 200, 200, right)
    rest()
    times = [
        canvas.ms_to_frame(lambda n=n: canvas.mouse(move, 200 + n, 200 + n % 7, right))
        for n in range(1, moves + 1)
    ]
    canvas.mouse(QEvent.Type.MouseButtonRelease, 200 + moves, 200, right)
    rest()
    return times


def read_out(canvas: Canvas, session, moves: int) -> list[float]:
    """Milliseconds from a move of the pointer to the new text on the screen."""
    times = []
    for n in range(1, moves + 1):
        before, start = session.corner.under_pointer, time.perf_counter()
        canvas.mouse(QEvent.Type.MouseMove, 200 + 3 * n, 300)
        while session.corner.under_pointer == before:
            if time.perf_counter() > start + 10:
                raise TimeoutError("The pointer was not read.")
            QApplication.processEvents()
        QApplication.processEvents()  # draws it
        times.append(1000 * (time.perf_counter() - start))
    return times


def flood(canvas: Canvas, session) -> None:
    """Move two hundred times without waiting, and see how much there was to draw."""
    right, frames, changes = Qt.MouseButton.RightButton, canvas.frames, []
    session.windowing.window_changed.connect(lambda: changes.append(1))
    canvas.mouse(QEvent.Type.MouseButtonPress, 200, 200, right)
    for n in range(1, 201):
        canvas.mouse(QEvent.Type.MouseMove, 200 + n, 200, right)
    start = time.perf_counter()
    canvas.mouse(QEvent.Type.MouseButtonRelease, 400, 200, right)
    rest()
    print(
        f"200 moves at once: {len(changes)} windows, {canvas.frames - frames} frames, last one "
        f"{'shown' if session.windowing.now[1] > 1500 else 'lost'}, "
        f"at rest after {1000 * (time.perf_counter() - start):.0f} ms"
    )


def said(times: list[float]) -> str:
    """Median and tail in words."""
    return (
        f"median {statistics.median(times):.1f} ms (90 % within {np.percentile(times, 90):.1f} ms)"
    )


if __name__ == "__main__":
    main()
