"""How long a click takes in the window, from the press to each answer.

xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/click.py --data ../shared/data

The peer is the same work called without a window.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_vaemed.data.phantoms import chest_phantom
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import read_ct
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.workspace import open_workspace
from napari_vaemed.workflow.examine import describe, mark, shipped_expert

CLICKS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with lidc_scans; else the phantom")
    options = parser.parse_args()
    volume, centre = _scan(options.data)
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    open_workspace(viewer)
    session = session_of(viewer)
    session.add(volume_to_layer(volume))
    session.prepare()
    _wait(session)
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(CLICKS, 3))
    steps *= 2 / np.linalg.norm(steps, axis=1, keepdims=True)
    window = [_click(session, volume.to_voxel(centre + step)) for step in steps]
    bare = [_bare(session, volume, volume.to_voxel(centre + step)) for step in steps]
    print(f"{'click':>5}{'mask s':>9}{'all s':>9}{'without window: mask s':>25}{'all s':>9}")
    for number, (shown, done) in enumerate(zip(window, bare, strict=True), 1):
        print(f"{number:5}{shown[0]:9.2f}{shown[1]:9.2f}{done[0]:25.2f}{done[1]:9.2f}")
    later = np.median(window[1:], axis=0)
    ratio = later[1] / np.median(bare[1:], axis=0)[1]
    print(f"from the second on: mask {later[0]:.2f} s, all {later[1]:.2f} s, {ratio:.2f} × bare")
    viewer.close()


def _scan(data: Path | None) -> tuple[Volume, np.ndarray]:
    if data is None:
        phantom = chest_phantom()
        solid = max((n for n in phantom.planted if n.kind == "solid"), key=lambda n: n.diameter_mm)
        return phantom.volume, np.array(solid.centre_mm)
    volume = finish(read_ct(data / "lidc_scans" / "LIDC-IDRI-0001"))
    return volume, np.array((56.3, 86.4, -115.9))


def _click(session: Session, voxel: np.ndarray) -> tuple[float, float]:
    """Seconds until the finding stands, and until its twins do."""
    case = session.case
    assert case is not None
    before, start = len(case.findings), perf_counter()
    session.click(voxel)
    while len(case.findings) == before and session.busy:
        _live()
    marked = perf_counter() - start
    _wait(session)
    assert len(case.findings) == before + 1
    return marked, perf_counter() - start


def _bare(session: Session, volume: Volume, voxel: np.ndarray) -> tuple[float, float]:
    assert session.case is not None
    start = perf_counter()
    marked = mark(volume, voxel, session.case.lungs)
    after = perf_counter() - start
    describe(shipped_expert(), volume, marked)
    return after, perf_counter() - start


def _wait(session: Session) -> None:
    _live()
    while session.busy:
        _live()


def _live() -> None:
    """Let the window live for a moment; a tight loop would take the processor from the job."""
    loop = QEventLoop()
    QTimer.singleShot(5, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
