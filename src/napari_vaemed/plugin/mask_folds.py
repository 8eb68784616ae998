"""Parts of the mask desk's dock: changing a mask, several readers, the verdict."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLineEdit, QVBoxLayout, QWidget

from napari_vaemed.plugin.files import ask_save
from napari_vaemed.plugin.mask_queue import JOURNAL, VERDICTS
from napari_vaemed.plugin.mask_views import ALL_PAIRS, MAJORITY, STAPLE
from napari_vaemed.plugin.parts.fold import Fold
from napari_vaemed.plugin.parts.panel import beside, button, in_grid, label

if TYPE_CHECKING:
    from napari_vaemed.plugin.mask_desk import MaskDesk

EDITS = (
    ("erode", "Take a layer of this thickness off the label"),
    ("dilate", "Lay a layer of this thickness round the label; other labels stay"),
    ("open", "Take away what is thinner than twice the radius: bridges, spikes"),
    ("close", "Fill gaps and dents narrower than twice the radius"),
    ("fill", "Fill the holes of each axial slice"),
    ("keep largest", "Take away every piece but the largest"),
)
KEYS = {"accept": "Shift+O", "fix": "Shift+F", "reject": "Shift+R"}
MEANING = {
    "accept": "The mask is right as it is now",
    "fix": "The mask was or has to be corrected",
    "reject": "The mask cannot be used",
}


class EditFold(Fold):
    """Edits of the chosen label by so many mm, with undo."""

    def __init__(self, desk: MaskDesk) -> None:
        super().__init__("Change", "Change the label by so many mm; the label is the one chosen "
                         "in napari's layer controls")  # fmt: skip
        self._desk = desk
        self.radius = QDoubleSpinBox()
        self.radius.setRange(0.1, 30.0)
        self.radius.setValue(2.0)
        self.radius.setSingleStep(0.5)
        self.radius.setDecimals(1)
        self.radius.setSuffix(" mm")
        self.radius.setToolTip("Radius of the ball that erodes, dilates, opens and closes")
        self.label_text = label("", "quiet")
        self.buttons = {
            how: button(how.capitalize(), f"{tooltip}. Ctrl+Z on the canvas takes it back",
                        partial(self._on_edit, how))
            for how, tooltip in EDITS
        }  # fmt: skip
        self.undo_button = button("Undo", "Take back the last edit or brush stroke (Ctrl+Z here)",
                                  desk.undo)  # fmt: skip
        self.redo_button = button("Redo", "Do again what was taken back (Ctrl+Shift+Z here)",
                                  desk.redo)  # fmt: skip
        self.body.addLayout(beside(self.label_text, self.radius))
        self.body.addLayout(
            in_grid([*self.buttons.values(), self.undo_button, self.redo_button], 3)
        )

    def tell(self) -> None:
        """Say which label is changed."""
        first = self._desk.first
        self.label_text.setText("" if first is None else f"Label {first.selected_label} by")

    def _on_edit(self, how: str) -> None:
        self._desk.edit(how, self.radius.value())


class ReadersFold(Fold):
    """Several readers' masks of one finding: all pairs, and a consensus."""

    def __init__(self, desk: MaskDesk) -> None:
        super().__init__("Several readers", "Masks of one finding: select them in the layer list "
                         "with Ctrl+click")  # fmt: skip
        self.text = label("Select two or more masks in the layer list.", "quiet")
        self.text.setWordWrap(True)
        compare = desk.readers.compare
        self.buttons = [
            button("All pairs", "Dice of each with each", partial(compare, ALL_PAIRS)),
            button("Majority", "A layer of what at least half of them marked",
                   partial(compare, MAJORITY)),
            button("STAPLE", "A layer that weighs readers by how far they agree (Warfield 2004)",
                   partial(compare, STAPLE)),
        ]  # fmt: skip
        self.body.addLayout(beside(*self.buttons))
        self.body.addWidget(self.text)
        desk.readers.told.connect(self.text.setText)


class VerdictPart(QWidget):
    """Accept, fix or reject with a comment, into the journal; the next pair follows."""

    def __init__(self, desk: MaskDesk) -> None:
        super().__init__()
        self._queue = desk.queue
        self.comment = QLineEdit()
        self.comment.setPlaceholderText("Comment")
        self.comment.setToolTip("Goes into the journal with the verdict; no names of patients")
        self.comment.textEdited.connect(self._on_comment)
        self.comment.returnPressed.connect(self.comment.clearFocus)
        self.buttons = {
            verdict: button(verdict.capitalize(), f"{MEANING[verdict]}; go on to the next pair. "
                            f"Key: {KEYS[verdict]}", partial(self._queue.judge, verdict))
            for verdict in VERDICTS
        }  # fmt: skip
        self.back_button = button("Take back", "Take the last verdict back, by a line that says so",
                                  self._queue.take_back)  # fmt: skip
        self.journal_button = button("Journal…", "Choose the CSV that verdicts are added to",
                                     self._on_journal)  # fmt: skip
        self.names = QCheckBox("Write names of cases")
        self.names.setToolTip("Write what the pair is called into the journal. Off, a case is "
                              "known by the SHA-256 of its file and mask alone")  # fmt: skip
        self.names.clicked.connect(self._on_names)
        self.where = label("", "quiet")
        self.where.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.comment)
        layout.addLayout(beside(*self.buttons.values()))
        layout.addLayout(beside(self.back_button, self.journal_button))
        layout.addWidget(self.names)
        layout.addWidget(self.where)
        self._queue.changed.connect(self.tell)
        self.tell()

    def tell(self) -> None:
        """Say where verdicts go and what was said of this mask."""
        queue = self._queue
        if self.comment.text() != queue.comment:
            self.comment.setText(queue.comment)
        self.back_button.setEnabled(bool(queue.verdicts))
        said = None if queue.at is None else queue.said.get(queue.at)
        lines = [
            "No journal chosen." if queue.journal is None else f"Journal: {queue.journal.name}"
        ]
        if said is not None:
            remark = f" – {said.comment}" if said.comment else ""
            lines.append(f"Said of this mask: {said.verdict}{remark}")
        self.where.setText("\n".join(lines))
        for verdict, made in self.buttons.items():
            made.setProperty("kind", "main" if said and said.verdict == verdict else "")
            made.style().unpolish(made)
            made.style().polish(made)

    def _on_comment(self, text: str) -> None:
        self._queue.comment = text

    def _on_names(self) -> None:
        self._queue.write_names = self.names.isChecked()

    def _on_journal(self) -> None:
        if path := ask_save(self, "Where verdicts go", JOURNAL, "CSV (*.csv)", adding=True):
            self._queue.use_journal(path)
