"""Collect garbage in the GUI thread only, while other threads work.

Python's collector runs in whichever thread happens to make the next object. Widgets are nearly
always part of a cycle, so it is the collector that ends them; a `QObject` that is destroyed in a
thread not its own crashes the process, or stops it for ever: its destructor holds a lock of Qt's
and waits for Python, while the GUI thread has Python and waits for that lock.
"""

from __future__ import annotations

import gc

from qtpy.QtCore import QObject, QTimer

LOOK_EVERY_MS = 20


class GuiThreadGarbage(QObject):
    """Takes the collector over while anybody holds it; lives in the GUI thread.

    What exists when it is first held is set aside, so that its collections stay short; all of it
    is Python's own business again when the last holder lets go.
    """

    def __init__(self) -> None:
        super().__init__()
        self._holders = 0
        self._thresholds = (0, 0, 0)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    def hold(self) -> None:
        """Collect here from now on; does nothing where somebody has switched the collector off."""
        self._holders += 1
        if gc.isenabled():
            self._thresholds = gc.get_threshold()
            gc.disable()
            gc.freeze()
            self._timer.start()

    def release(self) -> None:
        """Let go; Python has its collector back one look after the last holder has gone."""
        self._holders -= 1

    def _look(self) -> None:
        if self._holders == 0:
            self._timer.stop()
            gc.unfreeze()
            gc.enable()
            return
        full = [
            made > most > 0 for made, most in zip(gc.get_count(), self._thresholds, strict=True)
        ]
        for generation in (2, 1, 0):
            if all(full[: generation + 1]):
                gc.collect(generation)
                return
