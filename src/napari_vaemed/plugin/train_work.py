"""What the Train dock's jobs run; torch comes in here, in a job's thread."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.form import Form
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.run_settings import NoduleLessons, RunSettings
from napari_vaemed.plugin import expert

if TYPE_CHECKING:
    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.training.fit import Epoch
    from napari_vaemed.workflow.own_model import Kept, NoduleCounts

FOLDS = 5
"""Models behind the figures, each of which learns from four fifths of the patients."""


@dataclass(frozen=True, eq=False)
class Wish:
    """What to train: the model and its constructor's arguments, on what, into where, and how."""

    folder: Path
    out: Path
    model: str
    arguments: Mapping[str, Any]
    run: RunSettings
    lessons: NoduleLessons


@dataclass(frozen=True, eq=False)
class Told:
    """An epoch without its weights; see `training.fit.Epoch`."""

    number: int
    losses: Mapping[str, float]
    held_out: Mapping[str, float]
    device: str


KNOWN = tuple(each.name for each in fields(Told))


@dataclass(frozen=True, eq=False)
class SoFar(Progress):
    """A step of a training with all that is known by then, as steps may be left out.

    Parameters
    ----------
    epochs : tuple of Told
        Those before a resume included.
    planned : int
        Epochs there will be at most.
    picture : (y, x) uint8 or None
        Nodules, and below each what the model draws of it.
    notes : tuple of str
        What a person should know, oldest first.
    seconds_left : float or None
        Until model and figures are there, by the pace of the last epochs.
    """

    epochs: tuple[Told, ...] = ()
    planned: int = 1
    picture: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()
    seconds_left: float | None = None


def forms() -> Work[tuple[Form, ...]]:
    """The form of every model there is."""
    yield Progress("Starting PyTorch")
    made: tuple[Form, ...] = expert.own_model().model_forms()
    return made


def count(folder: Path) -> NoduleCounts:
    """Look what a folder of nodules holds."""
    return expert.own_model().count_nodules(folder)


def look(out: Path) -> Kept:
    """Look what an output folder holds."""
    return expert.own_model().kept_in(out)


def index(out: Path, folder: Path | None) -> Work[expert.OtherModel]:
    """Make the trained model ready to answer: its index, where that is not there yet."""
    own = expert.own_model()
    path = yield from own.own_index(out, folder)
    return expert.OtherModel(out / expert.train().MODEL_FILE, path, folder)


def epochs_of(record: Mapping[str, Any]) -> tuple[Told, ...]:
    """The epochs in the record of a training."""
    return tuple(Told(**{n: epoch[n] for n in KNOWN}) for epoch in record.get("epochs", ()))


class Stopped(Exception):
    """A training was stopped between two steps."""


def training(wish: Wish, stop: threading.Event, before: tuple[Told, ...] = ()) -> Work[Model]:
    """Train as `workflow.train.train` does, told in `SoFar` steps.

    Parameters
    ----------
    wish : Wish
    stop : Event
        Ends the training in the middle of an epoch, with `Stopped`.
    before : tuple of Told
        Epochs that were done already.
    """
    yield SoFar("Starting PyTorch", epochs=before, planned=wish.run.epochs)
    workflow = expert.train()
    # One core is left to the window; of this thread only, the models that answer keep theirs.
    sys.modules["torch"].set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    from napari_vaemed.training.steps import before_step

    def look_up() -> None:
        if stop.is_set():
            raise Stopped

    token = before_step.set(look_up)
    work = workflow.train(
        wish.folder, wish.out, model=wish.model, arguments=wish.arguments, run=wish.run,
        **asdict(wish.lessons),
    )  # fmt: skip
    teller = _Teller(wish, list(before))
    try:
        while True:
            step = next(work)
            yield teller.passed_on(step) if isinstance(step, Progress) else teller.told(step)
    except StopIteration as over:
        model: Model = over.value
        return model
    finally:
        work.close()
        before_step.reset(token)


@dataclass(eq=False)
class _Teller:
    """Puts the steps of a training into words."""

    wish: Wish
    epochs: list[Told]
    notes: list[str] = field(default_factory=list)
    picture: NDArray[np.uint8] | None = None
    fold: str = ""
    pace: float | None = None
    """Seconds an epoch of the training itself."""
    folds_done: int = -1
    _last: float = 0.0

    def passed_on(self, step: Progress) -> SoFar:
        """A step between epochs."""
        if step.doing.startswith("Fold "):
            self.fold, self.folds_done = step.doing, step.done
        left = self._left_of_folds(0) if self.fold else None
        return self._so_far(step.doing, step.done, step.total, left)

    def told(self, epoch: Epoch) -> SoFar:
        """An epoch of the training, or of a fold's model, which shows no pictures."""
        if not epoch.pictures:
            left = self._left_of_folds(epoch.number)
            return self._so_far(f"{self.fold}: epoch {epoch.number}", epoch.number, epoch.total,
                                left)  # fmt: skip
        self.epochs.append(Told(**{name: getattr(epoch, name) for name in KNOWN}))
        self.notes += epoch.notes
        self.picture = epoch.pictures["reconstructions"]
        took, self._last = epoch.seconds - self._last, epoch.seconds
        self.pace = took if self.pace is None else 0.8 * self.pace + 0.2 * took
        left = 0.0 if epoch.last else self.pace * (epoch.total - epoch.number)
        return self._so_far(f"Epoch {epoch.number} of {epoch.total}", epoch.number, epoch.total,
                            left + self._left_of_folds(0))  # fmt: skip

    def _left_of_folds(self, done: int) -> float:
        """Seconds that the models behind the figures still take, the one under way at ``done``."""
        epochs = (FOLDS - max(self.folds_done, 0)) * self.wish.lessons.bench_epochs - done
        return (self.pace or 0.0) * epochs * (FOLDS - 1) / FOLDS

    def _so_far(self, doing: str, done: int, total: int, left: float | None = None) -> SoFar:
        known = (tuple(self.epochs), self.wish.run.epochs, self.picture, tuple(self.notes))
        return SoFar(doing, done, total, *known, left or None)
