"""Work through the findings of a CT: go to, name, hide, sort, take, delete, compare, save."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QComboBox, QMenu

from napari_vaemed.plugin.docks import NO_CT, Wiring, open_offers, strip_of, style_of
from napari_vaemed.plugin.files import ask_save
from napari_vaemed.plugin.finding_rows import COLOURS_BY, HEADINGS, WIDEST, colour_of
from napari_vaemed.plugin.parts.named_table import NamedTable
from napari_vaemed.plugin.parts.panel import Panel, beside, button, label
from napari_vaemed.plugin.prior_fold import PriorFold
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.suggestions_fold import SuggestionsFold

EXPLAINED = (
    "Mean: of longest and perpendicular diameter. Vol.: voxels at the border count in part. "
    "±: half of the 95 % interval. Next: the Lung-RADS category, or the months to the next CT, as "
    "asked in the Nodule dock; ?: the error bar reaches another line.\n"
    "Click a row to go there; double click its name to change it; its box hides the outline; "
    "a heading sorts. Ctrl+C copies the table."
)
NOTHING = "No findings yet. Click a nodule, or take what is drawn."


class FindingsWidget(Panel):
    """The list of findings, and the prior beside it."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Findings", strip_of(self.session), partial(style_of, self.session))
        self.list = self.session.finding_list
        self._build_adding()
        self._build_table()
        self._build_buttons()
        self.prior = PriorFold(self.session)
        self.suggestions = SuggestionsFold(self.session)
        self.add(self.suggestions)
        self.add(self.prior)
        self.body.addStretch(1)
        Wiring(self, self.session, "findings")
        self.list.changed.connect(self._on_changed)
        self.session.suggestions.changed.connect(self.suggestions.tell)
        self.session.case_changed.connect(self._on_changed)
        self.session.tool.toggled.connect(self.tool_button.setChecked)
        self.list.sit_down()

    def _build_adding(self) -> None:
        self.tool_button = button("Nodule tool  (N)", "While on, click a nodule to outline it. "
                                  "Key: N", self.session.tool.toggle, holds=True)  # fmt: skip
        self.take_button = button("Take as finding…", "Make findings of what a layer marks: a "
                                  "label, all its labels, points; or of a caliper. Shift+N takes "
                                  "the active layer's label", self._on_take)  # fmt: skip
        self.add(self.tool_button, self.take_button)

    def _build_table(self) -> None:
        self.table = NamedTable(HEADINGS, WIDEST)
        self.table.setToolTip(EXPLAINED)
        self.table.chosen.connect(self._on_row_chosen)
        self.table.renamed.connect(self._on_renamed)
        self.table.ticked.connect(self._on_ticked)
        self.table.sorted_by.connect(self.list.sort)
        self.count = label("", "quiet")
        self.colours = QComboBox()
        self.colours.addItems([f"Colour: {by}" for by in COLOURS_BY])
        self.colours.setToolTip("What the outlines' colours tell")
        self.colours.activated.connect(lambda index: self.list.colour(COLOURS_BY[index]))
        self.add(self.table)
        self.body.addLayout(beside(self.count, self.colours))

    def _build_buttons(self) -> None:
        findings = self.session.findings
        self.back_button = button(
            "◀  (J)", "The finding before. Key: J", partial(self.list.step, -1)
        )
        self.next_button = button("▶  (K)", "The next finding. Key: K", partial(self.list.step, 1))
        self.rename_button = button("Rename", "Change the chosen finding's name (F2 in the table)",
                                    self._on_rename)  # fmt: skip
        self.delete_button = button("Delete", "Take the chosen finding away; Undo brings it back "
                                    "(Del here)", self._on_delete)  # fmt: skip
        self.undo_button = button("Undo", "Take back the last change (Ctrl+Z here)", findings.undo)
        self.redo_button = button("Redo", "Do again what was taken back (Ctrl+Shift+Z here)",
                                  findings.redo)  # fmt: skip
        self.save_button = button("Save CSV…", "Save one line a finding: sizes with the ends of "
                                  "their error bars, guideline line, model; no patient",
                                  self._on_save)  # fmt: skip
        self.add(self.back_button, self.next_button, self.rename_button, self.delete_button)
        self.add(self.undo_button, self.redo_button, self.save_button)
        for keys, act in (
            ("Ctrl+Z", findings.undo),
            ("Ctrl+Shift+Z", findings.redo),
            ("Del", self._on_delete),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def save_csv(self, path: str | Path) -> None:
        """Save the list, one line a finding."""
        self.list.save_csv(Path(path))

    def _on_changed(self) -> None:
        case, rows = self.session.case, self.list.rows
        if case is None:
            self.say_empty(NO_CT, *open_offers(self.session))
            return
        self.say_empty()
        labels = [row.finding.label for row in rows]
        self.table.fill(
            [row.cells for row in rows],
            tooltips=[row.tooltip for row in rows],
            colours=[colour_of(row, self.list.colour_by) for row in rows],
            selected=labels.index(case.selected) if case.selected in labels else None,
        )
        self.table.tick([self.list.is_shown(n) for n in labels])
        order = f"{HEADINGS[self.list.sorted_by]} {'▾' if self.list.descending else '▴'}"
        self.count.setText(f"{_counted(rows)} by {order}" if rows else NOTHING)
        self.count.setWordWrap(not rows)
        self.prior.tell()
        self.session.findings.measure_errors()
        self.undo_button.setEnabled(case.history.can_undo)
        self.redo_button.setEnabled(case.history.can_redo)
        chosen = case.finding is not None
        for each in (self.rename_button, self.delete_button):
            each.setEnabled(chosen)
        for each in (self.back_button, self.next_button, self.save_button):
            each.setEnabled(bool(rows))

    def _on_row_chosen(self, row: int) -> None:
        self.session.findings.select(self.list.rows[row].finding.label)

    def _on_renamed(self, row: int, name: str) -> None:
        self.list.rename(self.list.rows[row].finding.label, name)

    def _on_ticked(self, row: int, on: bool) -> None:
        label_ = self.list.rows[row].finding.label
        if self.list.is_shown(label_) != on:
            self.list.show(label_, on)

    def _on_rename(self) -> None:
        row = self.table.currentRow()
        if row >= 0:
            self.table.edit_name(row)

    def _on_delete(self) -> None:
        case = self.session.case
        if case is not None and case.selected is not None:
            self.session.findings.remove(case.selected)

    def _on_take(self) -> None:
        menu = QMenu(self)
        for layer in self.list.takeable():
            if type(layer).__name__ == "Labels":
                texts = (f"{layer.name}: label {layer.selected_label}", f"{layer.name}: all labels")
            else:
                texts = (f"{layer.name}: selected points", f"{layer.name}: all points")
            for everything, text in enumerate(texts):
                menu.addAction(text).triggered.connect(
                    lambda _=False, one=layer, all_=bool(everything): self.list.take(
                        one, everything=all_
                    )
                )
        menu.addSeparator()
        caliper = menu.addAction("The chosen caliper's diameters")
        caliper.setEnabled(bool(self.session.case and self.session.case.calipers.now))
        caliper.triggered.connect(lambda _=False: self.list.take_caliper())
        menu.exec(self.take_button.mapToGlobal(self.take_button.rect().bottomLeft()))
        menu.deleteLater()

    def _on_save(self) -> None:
        if path := ask_save(self, "Save the findings", "findings.csv", "CSV (*.csv)"):
            self.save_csv(path)


def _counted(rows: list) -> str:
    return "1 finding" if len(rows) == 1 else f"{len(rows)} findings"
