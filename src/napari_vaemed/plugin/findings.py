"""Marking nodules: clicks, the brush, undo and redo, and the layers that show them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_vaemed.plugin import work
from napari_vaemed.plugin.cases import Case, Finding
from napari_vaemed.plugin.jobs import Failure, Job
from napari_vaemed.plugin.masks import drawn_mask, mask_layer, put_mask, shows
from napari_vaemed.plugin.theme import YELLOW

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.plugin.session import Session

LANE, BARS_LANE = "click", "error bars"


class Findings(QObject):
    """The findings of the CT spoken of; changes are told by ``session.findings_changed``."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._syncing = False
        self._to_look_at: set[tuple[Case, int]] = set()
        self._asked: WeakSet[Any] = WeakSet()

    def click(self, voxel: Any) -> Job | None:
        """Mark the nodule at a voxel (z, y, x); the newest click wins."""
        session, case = self._session, self._session.case
        if case is None:
            session.say("nodule", "Open a CT first.", "warning")
            return None
        voxel = tuple(float(v) for v in voxel)
        session.say("nodule")
        task = partial(work.mark, case.volume, voxel, case.lungs)
        job = session.start(case, task, "Outlining the nodule", "click", LANE)
        self._show_marker(case, voxel)
        job.returned.connect(partial(self._on_marked, case))
        job.failed.connect(partial(self._on_not_marked, case))
        job.ended.connect(partial(self._on_click_ended, case, job))
        session.answers.warm_up()
        return job

    def select(self, label: int | None) -> None:
        """Speak of another finding, and go to its slice."""
        session, case = self._session, self._session.case
        if case is None:
            return
        case.selected = label
        if case.finding is not None:
            measured = case.finding.marked.measurement
            centre = case.world(case.volume.to_voxel(measured.centre_mm))
            session.viewer.dims.set_point(range(3), tuple(centre))
        session.findings_changed.emit()
        session.answers.describe_selected()

    def step(self, by: int) -> None:
        """Select the finding ``by`` places further on."""
        case = self._session.case
        if case is not None and case.findings:
            labels = sorted(f.label for f in case.findings)
            at = labels.index(case.selected) if case.selected in labels else 0
            self.select(labels[(at + by) % len(labels)])

    def remove(self, label: int) -> None:
        """Take a finding away; undo brings it back."""
        case = self._session.case
        if case is not None:
            self._change(case, tuple(f for f in case.findings if f.label != label))

    def undo(self) -> None:
        """Take back the last change."""
        if self._session.case is not None:
            self._session.case.history.undo()
            self._sync(self._session.case)

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._session.case is not None:
            self._session.case.history.redo()
            self._sync(self._session.case)

    def brush(self, on: bool) -> None:
        """Make the chosen finding's layer active and ready to draw on, or put the brush away."""
        session, case = self._session, self._session.case
        layer = case.masks.get(case.selected or 0) if case is not None else None
        if case is None or layer is None:
            return
        session.tool.set_on(False)
        layer.mode = "paint" if on else "pan_zoom"
        session.viewer.layers.selection.active = layer if on else case.layer

    def measure_errors(self) -> None:
        """Find the error bars of the findings that have none yet, behind."""
        session, case = self._session, self._session.case
        if case is None:
            return
        for finding in case.findings:
            if finding.marked in self._asked:
                continue
            self._asked.add(finding.marked)
            task = partial(work.error_bars, case.volume, finding.marked, case.lungs)
            title, what = f"Error bars of {finding.name}", f"error bars {finding.label}"
            job = session.start(case, task, title, what, BARS_LANE, quiet=True)
            job.returned.connect(partial(self._on_bars, case, finding.marked))
            job.failed.connect(partial(session.fail, "nodule", f"{finding.name}: no error bars"))

    def answer(self, key: str, value: Any, about: str) -> None:
        """Note an answer to a guideline's question about the patient or the chosen nodule."""
        case = self._session.case
        if case is None:
            return
        if about == "patient":
            case.answers[key] = value
        elif case.finding is not None:
            case.nodule_answers.setdefault(case.finding.marked, {})[key] = value
        self._session.findings_changed.emit()

    def forget_answers(self) -> None:
        """Ask everything anew."""
        case = self._session.case
        if case is not None:
            case.answers.clear()
            case.nodule_answers.clear()
            self._session.findings_changed.emit()

    def let_go(self, case: Case, layer: Layer) -> None:
        """A layer was removed by hand: if it showed a finding, that goes too."""
        for label in [n for n, mask in case.masks.items() if mask is layer and not self._syncing]:
            del case.masks[label]
            self._change(case, tuple(f for f in case.findings if f.label != label))

    def _on_marked(self, case: Case, marked: Any) -> None:
        finding = Finding(case.history.next_label(), marked)
        case.selected = finding.label
        self._change(case, (*case.findings, finding))

    def _on_not_marked(self, case: Case, failure: Failure) -> None:
        if type(failure.error).__name__ == "NoNodule":  # its module is imported by the job only
            self._session.say("nodule", failure.text, "warning")
        else:
            self._session.fail("nodule", "The nodule could not be outlined", failure)

    def _change(self, case: Case, findings: tuple[Finding, ...]) -> None:
        case.history.change(findings)
        self._sync(case)

    def _sync(self, case: Case) -> None:
        """Make the layers show the findings as they are now."""
        wanted = {finding.label: finding for finding in case.findings}
        if case.selected not in wanted:
            case.selected = max(wanted, default=None)
        self._syncing = True
        try:
            for label in [n for n in case.masks if n not in wanted]:
                self._remove(case.masks.pop(label))
            for finding in wanted.values():
                self._sync_mask(case, finding)
        finally:
            self._syncing = False
        self._session.findings_changed.emit()
        self._session.answers.describe_selected()

    def _sync_mask(self, case: Case, finding: Finding) -> None:
        layer = case.masks.get(finding.label)
        if layer is not None and (shows(layer, finding) or put_mask(layer, finding)):
            return
        if layer is not None:
            self._remove(layer)
        flat = self._session.viewer.dims.ndisplay == 2
        layer = case.masks[finding.label] = mask_layer(case, finding, outlined=flat)
        self._session.insert(case, layer, above_all=True)
        # A stroke is told before it is written, and napari's own undo only as new data.
        for changed in (layer.events.paint, layer.events.set_data):
            changed.connect(lambda _: self._look_soon(case, finding.label))

    def _remove(self, layer: Layer) -> None:
        if layer in self._session.viewer.layers:
            self._session.viewer.layers.remove(layer)

    def _look_soon(self, case: Case, label: int) -> None:
        if not self._syncing and (case, label) not in self._to_look_at:
            self._to_look_at.add((case, label))
            QTimer.singleShot(0, partial(self._on_drawn, case, label))

    def _on_drawn(self, case: Case, label: int) -> None:
        self._to_look_at.discard((case, label))
        layer = case.masks.get(label)
        finding = next((f for f in case.findings if f.label == label), None)
        if layer is None or finding is None or shows(layer, finding):
            return
        try:
            mask = drawn_mask(layer)
        except ValueError:
            text = f"{finding.name} has no voxels left. Draw again, undo, or remove it."
            self._session.say("nodule", text, "warning")
            return
        for known in case.history.ever:
            if known.label == label and known.marked.mask.same_as(mask):
                self._on_measured(case, label, known.marked)  # a stroke was taken back
                return
        task = partial(work.measure, case.volume, mask, finding.marked.voxel, case.lungs)
        title = f"Measuring {finding.name}"
        job = self._session.start(case, task, title, f"measure {label}", LANE)
        job.returned.connect(partial(self._on_measured, case, label))
        what = f"{finding.name} cannot be measured"
        job.failed.connect(partial(self._session.fail, "nodule", what))

    def _on_bars(self, case: Case, marked: Any, bars: Any) -> None:
        case.bars[marked] = bars
        if case is self._session.case:
            self._session.findings_changed.emit()

    def _on_measured(self, case: Case, label: int, marked: Any) -> None:
        new = Finding(label, marked)
        for old in (f.marked for f in case.findings if f.label == label):
            case.nodule_answers[marked] = case.nodule_answers.setdefault(old, {})
        self._change(case, tuple(new if f.label == label else f for f in case.findings))

    def _show_marker(self, case: Case, voxel: Any) -> None:
        at = np.array([case.world(voxel)])
        marker = case.made.get("Marker")
        if marker is None:
            attributes = {
                "name": "Click",
                "face_color": "transparent",
                "border_color": YELLOW,
                "size": 10,
                "symbol": "ring",
                "units": "mm",
            }
            self._session.put_made(case, "Marker", (at, attributes, "points"))
        else:
            marker.data = at

    def _on_click_ended(self, case: Case, job: Job) -> None:
        marker = case.made.get("Marker")
        newest = not self._session.jobs.has(job.channel)
        if marker is not None and newest and marker in self._session.viewer.layers:
            marker.data = np.empty((0, 3))
