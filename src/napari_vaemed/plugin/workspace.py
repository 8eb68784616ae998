"""Open the docks of the main job side by side, as tabs in the order of work."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

PLUGIN = "napari-vaemed"
DOCKS = ("CT", "Lungs", "Nodule", "Twins", "Latent")
"""Names of the docks, as in the manifest."""
WIDTH = 400


def open_workspace(viewer: Any) -> dict[str, QWidget]:
    """Dock CT, Lungs, Nodule, Twins and Latent as tabs at the right; gives them by name."""
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
        dock = self.parent()
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parent()
        if dock is not None:
            viewer.window.remove_dock_widget(dock)
        open_workspace(viewer)
