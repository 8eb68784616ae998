"""How long each dock takes to open, against an empty widget in the same dock area.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). A CT is open, so that the docks
have something to show. Run::

    python benchmarks/docks.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import napari
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.widgets.classify import ClassifyWidget
from napari_vaemed.plugin.widgets.ct import CTWidget
from napari_vaemed.plugin.widgets.disagreement import DisagreementWidget
from napari_vaemed.plugin.widgets.enhance import EnhanceWidget
from napari_vaemed.plugin.widgets.findings import FindingsWidget
from napari_vaemed.plugin.widgets.latent import LatentWidget
from napari_vaemed.plugin.widgets.latent_map import LatentMapWidget
from napari_vaemed.plugin.widgets.lungs import LungsWidget
from napari_vaemed.plugin.widgets.neighbours import NeighboursWidget
from napari_vaemed.plugin.widgets.nodule import NoduleWidget
from napari_vaemed.plugin.widgets.train import TrainWidget

TIMES = 7


def main() -> None:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    session = session_of(viewer)
    phantom = chest_phantom(shape=(96, 160, 160), spacing=(3.0, 2.2, 2.2), seed=7)
    session.add(volume_to_layer(phantom.volume))
    QApplication.processEvents()
    empty = opened(viewer, lambda _: plain())
    print(f"empty widget: {empty:.0f} ms")
    docks = (
        CTWidget,
        LungsWidget,
        NoduleWidget,
        FindingsWidget,
        NeighboursWidget,
        LatentWidget,
        ClassifyWidget,
        EnhanceWidget,
        TrainWidget,
        DisagreementWidget,
        LatentMapWidget,
    )
    for widget in docks:
        took = opened(viewer, widget)
        print(
            f"{widget.__name__}: {took:.0f} ms, {took - empty:.0f} ms beyond napari's own, "
            f"ratio {took / empty:.2f}"
        )
    viewer.close()


def plain() -> QWidget:
    """An empty widget."""
    widget = QWidget()
    widget.setLayout(QVBoxLayout())
    return widget


def opened(viewer: napari.Viewer, make: Callable[[napari.Viewer], QWidget]) -> float:
    """Median milliseconds to make a widget, dock it and draw the window."""
    times = []
    for number in range(TIMES):
        start = time.perf_counter()
        dock = viewer.window.add_dock_widget(make(viewer), area="right", name=f"dock {number}")
        QApplication.processEvents()
        times.append(1000 * (time.perf_counter() - start))
        viewer.window.remove_dock_widget(dock)
        QApplication.processEvents()
    return statistics.median(times)


if __name__ == "__main__":
    main()
