"""How fast the latent map pans and zooms with 100,000 nodules, beside napari's own points.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``, which draws without a graphics
card). The nodules are made up: codes drawn from eight Gaussians, so that clusters are there. Told
is how long it takes from a move of the mouse with the left button held to the next frame on the
screen. The peer is a Points layer of as many points at the same places in the same window, its
camera moved by as much. Run::

    python benchmarks/map_speed.py [--points 100000] [--frames 150] [--picture FILE.png]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.widgets.latent_map import LatentMapWidget
from napari_vaemed.workflow.examine import Expert, shipped_expert
from window import rest, until

GROUPS, WIDE_PX = 8, 700
FIRST = 5
"""Frames that are not counted: programs are still compiled."""
STEP_PX = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--frames", type=int, default=150, help="how many frames to time")
    parser.add_argument("--picture", type=Path, help="write the window here")
    options = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window.resize(1600, 980)
    session = session_of(viewer)
    session.answers.use(expert(options.points))
    dock = LatentMapWidget(viewer)
    docked = viewer.window.add_dock_widget(dock, area="right", name="Latent map")
    # About as wide as what is left to the peer.
    docked.parent().resizeDocks([docked], [WIDE_PX], Qt.Orientation.Horizontal)
    until(lambda: session.latent_map.mapped is not None and not session.busy)
    rest(1.0)
    native = dock.cloud.canvas.native
    size = dock.cloud.canvas.physical_size
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{options.points} nodules, map of {size[0]} x {size[1]} pixels")
    with held(native) as move:
        told("map, panned by the mouse", native, move, options.frames)
    rest(0.5)
    told("map, zoomed", native, lambda k: dock.cloud.zoom(1.04 if k % 40 < 20 else 1 / 1.04),
         options.frames)  # fmt: skip
    if options.picture:
        rest(0.5)
        viewer.screenshot(str(options.picture), canvas_only=False, flash=False)
    peer(viewer, session.latent_map.places, options.frames)
    viewer.close()


def peer(viewer: Any, places: np.ndarray, frames: int) -> None:
    """A Points layer of as many points, panned."""
    viewer.add_points(places[:, ::-1] * 100, size=4, border_width=0, face_color="orange")
    rest(1.0)
    canvas = viewer.window._qt_viewer.canvas.native
    camera = viewer.scene.camera

    def pan(k: int) -> None:
        x, y = camera.center[-1], camera.center[-2]
        camera.center = (y, x + STEP_PX * direction(k) / camera.zoom)

    print(f"peer's canvas: {canvas.width()} x {canvas.height()} pixels")
    told("napari Points layer, panned", canvas, pan, max(frames // 5, FIRST + 10))


def expert(count: int) -> Expert:
    """The shipped model with made-up nodules instead of its own."""
    shipped, rng = shipped_expert("cpu"), np.random.default_rng(0)
    group = rng.integers(0, GROUPS, count)
    middles = rng.normal(0, 3, (GROUPS, shipped.index.posterior.dims))
    mean = (middles[group] + rng.normal(size=(count, middles.shape[1]))).astype(np.float32)
    records = tuple(
        NoduleRecord(f"N{n}", f"P{n}", "", (0.0, 0.0, 0.0), float(4 + group[n]),
                     {"malignancy": float(1 + group[n] % 5)})
        for n in range(count)
    )  # fmt: skip
    posterior = Posterior(mean, np.full_like(mean, 0.3))
    index = NoduleIndex(records, posterior, shipped.model.sha256, "made up")
    return Expert(shipped.model, index, shipped.axes)


def told(what: str, canvas: QWidget, move: Callable[[int], object], frames: int) -> None:
    """Time frames, each from a move to the screen, and print what they took."""
    shown = [0]

    def count() -> None:
        shown[0] += 1

    canvas.frameSwapped.connect(count)
    times = []
    for k in range(frames):
        before, start = shown[0], time.perf_counter()
        move(k)
        while shown[0] == before:
            QApplication.processEvents()
        times.append(1000 * (time.perf_counter() - start))
    canvas.frameSwapped.disconnect(count)
    times = times[FIRST:]
    print(
        f"{what}: median {statistics.median(times):.0f} ms, 95 % within "
        f"{np.percentile(times, 95):.0f} ms, {1000 / statistics.mean(times):.0f} frames per "
        f"second over {len(times)} frames",
        flush=True,
    )


def direction(k: int) -> int:
    """To and fro, sixty steps each way."""
    return 1 if (k // 60) % 2 == 0 else -1


class held:
    """The left button held in the middle of a canvas; gives what moves the mouse."""

    def __init__(self, canvas: QWidget) -> None:
        self._canvas = canvas
        self._at = QPointF(canvas.width() / 2, canvas.height() / 2)

    def __enter__(self) -> Callable[[int], None]:
        self._send(QMouseEvent.Type.MouseButtonPress, Qt.MouseButton.LeftButton)
        return self._move

    def __exit__(self, *_: object) -> None:
        self._send(QMouseEvent.Type.MouseButtonRelease, Qt.MouseButton.LeftButton)

    def _move(self, k: int) -> None:
        self._at += QPointF(STEP_PX * direction(k), 1 if k % 2 else -1)
        self._send(QMouseEvent.Type.MouseMove, Qt.MouseButton.NoButton)

    def _send(self, kind: QMouseEvent.Type, button: Qt.MouseButton) -> None:
        up = kind == QMouseEvent.Type.MouseButtonRelease
        buttons = Qt.MouseButton.NoButton if up else Qt.MouseButton.LeftButton
        event = QMouseEvent(kind, self._at, self._canvas.mapToGlobal(self._at), button, buttons,
                            Qt.KeyboardModifier.NoModifier)  # fmt: skip
        QApplication.sendEvent(self._canvas, event)


if __name__ == "__main__":
    main()
