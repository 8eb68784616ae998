"""A model of one's own: chosen, trained, stopped, resumed, and put to use."""

from __future__ import annotations

import threading
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.form import Form
from napari_vaemed.data.run_settings import FREE, NoduleLessons, RunSettings
from napari_vaemed.plugin import train_work
from napari_vaemed.plugin.train_work import FOLDS, SoFar, Wish, epochs_of

if TYPE_CHECKING:
    from napari_vaemed.data.progress import Progress
    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.plugin.expert import OtherModel
    from napari_vaemed.plugin.jobs import Failure, Job
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.own_model import Kept, NoduleCounts

TOPIC = "train"
LANE = "train"


class Training(QObject):
    """What the Train dock has chosen and what comes of it.

    Signals
    -------
    changed : nothing; a choice was made or looked at, a job began or ended
    stepped : nothing; `so_far` knows more
    """

    changed = Signal()
    stepped = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.forms: tuple[Form, ...] = ()
        self.folder: Path | None = None
        self.counts: NoduleCounts | None = None
        self.out: Path | None = None
        self.kept: Kept | None = None
        self.so_far: SoFar | None = None
        self._job: Job | None = None
        self._replacing: Path | None = None
        self._told_who: tuple[str, OtherModel | None] = "", None
        session.answers.expert_changed.connect(self._on_expert_changed)

    @property
    def running(self) -> bool:
        """Whether a training is under way."""
        return self._job is not None

    @property
    def preparing(self) -> bool:
        """Whether the trained model is made ready to answer."""
        return self._session.jobs.has("own model")

    def sit_down(self) -> None:
        """A dock is open: the models there are get read, behind."""
        if not self.forms and not self._session.jobs.has("model forms"):
            job = self._start(train_work.forms, "Looking for models", "model forms", quiet=True)
            job.returned.connect(self._on_forms)
            job.failed.connect(partial(self._session.fail, TOPIC, "No models"))

    def stand_up(self) -> None:
        """The dock is gone: nothing is trained that nobody watches."""
        if self._job is not None:
            self._job.cancel()

    def choose_folder(self, folder: Path) -> None:
        """Learn from the nodules in a folder, after a look at what it holds."""
        self._session.say(TOPIC)
        self.folder, self.counts = folder, None
        job = self._start(partial(train_work.count, folder), "Counting nodules", "count nodules")
        job.returned.connect(self._on_counted)
        job.failed.connect(self._on_not_counted)
        self.changed.emit()

    def choose_out(self, out: Path) -> None:
        """Write into a folder, and look what it holds."""
        self._session.say(TOPIC)
        self.out, self.kept, self.so_far, self._replacing = out, None, None, None
        self._look()
        self.changed.emit()

    def start(
        self, model: str, arguments: dict[str, Any], run: RunSettings, lessons: NoduleLessons
    ) -> None:
        """Train anew; asks once before another training in the folder is replaced."""
        if self.folder is None or self.out is None or self.counts is None:
            self._session.say(TOPIC, "Choose nodules and output first.", "warning")
            return
        if lessons.bench_epochs and self.counts.patients < FOLDS:
            text = (
                f"Figures need {FOLDS} patients at least: set bench epochs, under Advanced, to 0."
            )
            self._session.say(TOPIC, text, "error")
            return
        if self.kept is not None and self.kept.record and self._replacing != self.out:
            self._replacing = self.out
            self._session.say(
                TOPIC, "The output folder holds a training, which would be lost. Resume it, choose "
                "another folder, or start once more to replace it.", "warning",
            )  # fmt: skip
            return
        self._train(Wish(self.folder, self.out, model, arguments, run, lessons))

    def resume(self, run: RunSettings, lessons: NoduleLessons) -> None:
        """Go on with the training in the output folder, as it was begun.

        Of ``run`` and ``lessons`` only what does not change the weights is heeded.
        """
        if self.folder is None or self.out is None or self.kept is None:
            self._session.say(TOPIC, "Choose the nodules that it was begun with first.", "warning")
            return
        begun, free = settings_of(self.kept.record), {name: getattr(run, name) for name in FREE}
        run = replace(begun, **{**free, "resume": True})
        made = self.kept.record["model"]
        lessons = replace(lessons, **told_of(self.kept.record))
        wish = Wish(self.folder, self.out, made["class"], made["arguments"], run, lessons)
        self._train(wish, epochs_of(self.kept.record)[: self.kept.done])

    def stop(self) -> None:
        """Stop the training; what was saved of it stays."""
        if self._job is not None:
            self._session.say(TOPIC, "Stopping…")
            self._job.cancel()

    def use_own(self) -> Job | None:
        """Let the trained model answer in all docks, once its index is there."""
        if self.out is None or self.preparing:
            return None
        self._session.say(TOPIC)
        task = partial(train_work.index, self.out, self.folder)
        job = self._start(task, "Making the index", "own model")
        job.returned.connect(self._on_index)
        job.failed.connect(partial(self._session.fail, TOPIC, "The model cannot be used"))
        job.ended.connect(self.changed.emit)
        self.changed.emit()
        return job

    def use_shipped(self) -> None:
        """Let the shipped model answer again."""
        self._session.answers.switch(None)
        self._tell_who("The shipped model answers again.")
        self.changed.emit()

    # What comes back

    def _start(self, task: Any, title: str, channel: str, *, quiet: bool = False) -> Job:
        return self._session.jobs.start(
            task, title=title, channel=channel, lane=LANE, owner=self, quiet=quiet
        )

    def _train(self, wish: Wish, before: tuple[train_work.Told, ...] = ()) -> None:
        self._session.say(TOPIC)
        self._replacing = None
        self.so_far = SoFar("Starting", epochs=before, planned=wish.run.epochs)
        stop = threading.Event()
        task = partial(train_work.training, wish, stop, before)
        job = self._job = self._start(task, "Training", "training")
        job.cancelled.connect(stop.set)
        job.progressed.connect(self._on_step)
        job.returned.connect(self._on_trained)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_stopped)
        job.ended.connect(self._on_ended)
        self.changed.emit()

    def _look(self, then: Any = None) -> None:
        """Look what the output folder holds; after a training in the same lane, so once it is over.

        ``then`` is called with it.
        """
        if self.out is None:
            return
        task = partial(train_work.look, self.out)
        job = self._start(task, "Looking what is there", "output folder", quiet=True)
        job.returned.connect(partial(self._on_kept, then))
        job.failed.connect(self._on_not_looked)

    def _on_forms(self, forms: tuple[Form, ...]) -> None:
        self.forms = forms
        self.changed.emit()

    def _on_counted(self, counts: NoduleCounts) -> None:
        self.counts = counts
        self.changed.emit()

    def _on_not_counted(self, failure: Failure) -> None:
        self.folder = None
        self._session.fail(TOPIC, "These nodules cannot be learned from", failure)
        self.changed.emit()

    def _on_not_looked(self, failure: Failure) -> None:
        self.out = None
        self._session.fail(TOPIC, "The output folder is not used", failure)
        self.changed.emit()

    def _on_kept(self, then: Any, kept: Kept) -> None:
        self.kept = kept
        if kept.record:
            self.so_far = replace(
                self.so_far or SoFar(""),
                epochs=epochs_of(kept.record)[: kept.done],
                planned=kept.record["settings"]["epochs"],
            )
        if then is not None:
            then(kept)
        self.changed.emit()

    def _on_step(self, step: Progress) -> None:
        if isinstance(step, SoFar):
            self.so_far = step
            self.stepped.emit()

    def _on_trained(self, model: Model) -> None:
        self._session.say(TOPIC, f"Trained: {model.name} {model.sha256[:8]}.")

    def _on_failed(self, failure: Failure) -> None:
        self._session.fail(TOPIC, "The training stopped", failure)

    def _on_stopped(self) -> None:
        if not self._session.jobs.closed:
            self._look(self._tell_kept)

    def _tell_kept(self, kept: Kept) -> None:
        if not kept.record:
            self._session.say(TOPIC, "Stopped before the first epoch was done; nothing is kept.")
            return
        if kept.over and kept.model is not None:
            self._session.say(TOPIC, "Stopped. The model is there; Resume measures its figures.")
            return
        total = kept.record["settings"]["epochs"]
        self._session.say(
            TOPIC, f"Stopped. {kept.done} of {total} epochs are kept; Resume goes on."
        )

    def _on_ended(self) -> None:
        stopped, self._job = self._job is not None and self._job.stop_asked.is_set(), None
        if self.so_far is not None:
            self.so_far = replace(self.so_far, doing="", seconds_left=None)
        if not stopped:
            self._look()
        self.changed.emit()

    def _on_index(self, own: OtherModel) -> None:
        job = self._session.answers.switch(own)
        job.returned.connect(self._on_used)
        job.failed.connect(partial(self._session.fail, TOPIC, "The model cannot be used"))
        self.changed.emit()

    def _on_used(self, expert: Any) -> None:
        name = f"{expert.model.name} {expert.model.sha256[:8]}"
        self._tell_who(f"Twins and Latent now answer by {name}.")
        self.changed.emit()

    def _tell_who(self, text: str) -> None:
        self._session.say(TOPIC, text)
        self._told_who = text, self._session.answers.other

    def _on_expert_changed(self) -> None:
        """Take back what was said of who answers, once somebody else does."""
        said = self._session.messages.get(TOPIC)
        text, other = self._told_who
        if said is not None and said.text == text and self._session.answers.other != other:
            self._session.say(TOPIC)


def settings_of(record: Any) -> RunSettings:
    """How a training was begun, of those settings that this version knows."""
    known = {field.name for field in fields(RunSettings)}
    settings = {name: value for name, value in record["settings"].items() if name in known}
    return RunSettings(**{**asdict(RunSettings(1, 1)), **settings})


def told_of(record: Any) -> dict[str, Any]:
    """What of its nodules a training was told when it was begun; see `NoduleLessons`."""
    samples = record["samples"]
    return {"labels": samples.get("labels", 1.0), "repeats": samples.get("repeats", 1)}
