"""What the benchmarks of the window share: letting it live, and frames on the screen."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

PATIENCE_S = 120.0


def until(done: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Let the window live until something is so."""
    end = time.perf_counter() + seconds
    while not done():
        if time.perf_counter() > end:
            raise TimeoutError(f"The window did not come to rest within {seconds:.0f} s.")
        QApplication.processEvents()
        time.sleep(0.001)


def rest(seconds: float = 0.3) -> None:
    """Let the window live for a while; what is to be deleted goes."""
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()
