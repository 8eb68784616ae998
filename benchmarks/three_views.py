"""Three views of a CT of 300 slices of 512 x 512 with a lung mask: how long a frame takes.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). Told is how long it takes from a
scroll, or a move of the mouse with Shift held, to the next frame on the screen, in which the lines
and one of the canvases have moved, and until every canvas is drawn. The peer is napari alone with
the same two layers. ``--toggles`` opens and closes the views, and 3-D, and counts what is left
behind; ``--pictures`` writes the window with a phantom, dark and light. Run::

    python benchmarks/three_views.py [--moves 40] [--toggles 50] [--pictures docs]
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.qt import QtViewer
from qtpy.QtWidgets import QApplication

from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import labels_to_layer, volume_to_layer
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.theme import LUNG_COLOURS
from napari_vaemed.plugin.workspace import canvas_of, open_workspace, show_dock
from window import rest, until

TIMES_LARGER = 3
"""The phantom is made small and each of its voxels is repeated so often along each axis."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=40, help="how many frames to time")
    parser.add_argument("--toggles", type=int, default=0, help="how often to open and close")
    parser.add_argument("--pictures", type=Path, help="folder for the two pictures")
    options = parser.parse_args()
    if options.pictures:
        pictures(options.pictures)
        return
    phantom = chest_phantom(shape=(100, 171, 171), spacing=(3.0, 2.1, 2.1), seed=7)
    if options.toggles:
        toggles(phantom.volume, phantom.lungs, options.toggles)
        return
    volume, lungs = larger(phantom)
    alone(volume, lungs, options.moves)
    frames(volume, lungs, options.moves)


def alone(volume: Volume, lungs: np.ndarray, moves: int) -> None:
    """Scroll through the slices in napari without the plugin."""
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    show(viewer, volume, lungs)
    rest()
    z = volume.origin[2] + (volume.shape[0] // 2 + np.arange(moves)) * volume.spacing[0]
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    told("napari alone, axial scroll", [timed(viewer.dims.set_point, 0, float(mm)) for mm in z])
    viewer.close()
    rest()


def frames(volume: Volume, lungs: np.ndarray, moves: int) -> None:
    """Scroll and carry the point in three views, then show slabs."""
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    session = session_of(viewer)
    show(viewer, volume, lungs)
    rest()
    start = time.perf_counter()
    session.three_views.set_on(True)
    settle(session)
    print(f"three views open after {time.perf_counter() - start:.2f} s")
    middle = np.array(volume.shape) // 2
    for name, axes in (
        ("axial scroll", (0,)),
        ("coronal scroll", (1,)),
        ("sagittal scroll", (2,)),
        ("crosshair carried in the axial view", (1, 2)),
        ("crosshair carried in the coronal view", (0, 2)),
    ):
        times = []
        for k in range(moves):
            voxel = middle.copy()
            voxel[list(axes)] += k - moves // 2
            times.append(carried(session, session.case.world(voxel), axes))
        told(f"three views, {name}", [first for first, _ in times])
        told("    until every canvas is drawn", [last for _, last in times])
    for kind in ("MIP", "MinIP", "Mean"):
        slabs(session, kind, 20.0)
    viewer.close()
    rest()


def slabs(session: Session, kind: str, thickness_mm: float) -> None:
    """How long cutting one slab takes, without drawing it."""
    session.slab.set(kind, thickness_mm)
    settle(session)
    for axis, viewer in enumerate((session.viewer, *session.three_views.side_viewers)):
        times = []
        for _ in range(10):
            start = time.perf_counter()
            viewer.layers[0].set_view_slice()
            times.append(1000 * (time.perf_counter() - start))
        told(f"{kind} of {thickness_mm:g} mm across axis {axis}", times)


def toggles(volume: Volume, lungs: np.ndarray, times: int) -> None:
    """Open and close three views, go to 3-D and back, and say what has become more."""
    viewer = napari.Viewer()
    session = session_of(viewer)
    show(viewer, volume, lungs)
    for what, there, back in (
        (
            "three views",
            partial(session.three_views.set_on, True),
            partial(session.three_views.set_on, False),
        ),
        ("3-D", session.views.show_3d, session.views.show_2d),
    ):
        toggle(session, there, back)
        before = left(viewer)
        for _ in range(times):
            toggle(session, there, back)
        for kind, count in left(viewer).items():
            print(f"{what}, {kind}: {before[kind]} before, {count} after {times} times", flush=True)
    viewer.close()


def toggle(session: Session, *acts: Callable[[], object]) -> None:
    """Do one after the other, each once the one before is done and drawn."""
    for act in acts:
        act()
        rest(0.05)
        until(lambda: not session.busy)
        rest(0.05)
        gc.collect()


def left(viewer: napari.Viewer) -> dict[str, int]:
    """Widgets, canvases, layers, and callbacks of the layers and of the viewer."""
    gc.collect()
    groups = [layer.events for layer in viewer.layers]
    groups += [viewer.dims.events, viewer.scene.camera.events, viewer.events]
    groups += [viewer.layers.events, viewer.layers.selection.events]
    return {
        "widgets": len(QApplication.allWidgets()),
        "canvases": len(QtViewer._instances),
        "layers": len(viewer.layers),
        "callbacks": sum(len(e.callbacks) for group in groups for e in group.emitters.values()),
    }


def pictures(folder: Path) -> None:
    """Write the window with a phantom in three views, dark and light."""
    phantom = chest_phantom(seed=7)
    viewer = napari.Viewer()
    viewer.window.resize(1600, 980)
    session = session_of(viewer)
    open_workspace(viewer)
    show_dock(viewer, "Views")
    show(viewer, phantom.volume, phantom.lungs)
    session.three_views.set_on(True)
    settle(session)
    nodule = sorted(phantom.planted, key=lambda planted: planted.diameter_mm)[-2]
    session.three_views.put_point(session.case.world(phantom.volume.to_voxel(nodule.centre_mm)))
    for theme, name in (("dark", "three_views.png"), ("light", "three_views_light.png")):
        viewer.theme = theme
        settle(session)
        viewer.screenshot(str(folder / name), canvas_only=False, flash=False)
    viewer.close()


def larger(phantom: Phantom) -> tuple[Volume, np.ndarray]:
    """The phantom and its lungs at 300 x 512 x 512 voxels."""
    hu, lungs = phantom.volume.hu, phantom.lungs
    for axis in range(3):
        hu, lungs = (np.repeat(array, TIMES_LARGER, axis=axis) for array in (hu, lungs))
    cut = (slice(None), slice(512), slice(512))
    spacing = tuple(mm / TIMES_LARGER for mm in phantom.volume.spacing)
    volume = Volume(np.ascontiguousarray(hu[cut]), spacing, phantom.volume.origin)
    return volume, np.ascontiguousarray(lungs[cut])


def show(viewer: napari.Viewer, volume: Volume, lungs: np.ndarray) -> None:
    for data, attributes, kind in (
        volume_to_layer(volume),
        labels_to_layer(lungs, volume, "Lungs", colormap=colours()),
    ):
        layer = getattr(viewer, f"add_{kind}")(data, **attributes)
    layer.contour = 1  # as the plugin shows lungs
    viewer.layers.selection.active = viewer.layers[0]


def colours() -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    return DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **LUNG_COLOURS})


def carried(session: Session, world: np.ndarray, axes: tuple[int, ...]) -> tuple[float, float]:
    """Milliseconds from carrying the point to the next frame, and until all canvases are there."""
    frames: list[float] = []
    canvas, start = canvas_of(session.viewer), time.perf_counter()

    def note() -> None:
        frames.append(1000 * (time.perf_counter() - start))

    canvas.frameSwapped.connect(note)
    session.three_views.put_point(world, axes)
    while session.three_views.waiting or not frames:
        QApplication.processEvents()
    QApplication.processEvents()
    canvas.frameSwapped.disconnect(note)
    return frames[0], 1000 * (time.perf_counter() - start)


def timed(act: Callable[..., object], *arguments: Any) -> float:
    """Milliseconds of an act and of drawing what it changed."""
    start = time.perf_counter()
    act(*arguments)
    QApplication.processEvents()
    return 1000 * (time.perf_counter() - start)


def told(what: str, times: list[float]) -> None:
    ninth = np.percentile(times, 90)
    print(f"{what}: median {statistics.median(times):.1f} ms, 90 % within {ninth:.1f} ms")


def settle(session: Session) -> None:
    """Wait until nothing is left to do, and for what comes after it."""
    rest()
    until(lambda: not session.busy)
    rest()


if __name__ == "__main__":
    main()
