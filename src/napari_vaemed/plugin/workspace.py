"""Open the docks of the main job side by side, as tabs in the order of work."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_vaemed.plugin.main_window import main_window
from napari_vaemed.plugin.parts.panel import panel_name

if TYPE_CHECKING:
    from napari.qt import QtViewer

PLUGIN = "napari-vaemed"
DOCKS = ("CT", "Lungs", "Nodule", "Findings", "Twins", "Latent", "Classify")
"""Names of the docks, as in the manifest."""
WIDTH = 400


def open_workspace(viewer: Any) -> dict[str, QWidget]:
    """Dock CT to Classify as tabs at the right, in the order of `DOCKS`; gives them by name."""
    docks, widgets = [], {}
    for name in DOCKS:
        dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.setWindowTitle(name)  # on the tab there is no room for the plugin's name
        docks.append(dock)
        widgets[name] = widget
    window = docks[0].parent()
    if isinstance(window, QMainWindow):
        for one, other in pairwise(docks):
            window.tabifyDockWidget(one, other)
        window.resizeDocks([docks[0]], [WIDTH], Qt.Orientation.Horizontal)
    docks[0].show()
    docks[0].raise_()
    return widgets


def show_dock(viewer: Any, name: str) -> None:
    """Bring one of the docks to the front; open it when it is not there."""
    window = main_window(viewer)
    widgets = [] if window is None else window.findChildren(QWidget, panel_name(name))
    dock = _dock_of(widgets[0]) if widgets else None
    if dock is None:
        dock, _ = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
    dock.show()
    dock.raise_()


def qt_viewer_of(viewer: Any) -> QtViewer | None:
    """The widget around napari's own canvas and sliders, of a viewer with a window.

    Others may lie inside it, so it is looked for right beneath the window's middle.
    """
    from napari.qt import QtViewer

    window = main_window(viewer)
    centre = None if window is None else window.centralWidget()
    if centre is None:
        return None
    found: QtViewer | None = centre.findChild(
        QtViewer, options=Qt.FindChildOption.FindDirectChildrenOnly
    )
    return found


def canvas_of(viewer: Any) -> QWidget | None:
    """The widget napari draws in, of a viewer with a window."""
    around = qt_viewer_of(viewer)
    return None if around is None else around.canvas.native


class WorkspaceOpener(QWidget):
    """What the menu entry makes: it opens the workspace and goes.

    napari's plugin menu holds docks only, so the entry is one; its own dock closes at once.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        QTimer.singleShot(0, self._on_shown)

    def _on_shown(self) -> None:
        viewer = getattr(self._viewer, "__wrapped__", self._viewer)
        dock = _dock_of(self)
        if dock is not None:
            viewer.window.remove_dock_widget(dock)
        open_workspace(viewer)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    """The dock a widget stands in."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent
