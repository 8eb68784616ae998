"""The window around a viewer: what napari gives no public way to ask for."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QMainWindow


def main_window(viewer: Any) -> QMainWindow | None:
    """The Qt window of a viewer; None for a viewer without one."""
    return getattr(getattr(viewer, "window", None), "_qt_window", None)
