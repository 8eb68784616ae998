"""Mark nodules, measure them, correct them, save them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QHeaderView

from napari_vaemed.decision.follow_up import follow_up
from napari_vaemed.plugin import finding_text as texts
from napari_vaemed.plugin import work
from napari_vaemed.plugin.docks import NO_CT, Wiring, card_text, open_offers, strip_of, style_of
from napari_vaemed.plugin.files import ask_save
from napari_vaemed.plugin.follow_up import FollowUp
from napari_vaemed.plugin.parts.mode_row import ModeRow
from napari_vaemed.plugin.parts.panel import Panel, button, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.scans import identity_source
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import finding_colour

HEADINGS = ("Nr.", "Long. mm", "Perp. mm", "Vol. mm³", "HU")
EXPLAINED = (
    "Long.: longest in-plane diameter over all axial slices. Perp.: the longest one across it on "
    "the same slice (RECIST). Vol.: voxels at the border count in part. HU: mean of the mask. "
    "±: half of the 95 % interval, calibrated on phantoms.\n"
    "Ctrl+C copies the table."
)
GUIDELINES = "Fleischner 2017 or ACR Lung-RADS v2022. Research only: aids, not advice."
MASKS = "NIfTI (*.nii.gz);;NRRD (*.nrrd);;MetaImage (*.mha);;DICOM SEG (*.dcm)"


class NoduleWidget(Panel):
    """The Nodule tool and the table of findings."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Nodule", strip_of(self.session), partial(style_of, self.session))
        self._build_tool()
        self._build_table()
        self._build_buttons()
        self._build_follow_up()
        self.body.addStretch(1)
        Wiring(self, self.session, "nodule")
        self.session.case_changed.connect(self._on_changed)
        self.session.findings_changed.connect(self._on_changed)
        self.session.lungs_changed.connect(self._on_changed)
        self.session.tool.toggled.connect(self._on_tool_toggled)
        self.session.tool.turned.connect(self._show_hint)
        self._on_changed()

    def _build_tool(self) -> None:
        self.tool_button = button(
            "Nodule tool  (N)",
            "While on, click a nodule in 2-D or 3-D to outline and measure it. Dragging still "
            "moves the view. Key: N",
            self.session.tool.toggle,
            holds=True,
        )
        self.tool_button.setMinimumHeight(30)
        self.hint = label("", "quiet")
        self.hint.setWordWrap(True)
        self.modes = ModeRow(texts.MODE_BUTTONS)
        self.modes.chosen.connect(self.session.tool.turn_to)
        for each in (self.tool_button, self.modes, self.hint):
            self.add(each)

    def _build_table(self) -> None:
        self.heading("Findings")
        self.table = NumberTable(HEADINGS)
        self.table.setToolTip(EXPLAINED)
        for fitted in (0, 3, 4):
            self.table.horizontalHeader().setSectionResizeMode(
                fitted, QHeaderView.ResizeMode.ResizeToContents
            )
        self.table.chosen.connect(self._on_row_chosen)
        self.add(self.table)
        self.place = label("", "quiet")
        self.place.setWordWrap(True)
        self.place.setToolTip("Patient coordinates of the centre in mm: x to the left, y to the "
                              "back, z to the head (LPS)")  # fmt: skip
        self.short = label("", "quiet")
        self.short.setWordWrap(True)
        self.outliner = label("", "quiet")
        for text in (self.place, self.short, self.outliner):
            self.add(text)

    def _build_follow_up(self) -> None:
        self.follow_up_heading = self.heading("Follow-up")
        self.follow_up_heading.setToolTip(GUIDELINES)
        self.follow_up = FollowUp()
        self.follow_up.answered.connect(self.session.findings.answer)
        self.follow_up.forgotten.connect(self.session.findings.forget_answers)
        self.add(self.follow_up)

    def _build_buttons(self) -> None:
        findings = self.session.findings
        self.undo_button = button("Undo", "Take back the last click, correction or stroke (Ctrl+Z)",
                                  findings.undo)  # fmt: skip
        self.redo_button = button("Redo", "Do again what was taken back (Ctrl+Shift+Z)",
                                  findings.redo)  # fmt: skip
        self.remove_button = button("Remove", "Take the chosen finding away; Undo brings it back",
                                    self._on_remove)  # fmt: skip
        self.brush_button = button("Correct with brush",
                                   "Draw on the chosen finding; its sizes follow when the mouse "
                                   "is released. Ctrl+Z takes a stroke back. "
                                   "Drawing reaches 15 mm beyond the outline.",
                                   self._on_brush, holds=True)  # fmt: skip
        self.add(self.undo_button, self.redo_button, self.remove_button)
        self.add(self.brush_button)
        self.heading("Save")
        self.save_mask_button = button("Masks…", "Save all findings as one mask on the grid of the "
                                       "CT's file; each has its number",
                                       self._on_save_masks)  # fmt: skip
        self.save_csv_button = button("Measurements…", "Save one line a finding as CSV",
                                      self._on_save_csv)  # fmt: skip
        self.add(self.save_mask_button, self.save_csv_button)
        for keys, act in (("Ctrl+Z", findings.undo), ("Ctrl+Shift+Z", findings.redo)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def save_masks(self, path: str | Path) -> None:
        """Save all findings as one label image on the grid of the CT's file."""
        case = self.session.case
        if case is None or not case.findings:
            return
        masks = [(f.label, f.marked.mask) for f in case.findings]
        try:
            identity = identity_source(path, case.volume)
        except ValueError as reason:
            self.session.say("nodule", f"Not saved: {reason}", "error")
            return
        task = partial(work.write_findings, Path(path), masks, case.volume, identity)
        job = self.session.start(case, task, "Saving the masks", "save masks", "read")
        job.returned.connect(partial(self._on_saved, [f.marked for f in case.findings]))
        job.failed.connect(partial(self.session.fail, "nodule", "Not saved"))

    def save_csv(self, path: str | Path) -> None:
        """Save the measurements, one line a finding."""
        case = self.session.case
        if case is None or not case.findings:
            return
        rows = [(f.label, f.marked.measurement, case.bars_of(f)) for f in case.findings]
        task = partial(work.write_measurements, Path(path), rows)
        job = self.session.start(case, task, "Saving the measurements", "save csv", "read")
        job.returned.connect(partial(self._on_saved, [f.marked for f in case.findings]))
        job.failed.connect(partial(self.session.fail, "nodule", "Not saved"))

    def _on_changed(self) -> None:
        case = self.session.case
        if case is None:
            self.say_empty(NO_CT, *open_offers(self.session))
            return
        self.say_empty()
        shown = sorted(case.findings, key=lambda f: f.label)
        labels = [f.label for f in shown]
        self.table.fill(
            [
                (str(f.label), *texts.size_cells(f.marked.measurement, case.bars_of(f)))
                for f in shown
            ],
            tooltips=[texts.all_numbers(f.marked.measurement, case.bars_of(f)) for f in shown],
            colours=[finding_colour(n) for n in labels],
            selected=labels.index(case.selected) if case.selected in labels else None,
        )
        self._show_place()
        self._show_follow_up()
        self._show_hint()
        self.session.findings.measure_errors()
        self.undo_button.setEnabled(case.history.can_undo)
        self.redo_button.setEnabled(case.history.can_redo)
        for each in (self.remove_button, self.brush_button):
            each.setEnabled(case.finding is not None)
        for each in (self.save_mask_button, self.save_csv_button):
            each.setEnabled(bool(shown))

    def _show_place(self) -> None:
        case = self.session.case
        finding = None if case is None else case.finding
        for text in (self.place, self.short, self.outliner):
            text.setVisible(finding is not None)
        if finding is not None:
            measured, model = finding.marked.measurement, finding.marked.model
            x, y, z = measured.centre_mm
            self.place.setText(
                f"{finding.name}: centre {x:.0f}, {y:.0f}, {z:.0f} mm · "
                f"slice {measured.slice_index}"
            )
            self.short.setText(texts.in_short(measured))
            named = "hand" if model is None else f"{model.name} {model.sha256[:8]}"
            hints = finding.marked.hints
            self.outliner.setText(f"Outlined by {named}" + (", corrected" if hints else ""))
            self.outliner.setToolTip("" if model is None else card_text(model))

    def _show_follow_up(self) -> None:
        case = self.session.case
        finding = None if case is None else case.finding
        self.follow_up.setVisible(finding is not None)
        self.follow_up_heading.setVisible(finding is not None)
        if case is not None and finding is not None:
            measured, bars = finding.marked.measurement, case.bars_of(finding)
            self.follow_up.tell(follow_up(measured, bars, case.context_of(finding)))

    def _show_hint(self) -> None:
        case, tool = self.session.case, self.session.tool
        text = (
            texts.MODE_HINTS[tool.mode] if tool.on else "Switch the tool on, then click a nodule."
        )
        self.modes.show_mode(tool.mode)
        correctable = case is not None and case.finding is not None
        for mode in ("add", "remove"):
            self.modes.buttons[mode].setEnabled(correctable)
        if case is not None and case.lungs is None:
            text += " Prepare the lungs first for surer outlines at the chest wall."
        self.hint.setText(text)

    def _on_tool_toggled(self, on: bool) -> None:
        self.tool_button.setChecked(on)
        self.brush_button.setChecked(False)
        self._show_hint()

    def _on_row_chosen(self, row: int) -> None:
        case = self.session.case
        if case is not None:
            self.session.findings.select(sorted(f.label for f in case.findings)[row])

    def _on_remove(self) -> None:
        case = self.session.case
        if case is not None and case.selected is not None:
            self.session.findings.remove(case.selected)

    def _on_brush(self) -> None:
        self.session.findings.brush(self.brush_button.isChecked())

    def _on_save_masks(self) -> None:
        if path := ask_save(self, "Save the masks", "findings.nii.gz", MASKS):
            self.save_masks(path)

    def _on_save_csv(self) -> None:
        if path := ask_save(self, "Save the measurements", "findings.csv", "CSV (*.csv)"):
            self.save_csv(path)

    def _on_saved(self, marked: list, path: Path) -> None:
        if self.session.case is not None:
            self.session.case.saved.update(marked)
        self.session.say("nodule", f"Saved {path.name}.")
