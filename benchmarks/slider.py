"""How long a latent slider takes to reach the canvas, against plain napari.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). Each move decodes the nodule in
the model's thread, writes it into the layer "Decoded" and draws. The peer assigns the same array
to the ``data`` of an ordinary image layer and draws. Run::

    python benchmarks/slider.py [--moves 60]
"""

from __future__ import annotations

import argparse
import statistics
import time

import napari
import numpy as np
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.widgets.latent import LatentWidget
from napari_vaemed.plugin.workspace import open_workspace
from window import until


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=60, help="how many moves to time")
    moves = parser.parse_args().moves
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    session = session_of(viewer)
    widgets = open_workspace(viewer)
    phantom = chest_phantom(shape=(96, 160, 160), spacing=(3.0, 2.2, 2.2), seed=7)
    session.add(volume_to_layer(phantom.volume))
    session.click(phantom.volume.to_voxel(phantom.planted[1].centre_mm))
    until(lambda: not session.busy)
    slider_ms = slider(session, widgets["Latent"], moves)
    peer_ms = peer(viewer, session, moves)
    device = session.answers.expert.model.device
    print(
        f"slider to canvas: median {statistics.median(slider_ms):.1f} ms on {device} "
        f"(90 % within {np.percentile(slider_ms, 90):.1f} ms, {moves} moves)"
    )
    print(f"plain napari data assignment: median {statistics.median(peer_ms):.1f} ms")
    print(f"ratio: {statistics.median(slider_ms) / statistics.median(peer_ms):.2f}")
    viewer.close()


def slider(session: Session, widget: LatentWidget, moves: int) -> list[float]:
    """Milliseconds from a moved slider to the drawn canvas."""
    dim = next(iter(widget.sliders))
    handle = widget.sliders[dim].slider
    session.patches.look_at(session.case, session.case.finding)
    handle.setValue(100)  # adds the layer
    until(lambda: not session.busy)
    times = []
    for value in np.linspace(5, 195, moves).round().astype(int).tolist():
        loop = QEventLoop()  # as in use: the window sleeps until the answer comes
        session.answers.decoded.connect(loop.quit)
        start = time.perf_counter()
        handle.setValue(value)
        loop.exec()
        draw()
        times.append(1000 * (time.perf_counter() - start))
        session.answers.decoded.disconnect(loop.quit)
    return times


def peer(viewer: napari.Viewer, session: Session, moves: int) -> list[float]:
    """Milliseconds from assigning the same array to the drawn canvas."""
    decoded = session.case.made["Decoded"]
    layer = viewer.add_image(
        np.array(decoded.data), translate=decoded.translate, units="mm", name="peer"
    )
    decoded.visible = False
    rng, times = np.random.default_rng(0), []
    for _ in range(moves):
        array = np.array(decoded.data) + rng.integers(-20, 20, decoded.data.shape, np.int16)
        start = time.perf_counter()
        layer.data = array
        draw()
        times.append(1000 * (time.perf_counter() - start))
    return times


def draw() -> None:
    """Let the canvas draw what is new."""
    QApplication.processEvents()


if __name__ == "__main__":
    main()
