"""Walk the main job in a real window: open, lungs, CLAHE, click, twins, sliders, 3-D, slices.

`make demo` runs it. With ``--stay`` the window stays open; else pictures and a report are
written and the window closes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget

from napari_vaemed.plugin.session import Session, session_of
from napari_vaemed.plugin.workspace import open_workspace

SIZE = (1500, 950)
WHOLE_PX = 700
"""How high a whole slice is drawn."""
PATIENCE_S = 300.0


class Stuck(RuntimeError):
    """The walk could not go on."""


class Walk:
    """One walk through the main job in a viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    out : Path
        Where pictures and report go.
    """

    def __init__(self, viewer: Any, out: Path) -> None:
        self.viewer, self.out = viewer, out
        self.session: Session = session_of(viewer)
        self.docks = open_workspace(viewer)
        self.seconds: dict[str, float] = {}
        self.pictures: list[Path] = []

    def open(self, ct: Path | None) -> None:
        """Open a CT, or the sample chest, in the window."""
        start = perf_counter()
        self.session.open(ct) if ct else self.session.open_sample()
        self.wait("ct")
        self.seconds["read"] = perf_counter() - start
        if self.session.case is None:
            raise Stuck("No CT was opened.")
        for note in self.session.case.volume.notes:
            print(f"note: {note}")

    def prepare(self) -> None:
        """Lungs and CLAHE, as the button does."""
        start = perf_counter()
        self.session.prepare()
        for job in self.session.jobs.running:
            step = "clahe" if "CLAHE" in job.title else "lungs"
            job.returned.connect(lambda _, step=step: self._note(step, start))
        self.wait("lungs")
        self.seconds["clahe"] = self.seconds["clahe"] - self.seconds.get("lungs", 0.0)

    def click(self, voxel: tuple[float, float, float]) -> None:
        """Click with the Nodule tool, and wait for the twins."""
        self.session.tool.set_on(True)
        self.session.click(voxel)
        self.wait("nodule")
        self.session.tool.set_on(False)

    def look(self, name: str, dock: str) -> None:
        """Raise a dock and keep a picture of the whole window."""
        widget = self.docks[dock]
        parent = widget.parent()
        while parent is not None and not isinstance(parent, QDockWidget):
            parent = parent.parent()
        if parent is not None:
            parent.raise_()
        self.pause(0.6)
        path = self.out / f"{name}.png"
        picture = self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        if picture.std() < 5:
            raise Stuck(f"{path.name} is blank: the canvas was not drawn. Is OpenGL there?")
        self.pictures.append(path)

    def wait(self, topic: str) -> None:
        """Let the window live until nothing is being worked on."""
        end = perf_counter() + PATIENCE_S
        self.pause(0.05)
        while self.session.busy:
            if perf_counter() > end:
                raise Stuck(f"Gave up after {PATIENCE_S:.0f} s.")
            self.pause(0.02)
        self.pause(0.05)
        said = self.session.messages.get(topic)
        if said is not None and said.level == "error":
            raise Stuck(said.text)

    def pause(self, seconds: float) -> None:
        """Let the window live for a while."""
        loop = QEventLoop()
        QTimer.singleShot(int(seconds * 1000), loop.quit)
        loop.exec_() if hasattr(loop, "exec_") else loop.exec()
        QApplication.processEvents()

    def _note(self, step: str, start: float) -> None:
        self.seconds[step] = perf_counter() - start


def walk(viewer: Any, out: Path, ct: Path | None, at: tuple[float, float, float] | None) -> Walk:
    """Do the main job in a window and write its pictures and ``report.json``."""
    from napari_vaemed.io.reports import write_report
    from napari_vaemed.workflow.report import report

    out.mkdir(parents=True, exist_ok=True)
    steps = Walk(viewer, out)
    steps.open(ct)
    steps.look("1_ct", "CT")
    steps.prepare()
    steps.look("2_lungs", "Lungs")
    found = _found(steps)
    voxel = _where(steps, ct, at)
    if voxel is None:
        found.reasons.append("No nodule-like spot was found inside the lungs.")
    else:
        steps.click(voxel)
        _show_click(steps, found)
    _score_slices(steps, found)
    write_report(out / "report.json", report(found))
    return steps


def _show_click(steps: Walk, found: Any) -> None:
    """Take what the click gave into the report, and look at each dock that shows it."""
    case = steps.session.case
    if case is None or case.finding is None:
        said = steps.session.messages.get("nodule")
        found.reasons.append(said.text if said else "No nodule was marked.")
        steps.look("3_nodule", "Nodule")
        return
    found.marked = case.finding.marked
    found.described = case.description_of(case.finding)
    found.expert = steps.session.answers.expert
    steps.session.findings.select(case.finding.label)
    _zoom(steps.viewer, case.world(case.volume.to_voxel(found.marked.measurement.centre_mm)))
    steps.look("3_nodule", "Nodule")
    twins, latent = steps.docks["Twins"], steps.docks["Latent"]
    steps.look("4_twins", "Twins")
    twins.show_as_layers(True)
    steps.wait("twins")
    steps.look("5_twins_as_layers", "Twins")
    twins.show_as_layers(False)
    if found.expert is not None and found.expert.axes:
        axis = found.expert.axes[0]
        latent.set_latent(axis.dim, axis.high)
        latent.traverse(axis.dim)
        steps.wait("latent")
        steps.look("6_latent", "Latent")
        latent.reset()
    steps.session.views.show_3d()
    steps.wait("ct")
    steps.look("7_3d", "Nodule")
    steps.session.views.show_2d()


def _score_slices(steps: Walk, found: Any) -> None:
    """Take the slices' scores into the report, and look at the highest one with its Grad-CAM."""
    view, case = steps.session.slice_view, steps.session.case
    steps.docks["Classify"].score()
    steps.wait("classify")
    if case is None or case.scored is None:
        return
    found.classified = case.scored.said
    scores = found.classified.scores
    if len(scores):
        steps.viewer.scene.camera.center = tuple(case.world(np.array(case.volume.shape) / 2))
        steps.viewer.scene.camera.zoom = WHOLE_PX / case.volume.shape[1] / case.volume.spacing[1]
        view.go_to(int(scores.indices[np.argmax(scores.covid)]))
        steps.session.where.set_on(True)
        steps.wait("classify")
    steps.look("8_classify", "Classify")
    steps.session.where.set_on(False)


def _found(steps: Walk) -> Any:
    from napari_vaemed.workflow.report import Examination

    case = steps.session.case
    assert case is not None
    said = steps.session.messages.get("lungs")
    return Examination(
        case.volume,
        lungs=case.lungs,
        reasons=[said.text] if said and case.lungs is None else [],
        seconds=steps.seconds,
    )


def _where(
    steps: Walk, ct: Path | None, at: tuple[float, float, float] | None
) -> tuple[float, float, float] | None:
    """Voxel (z, y, x) to click."""
    from napari_vaemed.workflow.report import voxel_at, where_to_click

    case = steps.session.case
    assert case is not None
    if at is not None:
        return voxel_at(case.volume, at)
    if case.lungs is None:
        return None
    spots: list[Any] = []
    job = steps.session.start(
        case,
        lambda: where_to_click(ct, case.volume, case.lungs),
        "Looking for a nodule",
        "where",
    )
    job.returned.connect(spots.append)
    steps.wait("ct")
    return spots[0] if spots else None


def _zoom(viewer: Any, world: np.ndarray) -> None:
    """Bring a point into the middle, with about 12 cm around it."""
    camera = viewer.scene.camera
    camera.center = tuple(world)
    camera.zoom = 6.0


def main() -> int:
    """Run the demo; 0 when the main job was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=Path, help="DICOM folder or volume file; else the sample")
    parser.add_argument("--at", type=float, nargs=3, metavar=("X", "Y", "Z"), help="LPS mm")
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--stay", action="store_true", help="leave the window open")
    options = parser.parse_args()
    import napari

    viewer = napari.Viewer(title="napari-vaemed – research only")
    viewer.window.resize(*SIZE)
    try:
        steps = walk(viewer, options.out, options.ct, options.at and tuple(options.at))
    except (Stuck, ValueError, LookupError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        viewer.close()
        return 2
    for path in (*steps.pictures, options.out / "report.json"):
        print(path)
    if options.stay:
        napari.run()
    else:
        viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
