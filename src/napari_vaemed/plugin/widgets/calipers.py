"""Measure by hand: lines, two lines at right angles, ellipses, angles."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QHeaderView

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.plugin.caliper_layer import reading_text
from napari_vaemed.plugin.caliper_leftovers import Leftover
from napari_vaemed.plugin.docks import NO_CT, Wiring, open_offers, strip_of, style_of
from napari_vaemed.plugin.files import ask_save
from napari_vaemed.plugin.parts.panel import Offer, Panel, button, in_grid, label
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.session import session_of

TOOLS = {
    "line": ("Line  (Shift+D)", "Length in mm: drag from one end to the other. Key: Shift+D"),
    "bidirectional": (
        "Bidirectional  (Shift+B)",
        "Two lengths in mm at right angles: drag along the long one, then across it. Key: Shift+B",
    ),
    "ellipse": (
        "Ellipse  (Shift+E)",
        "Mean and SD in HU and the area in mm²: drag from one corner of the ellipse's box to the "
        "other. Key: Shift+E",
    ),
    "angle": (
        "Angle  (Shift+G)",
        "Degrees between two legs: drag along one leg to the vertex, then to the other end. "
        "Key: Shift+G",
    ),
}
"""Text and tooltip of the button of each tool."""
HINTS = {
    None: "Take a tool, then drag on a slice. Its key, or a further click on it, puts it away.",
    "line": "Drag from one end to the other.",
    "bidirectional": "Drag along the long line, then across it.",
    "ellipse": "Drag from one corner of the ellipse's box to the other.",
    "angle": "Drag along one leg to the vertex, then to the end of the other.",
}
SECOND = {
    "bidirectional": "Now drag across it; the line snaps to a right angle.",
    "angle": "Now drag to the end of the other leg; the vertex stays.",
}
HEADINGS = ("Caliper", "Reads", "Slice")
EXPLAINED = (
    "Measured on the CT's own voxels, in the patient's mm. Ellipse: mean and SD of the voxels "
    "whose centres lie in it, and its own area.\n"
    "Click a row to go there. Ctrl+C copies the table."
)


class CalipersWidget(Panel):
    """The tools and the list of what was measured."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Calipers", strip_of(self.session), partial(style_of, self.session))
        self._build_tools()
        self._build_table()
        self._build_buttons()
        self._build_leftovers()
        self.body.addStretch(1)
        Wiring(self, self.session, "calipers", lambda _: ("No model: read off the CT itself", ""))
        self.session.calipers.changed.connect(self._on_changed)
        self.session.calipers.switched.connect(self._on_switched)
        self.session.caliper_leftovers.changed.connect(self._on_changed)
        self._on_changed()
        self._on_switched()

    def save_csv(self, path: str | Path) -> None:
        """Save one line a caliper."""
        self.session.caliper_leftovers.save(Path(path))

    def _build_tools(self) -> None:
        self.tool_buttons = {
            kind: button(*texts, partial(self.session.calipers.toggle, kind), holds=True)
            for kind, texts in TOOLS.items()
        }
        self.body.addLayout(in_grid(list(self.tool_buttons.values()), 2))
        self.hint = label("", "quiet")
        self.hint.setWordWrap(True)
        self.add(self.hint)

    def _build_table(self) -> None:
        self.heading("Measured")
        self.table = NumberTable(HEADINGS, most=10)
        header = self.table.horizontalHeader()
        for narrow in (0, 2):
            header.setSectionResizeMode(narrow, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setToolTip(EXPLAINED)
        self.table.chosen.connect(self._on_row_chosen)
        self.add(self.table)

    def _build_buttons(self) -> None:
        calipers = self.session.calipers
        self.undo_button = button("Undo", "Take back the last change of the calipers (Ctrl+Z here)",
                                  calipers.undo)  # fmt: skip
        self.redo_button = button("Redo", "Do again what was taken back (Ctrl+Shift+Z here)",
                                  calipers.redo)  # fmt: skip
        self.remove_button = button("Remove", "Take the chosen caliper away; Undo brings it back "
                                    "(Del here)", self._on_remove)  # fmt: skip
        self.edit_button = button("Edit", "Move ends with the mouse; an ellipse is moved, sized "
                                  "and turned. The layer's own buttons, at the left, can do more. "
                                  "What it reads follows", self._on_edit, holds=True)  # fmt: skip
        self.save_button = button("Save CSV…", "Save one line a caliper: what it reads, its slice, "
                                  "and its points in patient mm (LPS)",
                                  self._on_save)  # fmt: skip
        self.add(self.undo_button, self.redo_button, self.remove_button)
        self.add(self.edit_button, self.save_button)
        for keys, act in (
            ("Ctrl+Z", calipers.undo),
            ("Ctrl+Shift+Z", calipers.redo),
            ("Del", self._on_remove),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def _build_leftovers(self) -> None:
        """What was not saved of a CT that is closed stands below, with a way to save it."""
        self.left_text = label("")
        self.left_text.setWordWrap(True)
        self.save_left_button, self.give_up_button = (
            button(*offer) for offer in self._left_offers()
        )
        self.add(self.left_text)
        self.add(self.save_left_button, self.give_up_button)

    def _left_offers(self) -> tuple[Offer, Offer]:
        return (
            ("Save them as CSV…", "Save the calipers of the CT that is closed", self._on_save_left),
            ("Discard them", "Let the calipers of the CT that is closed go", self._on_give_up),
        )

    @property
    def leftover(self) -> Leftover | None:
        """The first calipers that were left behind; the next ones follow once these are saved."""
        left = self.session.caliper_leftovers.left
        return left[0] if left else None

    def _on_changed(self) -> None:
        case, calipers = self.session.case, self.session.calipers
        left = self.leftover
        text = "" if left is None else f"Not saved: {left.name}, which is closed."
        self.left_text.setText(text)
        for each in (self.left_text, self.save_left_button, self.give_up_button):
            each.setVisible(left is not None)
        if case is None:
            offers = self._left_offers() if left is not None else ()
            hint = f"{NO_CT}\n{text}" if left is not None else NO_CT
            self.say_empty(hint, *offers, *open_offers(self.session))
            return
        self.say_empty()
        labels = [each.label for each in calipers.shown]
        self.table.fill(
            [_row(each) for each in calipers.shown],
            tooltips=[_about(each) for each in calipers.shown],
            selected=labels.index(calipers.chosen.label) if calipers.chosen else None,
        )
        self.undo_button.setEnabled(case.calipers.can_undo)
        self.redo_button.setEnabled(case.calipers.can_redo)
        for each in (self.remove_button, self.edit_button, self.save_button):
            each.setEnabled(bool(labels))

    def _on_switched(self) -> None:
        calipers = self.session.calipers
        for kind, each in self.tool_buttons.items():
            each.setChecked(kind == calipers.kind)
        self.edit_button.setChecked(calipers.editing)
        self.hint.setText(
            HINTS[calipers.kind] if calipers.draft is None else SECOND[calipers.draft.kind]
        )

    def _on_row_chosen(self, row: int) -> None:
        self.session.calipers.select(self.session.calipers.shown[row].label)

    def _on_remove(self) -> None:
        if (chosen := self.session.calipers.chosen) is not None:
            self.session.calipers.remove(chosen.label)

    def _on_edit(self) -> None:
        self.session.calipers.edit(self.edit_button.isChecked())

    def _on_save(self) -> None:
        if path := ask_save(self, "Save the calipers", "calipers.csv", "CSV (*.csv)"):
            self.save_csv(path)

    def _on_save_left(self) -> None:
        path = ask_save(self, "Save the calipers", "calipers.csv", "CSV (*.csv)")
        if path and self.leftover is not None:
            self.session.caliper_leftovers.save_left(self.leftover, Path(path))

    def _on_give_up(self) -> None:
        if self.leftover is not None:
            self.session.caliper_leftovers.give_up(self.leftover)


def _row(measured: MeasuredCaliper) -> tuple[str, str, str]:
    caliper = measured.caliper
    return (
        f"{measured.label}  {caliper.kind.capitalize()}",
        reading_text(measured.reading),
        f"{caliper.plane} {caliper.slice_index}",
    )


def _about(measured: MeasuredCaliper) -> str:
    voxels = measured.reading.voxels
    return EXPLAINED if voxels is None else f"Mean and SD of {voxels} voxels.\n{EXPLAINED}"
