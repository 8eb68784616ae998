"""Parts of the disagreement desk's dock: two nodules side by side, the decision, what next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QSpinBox, QWidget
from qtpy.QtWidgets import QVBoxLayout as Column

from napari_vaemed.data.anomaly import DECISIONS, label_of
from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.plugin import disagreement_work
from napari_vaemed.plugin.disagreement import TOPIC
from napari_vaemed.plugin.files import ask_save
from napari_vaemed.plugin.parts.fold import LateFold
from napari_vaemed.plugin.parts.panel import beside, button, in_grid, label, set_kind
from napari_vaemed.plugin.parts.picture import Picture
from napari_vaemed.plugin.parts.table import NumberTable
from napari_vaemed.plugin.rating_text import ratings_text
from napari_vaemed.plugin.theme import LUNG_WINDOW
from napari_vaemed.preprocessing.patch import middle_planes

if TYPE_CHECKING:
    from napari_vaemed.data.nodule import NoduleRecord
    from napari_vaemed.plugin.disagreement import DisagreementDesk
    from napari_vaemed.plugin.session import Session

KEYS = dict(zip(DECISIONS, ("Shift+Y", "Shift+I", "Shift+Q", "Shift+S", "Shift+U"), strict=True))
MEANING = dict(zip(DECISIONS, (
    "The label is right",
    "The label is wrong: the score is mirrored at 3",
    "This nodule is left out of the cleaned labels",
    "Both nodules shown are of one patient",
    "Cannot be told from this",
), strict=True))  # fmt: skip
PLANES = ("axial", "coronal", "sagittal")
WAYS = ("mix", "uncertainty", "coverage")
MOST_NEXT = 200


class PairPart(QWidget):
    """Two nodules in three planes each, at one mm scale, with what readers said of them."""

    def __init__(self, desk: DisagreementDesk) -> None:
        super().__init__()
        self._desk = desk
        self.texts = [label(""), label("")]
        self.pictures = [
            [Picture(plane, f"{plane.capitalize()} plane through the middle", 120)
             for plane in PLANES]
            for _ in self.texts
        ]  # fmt: skip
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for number, text in enumerate(self.texts):
            text.setWordWrap(True)
            grid.addWidget(text, 2 * number, 0, 1, 3)
            for column, picture in enumerate(self.pictures[number]):
                grid.addWidget(picture, 2 * number + 1, column)

    def tell(self) -> None:
        """Show the nodules that are looked at."""
        desk, opened = self._desk, self._desk.opened
        kind = "" if opened is None or opened.true else " · decoded"
        for row, text, pictures in zip(
            (desk.row, desk.other), self.texts, self.pictures, strict=True
        ):
            hu = None if row is None or opened is None else opened.pictures.get(row)
            text.setText("No other nodule" if row is None else _told(desk.records[row]) + kind)
            planes = (None, None, None) if hu is None else middle_planes(hu)
            for picture, plane in zip(pictures, planes, strict=True):
                picture.show_slice(plane, LUNG_WINDOW.limits, 0 if hu is None else hu.shape[2])


def _told(record: NoduleRecord) -> str:
    head = f"{record.id} · {label_of(record)} · {record.diameter_mm:.1f} mm"
    return f"{head}\n{ratings_text(record.ratings)}"


class DecisionPart(QWidget):
    """One button and key a decision, with a comment; undo, redo, and the cleaned table."""

    def __init__(self, desk: DisagreementDesk) -> None:
        super().__init__()
        self._desk = desk
        self.comment = QLineEdit()
        self.comment.setPlaceholderText("Comment")
        self.comment.setToolTip("Goes into the journal with the decision; no names of patients")
        self.comment.textEdited.connect(self._on_comment)
        self.comment.returnPressed.connect(self.comment.clearFocus)
        self.buttons = {
            verdict: button(verdict.capitalize(), f"{MEANING[verdict]}; go on to the next. "
                            f"Key: {KEYS[verdict]}", partial(desk.decide, verdict))
            for verdict in DECISIONS
        }  # fmt: skip
        self.undo_button = button("Undo", "Take the last decision back, by a line that says so "
                                  "(Ctrl+Z here)", desk.undo)  # fmt: skip
        self.redo_button = button("Redo", "Make it again (Ctrl+Shift+Z here)", desk.redo)
        self.export_button = button("Cleaned labels…", "Write the table with all decisions "
                                    "applied; the original stays", self._on_export)  # fmt: skip
        self.names = QCheckBox("Write names of cases")
        self.names.setToolTip("Write what the nodule is called into the journal. Off, it is known "
                              "by the SHA-256 of its crop alone")  # fmt: skip
        self.names.clicked.connect(self._on_names)
        self.where = label("", "quiet")
        self.where.setWordWrap(True)
        layout = Column(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(in_grid(list(self.buttons.values()), 3))
        layout.addWidget(self.comment)
        layout.addLayout(beside(self.undo_button, self.redo_button, self.export_button))
        layout.addWidget(self.names)
        layout.addWidget(self.where)

    def tell(self) -> None:
        """Say what stands of this nodule and where decisions go."""
        desk, opened = self._desk, self._desk.opened
        if self.comment.text() != desk.comment:
            self.comment.setText(desk.comment)
        said = None if desk.row is None else desk.said.get(desk.row)
        for verdict, made in self.buttons.items():
            set_kind(made, "main" if verdict == said else "")
            made.setEnabled(desk.row is not None)
        self.undo_button.setEnabled(desk.can_undo)
        self.redo_button.setEnabled(desk.can_redo)
        self.export_button.setEnabled(opened is not None and opened.folder is not None)
        self.where.setText("" if opened is None else f"Journal: {opened.journal.name}")

    def _on_comment(self, text: str) -> None:
        self._desk.comment = text

    def _on_names(self) -> None:
        self._desk.write_names = self.names.isChecked()

    def _on_export(self) -> None:
        if path := ask_save(self, "Cleaned labels", "nodules.cleaned.csv", "CSV (*.csv)"):
            self._desk.export(path)


class LabelNextFold(LateFold):
    """Which nodules without a clear score to annotate next, and what choosing is worth."""

    def __init__(self, session: Session, desk: DisagreementDesk) -> None:
        super().__init__(session, "Label next", "Which nodules without a clear score to annotate "
                         "next for a task, and what that is worth beside chance")  # fmt: skip
        self._desk = desk
        self._rows: list[dict[str, Any]] = []

    def _build(self) -> None:
        self.task_box, self.way_box, self.count = QComboBox(), QComboBox(), QSpinBox()
        self.task_box.addItems(["malignancy", *(a for a in ATTRIBUTES if a != "malignancy")])
        self.task_box.setToolTip("What is to be told apart: scores above 3 from those below")
        self.way_box.addItems(WAYS)
        self.way_box.setToolTip("Uncertainty: neighbours' votes are split. Coverage: unlike all "
                                "that is labelled. Mix: both by rank")  # fmt: skip
        self.count.setRange(1, MOST_NEXT)
        self.count.setValue(20)
        self.count.setToolTip("How many nodules to name")
        for text, widget in (("Task", self.task_box), ("Choose by", self.way_box),
                             ("How many", self.count)):  # fmt: skip
            self._row(text, widget)
        self.name_button = button("Name them", "The nodules to annotate next", self.name_next)
        self.curve_button = button(
            "Worth beside chance", "Play the annotation of the labelled nodules again: AUC on "
            "held-out patients by number of labels", self.measure)  # fmt: skip
        self.table = NumberTable(("Nodule", "Score", "Entropy"), most=6)
        self.table.setToolTip("Entropy of the neighbours' votes in bits; click a row to look at it")
        self.table.chosen.connect(self._on_chosen)
        self.curves = NumberTable(("Labels", "chance", *WAYS), most=10)
        self.curves.setToolTip("AUC on held-out patients, mean of ten seeds. No way is best for "
                               "every task: see the documentation. Ctrl+C copies")  # fmt: skip
        self.body.addLayout(beside(self.name_button, self.curve_button))
        self.body.addWidget(self.table)
        self.body.addWidget(self.curves)

    def _tell(self) -> None:
        for each in (self.name_button, self.curve_button):
            each.setEnabled(self._desk.opened is not None)

    def name_next(self) -> None:
        """Ask which nodules to annotate next."""
        opened = self._desk.opened
        if opened is not None:
            task = partial(disagreement_work.next_rows, opened.searched,
                           self.task_box.currentText(), self.way_box.currentText(),
                           self.count.value())  # fmt: skip
            job = self._desk.start(task, "Choosing what to label next", "next")
            job.returned.connect(self._on_named)
            job.failed.connect(partial(self._session.fail, TOPIC, "Nothing to label"))

    def measure(self) -> None:
        """Ask what choosing would have been worth."""
        opened = self._desk.opened
        if opened is not None:
            task = partial(disagreement_work.curves, opened.searched, self.task_box.currentText())
            job = self._desk.start(task, "Learning with few labels", "curves")
            job.returned.connect(self._on_measured)
            job.failed.connect(partial(self._session.fail, TOPIC, "Not measured"))

    def _on_named(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows
        task = self.task_box.currentText()
        scores = ["–" if row[task] is None else f"{row[task]:g}" for row in rows]
        self.table.fill([
            (row["id"], score, f"{row['vote_entropy']:.2f}")
            for row, score in zip(rows, scores, strict=True)
        ])  # fmt: skip

    def _on_measured(self, curves: Any) -> None:
        by = {curve.by: curve for curve in curves}
        counts = curves[0].counts
        self.curves.fill([
            (str(count), *(f"{by[way].auc[place].value:.3f}" for way in ("chance", *WAYS)))
            for place, count in enumerate(counts)
        ])  # fmt: skip

    def _on_chosen(self, place: int) -> None:
        self._desk.look_at(self._rows[place]["row"])
