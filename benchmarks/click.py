"""How long a click and its correction take in the window, from the press to each answer.

xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/click.py --data ../shared/data
xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/click.py --slices 512

An answer is there when the main canvas has been drawn with it, and the tables tell its sizes. The
peer is the same work called without a window. With ``--slices`` the scan is repeated from its feet
on until it has so many.

How often the canvas was drawn, and how long the window's own thread worked before the answer stood
and until it was drawn, depends little on what else the machine has to do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, thread_time

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import read_ct
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.workspace import canvas_of, open_workspace
from napari_vaemed.segmentation.refine import Hints
from napari_vaemed.workflow.examine import amend, describe, mark, shipped_expert
from napari_vaemed.workflow.measured import error_bars

CLICKS = 6
REST_S = 1.0
"""Between two acts: a person looks, and napari's thumbnails follow half a second after."""
ANSWERS = ("mask, sizes", "bars", "twins", "correction")
Done = Callable[[], bool]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with lidc_scans; else the phantom")
    parser.add_argument("--slices", type=int, default=0, help="so many at least")
    options = parser.parse_args()
    volume, centre = _scan(options.data)
    times = -(-options.slices // volume.shape[0])
    if times > 1:
        volume = replace(volume, hu=np.tile(volume.hu, (times, 1, 1))[: options.slices])
    print(f"{volume.shape[0]} slices of {volume.shape[1]} × {volume.shape[2]}")
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    open_workspace(viewer)
    session = session_of(viewer)
    session.add(volume_to_layer(volume))
    session.prepare()
    _wait(session)
    session.tool.set_on(True)
    _wait(session)
    acts = Frames(viewer, "click"), Frames(viewer, "correction")
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(CLICKS, 3))
    steps *= 2 / np.linalg.norm(steps, axis=1, keepdims=True)
    window = [_click(session, *acts, volume.to_voxel(centre + step)) for step in steps]
    bare = [_bare(session, volume, volume.to_voxel(centre + step)) for step in steps]
    print(f"{'seconds until':>16}" + "".join(f"{name:>12}" for name in ANSWERS))
    for name, rows in (("in the window", window), ("without", bare)):
        for number, row in enumerate(rows, 1):
            print(f"{name:>14}{number:2}" + "".join(f"{t:12.2f}" for t in row))
    for name, rows in (("in the window", window), ("without", bare)):
        later = np.median(rows[1:], axis=0)
        print(f"median from the second on, {name}: "
              + ", ".join(f"{a} {t:.2f}" for a, t in zip(ANSWERS, later, strict=True)))  # fmt: skip
    print(*acts, sep="\n")
    viewer.close()


def _scan(data: Path | None) -> tuple[Volume, np.ndarray]:
    if data is None:
        phantom = chest_phantom()
        solid = max((n for n in phantom.planted if n.kind == "solid"), key=lambda n: n.diameter_mm)
        return phantom.volume, np.array(solid.centre_mm)
    volume = finish(read_ct(data / "lidc_scans" / "LIDC-IDRI-0001"))
    return volume, np.array((56.3, 86.4, -115.9))


class Frames:
    """Frames of the window, and how long its thread worked between an act and the answer's."""

    def __init__(self, viewer: napari.Viewer, act: str) -> None:
        self.act, self.drawn = act, 0
        self.rows: list[tuple[float, float, int]] = []
        canvas_of(viewer).frameSwapped.connect(self._on_drawn)

    def __str__(self) -> str:
        before, after, frames = np.median(self.rows[1:], axis=0)
        return (
            f"median of a {self.act}: {before:.0f} ms of the window's thread until the answer "
            f"stood, {after:.0f} ms more until it was drawn, in frame {frames:.0f}"
        )

    def _on_drawn(self) -> None:
        self.drawn += 1

    def until_drawn(self, session: Session, ask: Callable[[], object], done: Done) -> float:
        """Ask, and wait until it is done and has been drawn; seconds since."""
        stood: list[tuple[float, int]] = []

        def look() -> None:
            if not stood and done():
                stood.append((thread_time(), self.drawn))

        session.findings_changed.connect(look)
        start, worked, drawn = perf_counter(), thread_time(), self.drawn
        ask()
        end = _until(session, lambda: bool(stood) and self.drawn > stood[0][1])
        session.findings_changed.disconnect(look)
        if stood:
            at, now = stood[0][0], thread_time()
            self.rows.append((1000 * (at - worked), 1000 * (now - at), self.drawn - drawn))
        return end - start


def _click(
    session: Session, clicks: Frames, corrections: Frames, voxel: np.ndarray
) -> tuple[float, ...]:
    """Seconds until the finding is drawn, has its bars, its twins, and until it is corrected."""
    case = session.case
    assert case is not None
    before, start = len(case.findings), perf_counter()
    marked = clicks.until_drawn(
        session, lambda: session.click(voxel), lambda: len(case.findings) > before
    )
    finding = case.finding
    bars = _until(session, lambda: case.bars_of(finding) is not None) - start
    _until(session, lambda: case.description_of(finding) is not None)
    twins = perf_counter() - start
    _wait(session)
    assert finding is not None
    assert len(case.findings) == before + 1
    rim = _rim(finding.marked.mask)
    corrected = corrections.until_drawn(
        session,
        lambda: session.findings.hint(outside=[rim]),
        lambda: case.finding is not finding,
    )
    _wait(session)
    return marked, bars, twins, corrected


def _rim(mask: NoduleMask) -> np.ndarray:
    """A voxel at its surface."""
    return np.argwhere(mask.voxels)[0] + mask.start


def _until(session: Session, done: Done) -> float:
    """When something is done, or nothing goes on any more."""
    while not done() and session.busy:
        _live()
    return perf_counter()


def _bare(session: Session, volume: Volume, voxel: np.ndarray) -> tuple[float, ...]:
    assert session.case is not None
    lungs, start = session.case.lungs, perf_counter()
    marked = mark(volume, voxel, lungs)
    times = [perf_counter()]
    finish(error_bars(volume, marked, lungs))
    times.append(perf_counter())
    describe(shipped_expert(), volume, marked)
    times.append(perf_counter())
    amend(volume, marked, Hints.of(outside=[_rim(marked.mask)]), lungs)
    return *(t - start for t in times), perf_counter() - times[-1]


def _wait(session: Session) -> None:
    """Until nothing goes on any more, and a moment longer."""
    _live()
    while session.busy:
        _live()
    rested = perf_counter() + REST_S
    while perf_counter() < rested:
        _live()


def _live() -> None:
    """Let the window live for a moment; a tight loop would take the processor from the job."""
    loop = QEventLoop()
    QTimer.singleShot(5, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
