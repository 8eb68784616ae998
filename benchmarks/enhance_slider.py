"""How long the Enhance dock's sliders and the scroll take to reach the canvas.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). The preview of an axial slice of
512 x 512 is on; each move makes the slice anew, writes it into its layer and draws. The peer
assigns slices of the same size to the ``data`` of an ordinary image layer and draws. Run::

    python benchmarks/enhance_slider.py [--moves 60]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.widgets.enhance import EnhanceWidget
from window import rest, until

SHAPE = (40, 512, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=60, help="how many moves to time")
    moves = parser.parse_args().moves
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    session = session_of(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-vaemed", "Enhance")
    assert isinstance(widget, EnhanceWidget)
    session.add(volume_to_layer(stretched()))
    widget.live_box.click()
    until(lambda: session.enhance.shown is not None and not session.busy)
    rest()
    for method in ("CLAHE", "HE + CLAHE"):
        widget.method.setCurrentText(method)
        widget.method.activated.emit(widget.method.currentIndex())
        until(lambda: not session.busy)
        for name, slider in (("clip limit", "clip_limit"), ("tile size", "tile_mm")):
            handle = widget.sliders[slider].slider
            places = np.linspace(5, 195, moves).round().astype(int).tolist()
            report(f"{method}, {name}", session, [partial(handle.setValue, p) for p in places])
    slices = [7 + k % 20 for k in range(moves)]
    report("scroll", session, [partial(session.slice_view.go_to, k) for k in slices])
    session.enhance.set_live(False)
    report("scroll without preview", None, [partial(session.slice_view.go_to, k) for k in slices])
    report("plain napari data assignment", None, peer(viewer, moves))
    viewer.close()


def stretched() -> Volume:
    """A phantom on 512 x 512 pixels, with noise of its own."""
    small = chest_phantom(shape=(96, 160, 160), spacing=(3.0, 2.2, 2.2), seed=7).volume.hu
    at = [np.arange(n) * m // n for n, m in zip(SHAPE, small.shape, strict=True)]
    hu = small[np.ix_(*at)]
    hu += np.random.default_rng(0).integers(-12, 13, hu.shape, np.int16)
    return Volume(hu, (2.5, 0.7, 0.7))


def peer(viewer: napari.Viewer, moves: int) -> list[Callable[[], object]]:
    """Assign other slices to a layer of one slice where the viewer looks."""
    rng = np.random.default_rng(0)
    place = (float(viewer.dims.point[0]), 0.0, 0.0)
    planes = rng.integers(-1000, 400, (8, 1, *SHAPE[1:]), np.int16)
    layer = viewer.add_image(planes[0], scale=(2.5, 0.7, 0.7), translate=place, units="mm")
    return [partial(setattr, layer, "data", planes[k % 8].copy()) for k in range(moves)]


def report(what: str, session: Session | None, acts: list[Callable[[], object]]) -> None:
    """Time each act until it is drawn, and what of it was computing."""
    drawn, computed = [], []
    acts[0]()
    rest()
    for act in acts[1:]:
        before = None if session is None else session.enhance.shown
        start = time.perf_counter()
        act()
        QApplication.processEvents()
        if session is not None and session.enhance.shown is before:
            continue  # the slider stood there already
        drawn.append(1000 * (time.perf_counter() - start))
        if session is not None and session.enhance.shown is not None:
            computed.append(session.enhance.shown.ms)
    line = f"{what}: on the canvas in {told(drawn)} ms"
    if computed:
        line += f", computed in {told(computed)} ms"
    print(f"{line} ({len(drawn)} moves)")


def told(values: list[float]) -> str:
    """Median, and within what 90 % lie."""
    return f"{statistics.median(values):.1f} (90 % within {np.percentile(values, 90):.1f})"


if __name__ == "__main__":
    main()
