"""What a guideline says of the chosen nodule, how it came to it, and what it still asks."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_vaemed.data.guideline import Guidance, Question
from napari_vaemed.plugin.finding_text import guideline_lines, trace_lines
from napari_vaemed.plugin.intake_fold import paragraphs
from napari_vaemed.plugin.parts.fold import Fold
from napari_vaemed.plugin.parts.panel import button, label

ASK = "Choose…"


class FollowUp(QWidget):
    """Guideline lines, a fold with their trace, and the questions that are open.

    Signals
    -------
    answered : key, answer, "patient" or "nodule"
    forgotten : nothing; all answers are to be asked anew
    """

    answered = Signal(str, object, str)
    forgotten = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.lines = _text()
        self.questions: dict[str, QComboBox] = {}
        self._asked: tuple[Question, ...] = ()
        self._form = QWidget()
        self._rows = QVBoxLayout(self._form)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self.fold = Fold("How it came about", "Which rule fired on which number, and its source")
        self.trace = _text()
        self.fold.body.addWidget(self.trace)
        self.again_button = button("Ask again", "Forget all answers about this CT",
                                   self.forgotten.emit)  # fmt: skip
        self.fold.body.addWidget(self.again_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.lines, self._form, self.fold):
            layout.addWidget(widget)

    def tell(self, guidance: Guidance) -> None:
        """Show what a guideline says, and ask what it asks."""
        told = guideline_lines(guidance)
        self.lines.setText(paragraphs(told))
        self.lines.setVisible(bool(told))
        if guidance.asks != self._asked:
            self._ask(guidance.asks)
        trace = trace_lines(guidance)
        self.trace.setText(paragraphs(trace))
        self.fold.setVisible(bool(trace or guidance.refused))

    def _ask(self, questions: tuple[Question, ...]) -> None:
        self._asked = questions
        self.questions.clear()
        while self._rows.count():
            old = self._rows.takeAt(0).widget()
            old.hide()
            old.deleteLater()
        for question in questions:
            text = label(question.text, "quiet")
            text.setWordWrap(True)
            self._rows.addWidget(text)
            self._rows.addWidget(self._box(question))
        self._form.setVisible(bool(questions))

    def _box(self, question: Question) -> QComboBox:
        box = self.questions[question.key] = QComboBox()
        box.addItem(ASK)
        box.addItems([words for _, words in question.choices])
        box.setToolTip("\n".join(words for _, words in question.choices))
        box.setAccessibleName(question.text)
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.activated.connect(partial(self._on_activated, question))
        return box

    def _on_activated(self, question: Question, index: int) -> None:
        if index > 0:
            self.answered.emit(question.key, question.answers[index - 1], question.about)


def _text() -> QLabel:
    made = QLabel()
    made.setWordWrap(True)
    made.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse
        | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    return made
