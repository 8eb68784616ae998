"""The `vaemed` command: the same verbs as the window, without one."""

from napari_vaemed.cli.command import main

__all__ = ["main"]
