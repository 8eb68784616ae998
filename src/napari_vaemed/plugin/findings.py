"""Marking nodules: clicks, hints, the brush, undo and redo, and the layers that show them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_vaemed.plugin import work
from napari_vaemed.plugin.cases import Case, Finding
from napari_vaemed.plugin.click_mark import ClickMark
from napari_vaemed.plugin.jobs import Failure, Job
from napari_vaemed.plugin.masks import drawn_mask, mask_layer, put_mask, shows
from napari_vaemed.plugin.redrawing import FRAME_MS
from napari_vaemed.plugin.steps import Steps

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

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
        self._steps = Steps()
        self._mark = ClickMark(session)
        self._unmeasured: list[Case] = []
        self._undescribed = False
        self._follow = QTimer(self)
        self._follow.setSingleShot(True)
        self._follow.setInterval(FRAME_MS)
        self._follow.timeout.connect(self._on_follow)

    @property
    def waiting(self) -> bool:
        """Whether anything is still to be asked about a finding."""
        return self._follow.isActive()

    def click(self, voxel: Any) -> Job | None:
        """Mark the nodule at a voxel (z, y, x); the newest click wins."""
        session, case = self._session, self._session.case
        if case is None:
            session.say("nodule", "Open a CT first.", "warning")
            return None
        voxel = tuple(float(v) for v in voxel)
        session.say("nodule")
        task = partial(work.mark, case.volume, voxel, case.lungs)
        job = session.start(case, task, "Outlining the nodule", "click", LANE, brief=True)
        job.returned.connect(partial(self._on_marked, case))
        job.failed.connect(partial(self._on_not_marked, case))
        self._mark.await_answer(case, [voxel], job)
        session.answers.warm_up()
        return job

    def hint(self, *, inside: Any = (), outside: Any = (), box: Any = None) -> None:
        """Correct the chosen finding, or mark the nodule in a box when it is not the chosen one.

        Parameters
        ----------
        inside, outside : (n, 3)
            Voxels (z, y, x) that belong to it, or do not.
        box : (2, 3), optional
            Opposite corners of a box that holds all of it.
        """
        session, case = self._session, self._session.case
        if case is None:
            session.say("nodule", "Open a CT first.", "warning")
        elif box is None and case.finding is None:
            session.say("nodule", "There is nothing to correct yet. Click a nodule first.",
                        "warning")  # fmt: skip
        else:
            session.say("nodule")
            self._steps.take(partial(self._hint, case, case.selected, (inside, outside, box)))

    def select(self, label: int | None) -> None:
        """Speak of another finding, and go to the slice its diameters were measured on."""
        session, case = self._session, self._session.case
        if case is None:
            return
        case.selected = label
        if case.finding is not None:
            measured = case.finding.marked.measurement
            _, y, x = case.volume.to_voxel(measured.centre_mm)
            session.viewer.dims.set_point(range(3), tuple(case.world((measured.slice_index, y, x))))
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

    def put(self, case: Case, findings: tuple[Finding, ...]) -> None:
        """Have these findings of a CT from now on; undo brings the former back."""
        self._change(case, findings)

    def restore(self, case: Case, findings: tuple[Finding, ...]) -> None:
        """Have findings of an earlier sitting, with their error bars in ``case.bars``."""
        self._asked.update(f.marked for f in findings if f.marked in case.bars)
        if case.findings:
            self._change(case, (*case.findings, *findings))
        else:
            case.history.now = findings
            self._sync(case)

    def undo(self) -> None:
        """Take back the last change, once those before it are made."""
        self._steps.take(partial(self._move, "undo"))

    def redo(self) -> None:
        """Do again what was taken back."""
        self._steps.take(partial(self._move, "redo"))

    def brush(self, on: bool) -> None:
        """Make the chosen finding's layer active and ready to draw on, or put the brush away."""
        session, case = self._session, self._session.case
        layer = case.masks.get(case.selected or 0) if case is not None else None
        if case is None or layer is None:
            return
        session.tool.set_on(False)
        layer.mode = "paint" if on else "pan_zoom"
        session.viewer.layers.selection.active = layer if on else case.layer

    def measure_errors(self, case: Case | None = None) -> None:
        """Find the error bars of the findings of a CT that have none yet, behind.

        Of the CT spoken of, unless another is named.
        """
        case = case or self._session.case
        if case is not None and not all(f.marked in self._asked for f in case.findings):
            self._unmeasured.append(case)
            self._follow.start()

    def show_at(self, case: Case, voxels: Any) -> None:
        """Show where voxels (n, 3) are, until a click, a hint or other ones are answered."""
        self._mark.show(case, voxels)

    def _on_follow(self) -> None:
        """The answer has been drawn: find what may come later."""
        session = self._session
        cases, self._unmeasured = self._unmeasured, []
        undescribed, self._undescribed = self._undescribed, False
        if session.jobs.closed:
            return
        for case in cases:
            if case in session.cases.values():
                self._measure_errors(case)
        if undescribed:
            session.answers.describe_selected()

    def _measure_errors(self, case: Case) -> None:
        session = self._session
        for finding in case.findings:
            if finding.marked in self._asked:
                continue
            self._asked.add(finding.marked)
            task = partial(work.error_bars, case.volume, finding.marked, case.lungs)
            title, what = f"Error bars of {finding.name}", f"error bars {finding.label}"
            job = session.start(case, task, title, what, BARS_LANE, quiet=True)
            job.returned.connect(partial(self._on_bars, case, finding.marked))
            job.failed.connect(partial(session.fail, "nodule", f"{finding.name}: no error bars"))
            job.cancelled.connect(partial(self._asked.discard, finding.marked))

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

    def _hint(self, case: Case, label: int | None, hints: tuple[Any, Any, Any]) -> Job | None:
        """Begin to correct a finding as it is by now, unless it has gone."""
        finding = next((f for f in case.findings if f.label == label), None)
        inside, outside, box = hints
        if box is not None:
            box = np.asarray(box, float)
            if finding is not None and not _holds(box, finding, case):
                finding = None
        elif finding is None:
            return None
        marked = None if finding is None else finding.marked
        task = partial(work.amend, case.volume, marked, inside, outside, box, case.lungs)
        title = "Outlining the nodule" if finding is None else f"Correcting {finding.name}"
        job = self._session.start(case, task, title, "hint", LANE, brief=True)
        if finding is None:
            job.returned.connect(partial(self._on_marked, case))
            job.failed.connect(partial(self._on_not_marked, case))
        else:
            job.returned.connect(partial(self._on_corrected, case, finding))
            job.failed.connect(partial(self._session.fail, "nodule", "Not corrected"))
        self._mark.await_answer(case, [*inside, *outside], job)
        return job

    def _on_corrected(self, case: Case, before: Finding, marked: Any) -> None:
        self._on_measured(case, before.label, marked)
        now, old = (m.measurement.partial_volume_mm3 for m in (marked, before.marked))
        changed = f"{now - old:+.0f} mm³, now {now:.0f}"
        same = marked.mask.same_as(before.marked.mask)
        said = "it was so already" if same else f"{changed}. Ctrl+Z takes it back"
        self._session.say("nodule", f"{before.name}: {said}.")

    def _move(self, way: str) -> None:
        """Go one step along the history."""
        case = self._session.case
        if case is not None:
            getattr(case.history, way)()
            self._sync(case)

    def _on_not_marked(self, case: Case, failure: Failure) -> None:
        if type(failure.error).__name__ == "NoNodule":  # its module is imported by the job only
            self._session.say("nodule", failure.text, "warning")
        else:
            self._session.fail("nodule", "The nodule could not be outlined", failure)

    def _change(self, case: Case, findings: tuple[Finding, ...], drawn: int | None = None) -> None:
        case.history.change(findings)
        self._sync(case, drawn)

    def _sync(self, case: Case, drawn: int | None = None) -> None:
        """Make the layers show the findings as they are now.

        Parameters
        ----------
        drawn : int or None
            Whose layer was drawn on: it shows that, or what has been drawn since.
        """
        wanted = {finding.label: finding for finding in case.findings}
        if case.selected not in wanted:
            case.selected = max(wanted, default=None)
        self._syncing = True
        try:
            for label in [n for n in case.masks if n not in wanted]:
                self._remove(case.masks.pop(label))
            for finding in wanted.values():
                if finding.label != drawn or drawn not in case.masks:
                    self._sync_mask(case, finding)
        finally:
            self._syncing = False
        self._undescribed = True
        self._follow.start()
        self._session.findings_changed.emit()

    def _sync_mask(self, case: Case, finding: Finding) -> None:
        layer = case.masks.get(finding.label)
        if layer is not None and (shows(layer, finding) or put_mask(layer, finding)):
            return
        if layer is not None:
            self._remove(layer)
        layer = case.masks[finding.label] = self._layer_of(case, finding)
        # A stroke is told before it is written, and napari's own undo only as new data.
        for changed in (layer.events.paint, layer.events.set_data):
            changed.connect(lambda _: self._look_soon(case, finding.label))
        for each in (layer, case.layer):
            self._bind_undo(each)

    def _layer_of(self, case: Case, finding: Finding) -> Labels:
        """A layer that shows a finding's mask: the one that waits, or a new one on top."""
        layer = self._session.next_finding.take(case, finding)
        if layer is None:
            flat = self._session.viewer.dims.ndisplay == 2
            layer = mask_layer(case, finding, outlined=flat)
            self._session.insert(case, layer, above_all=True)
        return layer

    def _bind_undo(self, layer: Layer) -> None:
        """Clicks, hints and strokes are taken back in one order, not by the layer's own."""
        layer.bind_key("Control-Z", lambda _: self.undo(), overwrite=True)
        layer.bind_key("Control-Shift-Z", lambda _: self.redo(), overwrite=True)

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
        self._steps.take(partial(self._measure_drawn, case, finding, mask))

    def _measure_drawn(self, case: Case, finding: Finding, mask: Any) -> Job | None:
        """Take a stroke as a step, unless the finding has gone."""
        label = finding.label
        if all(f.label != label for f in case.findings):
            return None
        for known in case.history.ever:
            if known.label == label and known.marked.mask.same_as(mask):
                self._on_measured(case, label, known.marked, drawn=True)  # a stroke taken back
                return None
        task = partial(work.measure, case.volume, mask, finding.marked.voxel, case.lungs)
        title = f"Measuring {finding.name}"
        job = self._session.start(case, task, title, f"measure {label}", LANE, brief=True)
        job.returned.connect(partial(self._on_measured, case, label, drawn=True))
        what = f"{finding.name} cannot be measured"
        job.failed.connect(partial(self._session.fail, "nodule", what))
        return job

    def _on_bars(self, case: Case, marked: Any, bars: Any) -> None:
        case.bars[marked] = bars
        self._session.findings_changed.emit()

    def _on_measured(self, case: Case, label: int, marked: Any, *, drawn: bool = False) -> None:
        for old in (f.marked for f in case.findings if f.label == label):
            case.nodule_answers[marked] = case.nodule_answers.setdefault(old, {})
        self._change(
            case,
            tuple(replace(f, marked=marked) if f.label == label else f for f in case.findings),
            label if drawn else None,
        )


def _holds(box: Any, finding: Finding, case: Case) -> bool:
    """Whether a finding's centre lies in a box drawn on a slice of it."""
    centre = case.volume.to_voxel(finding.marked.measurement.centre_mm)
    low, high = np.sort(box, axis=0)
    drawn = high - low > 1
    return bool(((centre >= low) & (centre <= high))[drawn].all())
