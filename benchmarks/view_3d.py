"""How long a CT takes to appear in 3-D, against napari's own button, and to turn.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). A phantom of 512 x 512 x 300
voxels is open with its lung mask, in a window with the CT dock. Ours: from the press on a button
of the dock until the canvas has swapped a frame with the copy in it; once with the copy still to
be made, as right after opening, and then with it ready. The peer is plain napari with the same
two layers and ``ndisplay = 3``. Run::

    python benchmarks/view_3d.py [--times 5] [--no-peer]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.plugin.cases import PREVIEW
from napari_vaemed.plugin.layers import labels_to_layer, volume_to_layer
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.views import CHEST, FINDING, LUNGS
from napari_vaemed.plugin.widgets.ct import CTWidget
from napari_vaemed.plugin.work import Lungs
from napari_vaemed.plugin.workspace import canvas_of
from window import rest, until

WANTED_S = 1.0


class Cost(NamedTuple):
    """Seconds on the clock, and of processor time in all threads."""

    seconds: float
    cpu: float

    @classmethod
    def now(cls) -> Cost:
        """What the clocks say."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: Cost) -> Cost:
        """What has passed since then."""
        return Cost(self.seconds - start.seconds, self.cpu - start.cpu)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--no-peer", action="store_true")
    chosen = options.parse_args()
    phantom = chest_phantom(shape=(300, 512, 512), spacing=(1.1, 0.7, 0.7), seed=3)
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    viewer, dock = window()
    session = session_of(viewer)
    session.add(volume_to_layer(phantom.volume))
    until(lambda: not session.busy)
    report("chest, the copy still to be made", [timed(session, dock, CHEST)])
    know(session, phantom)
    report("chest, ready", [timed(session, dock, CHEST) for _ in range(chosen.times)])
    report("lungs, ready", [timed(session, dock, LUNGS) for _ in range(chosen.times)])
    report("finding, ready", [timed(session, dock, FINDING) for _ in range(chosen.times)])
    session.views.show_3d(LUNGS)
    until(lambda: not session.busy)
    turns = [(0.0, float(angle), -90.0) for angle in np.linspace(5, 60, 8)]
    turn = partial(setattr, viewer.scene.camera, "angles")
    report("a step of turning the lungs", [drawn(viewer, partial(turn, to)) for to in turns])
    viewer.close()
    if not chosen.no_peer:
        peer(phantom)
    print(f"load after: {os.getloadavg()[0]:.1f}")


def window() -> tuple[napari.Viewer, CTWidget]:
    """A window of usual size with the CT dock."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    dock = CTWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right", name="CT")
    QApplication.processEvents()
    return viewer, dock


def know(session: Session, phantom: Phantom) -> None:
    """Hand the session the phantom's lungs, and click a nodule."""
    labels = labels_to_layer(phantom.lungs, phantom.volume, "Lungs")
    session._on_lungs(session.case, Lungs(phantom.lungs, {}, labels))
    session.click(phantom.volume.to_voxel(phantom.planted[0].centre_mm))
    until(lambda: not session.busy)


def timed(session: Session, dock: CTWidget, cut: str) -> Cost:
    """From the press on a button of the dock to the frame with the copy in it."""

    def shown() -> bool:
        copy = session.case.made.get(PREVIEW)
        return copy is not None and copy.visible and session.views.cut.name == cut

    cost = drawn(session.viewer, dock.solid.cuts[cut].click, shown)
    dock.solid.cuts[cut].click()
    rest()
    until(lambda: not session.busy)
    return cost


def drawn(
    viewer: napari.Viewer, change: Callable[[], object], so: Callable[[], bool] = lambda: True
) -> Cost:
    """From a change to the frame on the screen whose canvas was drawn while something was so."""
    draws: list[object] = []
    frames: list[Cost] = []

    def on_draw(event: object) -> None:
        if so():
            draws.append(event)

    def on_swapped() -> None:  # of the whole window, whatever in it was drawn
        if draws:
            frames.append(Cost.now())

    canvas, scene = canvas_of(viewer), viewer.window._qt_viewer.canvas._scene_canvas.events.draw
    scene.connect(on_draw)
    canvas.frameSwapped.connect(on_swapped)
    start = Cost.now()
    change()
    until(lambda: bool(frames))
    canvas.frameSwapped.disconnect(on_swapped)
    scene.disconnect(on_draw)
    return frames[0].since(start)


def peer(phantom: Phantom) -> None:
    """Plain napari, told to show the same CT, and then its mask too, in 3-D."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    QApplication.processEvents()
    scale = phantom.volume.spacing
    for name in ("CT", "CT and mask"):
        viewer.dims.ndisplay = 2
        viewer.layers.clear()
        viewer.add_image(phantom.volume.hu, scale=scale)
        if name != "CT":
            viewer.add_labels(phantom.lungs, scale=scale)
        QApplication.processEvents()
        report(
            f"plain napari, {name}", [drawn(viewer, partial(setattr, viewer.dims, "ndisplay", 3))]
        )
    viewer.close()


def report(what: str, costs: list[Cost]) -> None:
    """Print the median of the times, and whether it is what was wanted."""
    seconds = [cost.seconds for cost in costs]
    median, cpu = statistics.median(seconds), statistics.median(cost.cpu for cost in costs)
    verdict = "within" if median <= WANTED_S else "NOT within"
    print(
        f"  {what}: {median:.2f} s ({verdict} {WANTED_S:.0f} s; {min(seconds):.2f} to "
        f"{max(seconds):.2f} s), {cpu:.2f} s of processor time",
        flush=True,
    )


if __name__ == "__main__":
    main()
