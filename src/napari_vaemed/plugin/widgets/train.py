"""Train a model of nodules: choose, watch, stop, resume, and use it."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QWidget

from napari_vaemed.data.form import Form
from napari_vaemed.plugin.docks import Wiring, card_text, strip_of, style_of
from napari_vaemed.plugin.files import ask_folder
from napari_vaemed.plugin.parts.fold import Fold
from napari_vaemed.plugin.parts.panel import Panel, beside, button, label, set_kind
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.train import TOPIC, settings_of, told_of
from napari_vaemed.plugin.train_folds import FormFold, RunForms, Watched, figures_in_words

if TYPE_CHECKING:
    from napari_vaemed.workflow.own_model import Kept

FORMS_AFTER_MS = 1000
NO_NODULES = "nodules.csv, image/ and mask/: crops in HU, as vaemed train reads them"


class TrainWidget(Panel):
    """What to learn from, the model's form, the course of the training, and its use."""

    def __init__(self, napari_viewer: object) -> None:
        self.session = session_of(napari_viewer)
        super().__init__("Train", strip_of(self.session), partial(style_of, self.session))
        self.training = self.session.training
        self._filled: Any = None
        self._build_setup()
        self._build_acts()
        self.watched = Watched()
        self.add(self.watched)
        self._build_use()
        self.body.addStretch(1)
        Wiring(self, self.session, TOPIC)
        self.training.changed.connect(self._on_changed)
        self.training.stepped.connect(self._on_stepped)
        self.session.case_changed.connect(self._on_case)
        self.session.answers.expert_changed.connect(self._on_changed)
        self.destroyed.connect(self.training.stand_up)
        self._on_case()
        self._on_changed()
        # Importing torch takes a second, and holds the window up: first the dock is drawn.
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.training.sit_down)
        self._later.start(FORMS_AFTER_MS)

    def _build_setup(self) -> None:
        self.setup = Fold("Nodules, model and settings", "What to train, and how", unfolded=True)
        self.nodules_button = button(
            "Nodules…", "Folder to learn from: " + NO_NODULES, self._on_nodules
        )
        self.out_button = button(
            "Output…", "Folder for the model, its checkpoint and its curves; one that holds a "
            "training can be resumed", self._on_out,
        )  # fmt: skip
        self.nodules_text, self.out_text = label("", "quiet"), label("", "quiet")
        self.model_box = QComboBox()
        self.model_box.setToolTip("What is trained")
        self.model_box.activated.connect(self._on_model)
        self.model_what = label("Looking for models…", "quiet")
        self.model_fold = FormFold(self.session, "Settings of the model", "The arguments of its "
                                   "constructor", Form("", "", ()))  # fmt: skip
        self.run_forms = RunForms(self.session)
        for chooser, text in (
            (self.nodules_button, self.nodules_text),
            (self.out_button, self.out_text),
        ):
            chooser.setFixedWidth(96)
            text.setWordWrap(True)
            self._put(chooser, text)
        self._put(label("Model", "quiet"), self.model_box)
        self.model_what.setWordWrap(True)
        for part in (self.model_what, self.model_fold, self.run_forms):
            self.setup.body.addWidget(part)
        self.add(self.setup)

    def _put(self, left: QWidget, right: QWidget) -> None:
        row = beside(left, right)
        row.setStretch(1, 1)
        self.setup.body.addLayout(row)

    def _build_acts(self) -> None:
        self.start_button = button("Start", "Train anew, behind", self._on_start, "main")
        self.resume_button = button(
            "Resume", "Go on after the last saved epoch, with the settings it was begun with",
            self._on_resume, "main",
        )  # fmt: skip
        self.stop_button = button(
            "Cancel",
            "Stop after the epoch under way; every saved epoch is kept",
            self.training.stop,
        )
        self.add(self.start_button, self.resume_button, self.stop_button)

    def _build_use(self) -> None:
        self.figures = label("")
        self.figures.setWordWrap(True)
        self.use_button = button(
            "Use this model now",
            "Twins and Latent answer by this model; the index of its nodules is made first",
            self.training.use_own, "main",
        )  # fmt: skip
        self.back_button = button("Back to the shipped model", "Let the shipped model answer "
                                  "again", self.training.use_shipped)  # fmt: skip
        self.add(self.figures)
        self.add(self.use_button, self.back_button)

    # What the user does

    def _on_nodules(self) -> None:
        if folder := ask_folder(self, "Folder of labelled nodules"):
            self.training.choose_folder(folder)

    def _on_out(self) -> None:
        if folder := ask_folder(self, "Folder for the model"):
            self.training.choose_out(folder)

    def _on_model(self) -> None:
        form = self.training.forms[self.model_box.currentIndex()]
        self.model_fold.show_form(form)
        self.model_what.setText(form.what)

    def _on_start(self) -> None:
        self._try(lambda run, lessons: self.training.start(
            self.model_box.currentText(), self.model_fold.values(), run, lessons
        ))  # fmt: skip

    def _on_resume(self) -> None:
        self._try(self.training.resume)

    def _try(self, act: Any) -> None:
        """Begin with the settings in the form, unless one of them is wrong."""
        try:
            act(*self.run_forms.wanted())
        except ValueError as wrong:
            self.session.say(TOPIC, str(wrong), "error")

    # What is shown

    def _on_case(self) -> None:
        self.subject.hide()  # no CT is spoken of here

    def _on_changed(self) -> None:
        training = self.training
        if training.forms and not self.model_box.count():
            self.model_box.addItems([form.name for form in training.forms])
            self._on_model()
        self._fill_from_kept()
        self._tell_folders()
        ready = training.folder is not None and training.counts is not None
        ready = ready and training.out is not None and training.kept is not None
        held = training.kept is not None and bool(training.kept.record)
        resumable = training.kept is not None and _resumable(training.kept)
        self.start_button.setText("Start anew" if held else "Start")
        set_kind(self.start_button, "" if held else "main")
        self.start_button.setEnabled(ready and bool(training.forms))
        self.resume_button.setEnabled(ready)
        self.start_button.setVisible(not training.running)
        self.resume_button.setVisible(resumable and not training.running)
        self.stop_button.setVisible(training.running)
        self.setup.inside.setEnabled(not training.running)
        if training.running:
            self.setup.unfold(False)
        self._tell_model()
        self._on_stepped()

    def _fill_from_kept(self) -> None:
        """Put the settings of the training in the output folder into the form, once."""
        kept, forms = self.training.kept, self.training.forms
        if kept is None or not kept.record or not forms or kept.record == self._filled:
            return
        self._filled = kept.record
        at = self.model_box.findText(kept.record["model"]["class"])
        if at >= 0:
            self.model_box.setCurrentIndex(at)
            self._on_model()
            self.model_fold.fill(kept.record["model"]["arguments"])
        self.run_forms.fill({**asdict(settings_of(kept.record)), **told_of(kept.record)})

    def _tell_folders(self) -> None:
        folder, counts, kept = self.training.folder, self.training.counts, self.training.kept
        if counts is not None:
            undecided = counts.nodules - counts.benign - counts.malignant
            self.nodules_text.setText(
                f"{counts.nodules} nodules of {counts.patients} patients: {counts.benign} benign, "
                f"{counts.malignant} malignant, {undecided} undecided"
            )
        else:
            self.nodules_text.setText("Counting…" if folder else "A folder of labelled nodules")
        self.nodules_text.setToolTip(str(folder or NO_NODULES))
        self.out_text.setToolTip(str(self.training.out or ""))
        if kept is None:
            self.out_text.setText("Looking…" if self.training.out else "Where the model goes")
        elif kept.record:
            total = kept.record["settings"]["epochs"]
            held = f"Holds {kept.record['model']['class']}, {kept.done} of {total} epochs"
            missing = "" if folder else "; choose the nodules it learned from to go on"
            self.out_text.setText(held + missing)
        else:
            self.out_text.setText("Holds a model" if kept.model else "Holds no training yet")

    def _tell_model(self) -> None:
        training, kept = self.training, self.training.kept
        model = None if kept is None or training.running else kept.model
        other = self.session.answers.other
        self.figures.setVisible(model is not None)
        if model is not None and kept is not None:
            earlier = "From an earlier training: " if kept.record and not kept.over else ""
            found = model.card.get("figures")
            said = figures_in_words(found) if found else "Its figures were not measured."
            self.figures.setText(f"{earlier}{model.name} {model.sha256[:8]}. {said}")
            self.figures.setToolTip(card_text(model))
        expert = None if other is None else self.session.answers.expert
        used = expert is not None and model is not None and expert.model.sha256 == model.sha256
        self.use_button.setVisible(model is not None)
        self.use_button.setEnabled(not used and not training.preparing)
        self.use_button.setText("Working…" if training.preparing else
                                "In use" if used else "Use this model now")  # fmt: skip
        self.back_button.setVisible(other is not None)

    def _on_stepped(self) -> None:
        self.watched.tell(self.training.so_far)


def _resumable(kept: Kept) -> bool:
    """Whether a training is not over, or what comes after it has not been done."""
    if not kept.record:
        return False
    if not kept.over or kept.model is None:
        return True
    wanted = kept.model.card.get("training", {}).get("bench-epochs", 0)
    return bool(wanted) and "figures" not in kept.model.card
