"""How long after choosing a scan its first slice is on the screen, and its volume.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). Each path is opened in a window
with the CT dock, as by hand: once as a folder just chosen, once as a series just chosen in the
table, where its header was read before. "On the screen" is when the window has swapped its frame
with the slice in it.
Each figure is the median of a few; the very first, in a window that has shown nothing yet, is
told apart. Run::

    python benchmarks/first_slice.py ../shared/data/lidc_scans/LIDC-IDRI-0001
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from napari_vaemed.plugin import work
from napari_vaemed.plugin.parts.first_look import FirstLook
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.widgets.ct import CTWidget
from window import until

TIMES = 5
WANTED_S = 0.5


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("paths", type=Path, nargs="+")
    options.add_argument("--no-warm-up", action="store_true", help="as if no dialog had been open")
    chosen = options.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    viewer.window.add_dock_widget(CTWidget(viewer), area="right", name="CT")
    session = session_of(viewer)
    QApplication.processEvents()
    if not chosen.no_warm_up:  # the dock does this while its file dialog is open
        session.jobs.start(work.get_ready, title="warm", channel="warm", lane="read", quiet=True)
        until(lambda: not session.busy)
    for path in chosen.paths:
        print(path.name)
        report("folder chosen", [timed_folder(session, path) for _ in range(TIMES)])
        report("series chosen", [timed_series(session, path) for _ in range(TIMES)])
    viewer.close()


def timed_folder(session: Session, path: Path) -> tuple[float, float]:
    """Seconds from choosing a folder."""
    return timed(session, lambda: session.opening.open(path))


def timed_series(session: Session, path: Path) -> tuple[float, float]:
    """Seconds from choosing a series in the table."""
    job = session.opening._look(path, session.opening._offer)
    until(lambda: not job.live and not session.busy)
    return timed(session, lambda: session.opening.take(session.opening.choice.usable[0]))


def timed(session: Session, begin: Callable[[], object]) -> tuple[float, float]:
    """Seconds until a slice is drawn, and until the volume is."""
    viewer, shown = session.viewer, []
    canvas = viewer.window._qt_viewer.canvas.native
    frame = partial(note_frame, session, shown)
    canvas.frameSwapped.connect(frame)
    start = time.perf_counter()
    begin()
    until(lambda: not session.busy and bool(shown) and shown[-1][1])
    canvas.frameSwapped.disconnect(frame)
    viewer.layers.clear()
    until(lambda: session.case is None)
    first, whole = shown[0][0], next(when for when, is_whole in shown if is_whole)
    return first - start, whole - start


def note_frame(session: Session, shown: list[tuple[float, bool]]) -> None:
    """Note when a frame came onto the screen, and whether the volume was in it."""
    if session.viewer.layers or session.viewer.window._qt_window.findChild(FirstLook):
        shown.append((time.perf_counter(), session.case is not None))


def report(what: str, times: list[tuple[float, float]]) -> None:
    first, whole = (statistics.median(t) for t in zip(*times, strict=True))
    verdict = "within" if first <= WANTED_S else "NOT within"
    print(
        f"  {what}: first slice {first:.2f} s ({verdict} {WANTED_S} s; the first time "
        f"{times[0][0]:.2f} s), volume {whole:.2f} s"
    )


if __name__ == "__main__":
    main()
