"""A model of one's own: what can be chosen for it, what a folder keeps of it, and its index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_vaemed.data.form import Form, form_of
from napari_vaemed.data.nodule import UNDECIDED
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.io.checkpoints import Model, read_training
from napari_vaemed.io.indexes import read_index, write_index
from napari_vaemed.io.nodules import read_nodule_scores, read_nodule_set
from napari_vaemed.models import VAES
from napari_vaemed.workflow.encode import read_nodule_model
from napari_vaemed.workflow.index import build_index
from napari_vaemed.workflow.train import MODEL_FILE, STATE_FILE

INDEX_FILE = "nodule_index.safetensors"
"""Name of a model's index beside it."""


@dataclass(frozen=True)
class NoduleCounts:
    """What a folder of labelled nodules holds.

    Parameters
    ----------
    nodules, patients : int
    benign, malignant : int
        With a malignancy score below and above 3; the others are undecided.
    """

    nodules: int
    patients: int
    benign: int
    malignant: int


@dataclass(frozen=True, eq=False)
class Kept:
    """What an output folder holds.

    Parameters
    ----------
    done : int
        Epochs that a training can be resumed after; 0 where there is none.
    record : mapping
        Of that training: its model, settings and epochs; empty where there is none.
    model : Model or None
        The trained one, on the processor.
    """

    done: int
    record: Mapping[str, Any]
    model: Model | None

    @property
    def over(self) -> bool:
        """Whether that training has reached its end, or has stopped early."""
        if not self.done:
            return False
        settings, best = self.record["settings"], self.record["epochs"][self.done - 1]["best"]
        waited = self.done - best if best else 0
        return self.done >= settings["epochs"] or 0 < settings["patience"] <= waited


def model_forms() -> tuple[Form, ...]:
    """The form of every model of nodules, the shipped one's first.

    What a model looks at, ``images``, is settled by there being nodules.
    """
    forms = [form_of(cls) for cls in VAES]
    return tuple(
        replace(form, fields=tuple(field for field in form.fields if field.name != "images"))
        for form in forms
    )


def count_nodules(folder: Path) -> NoduleCounts:
    """Look what a folder of labelled nodules holds, and that no crop is missing.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such folder or it cannot be learned from.
    """
    patients, scores = zip(*read_nodule_scores(folder), strict=True)
    return NoduleCounts(
        len(scores),
        len(set(patients)),
        sum(score < UNDECIDED for score in scores),
        sum(score > UNDECIDED for score in scores),
    )


def kept_in(out: Path) -> Kept:
    """Look what an output folder holds of a training.

    Raises
    ------
    ValueError
        If a file in it is damaged, or of a model of something else.
    """
    model = read_nodule_model(out / MODEL_FILE, "cpu") if (out / MODEL_FILE).is_file() else None
    if not (out / STATE_FILE).is_file():
        return Kept(0, {}, model)
    training = read_training(out / STATE_FILE)
    return Kept(int(training.state["epoch"]), training.record, model)


def own_index(out: Path, folder: Path | None) -> Work[Path]:
    """The index of the model in ``out``; made of the nodules in ``folder`` where it is not there.

    Raises
    ------
    ValueError
        If it has to be made, and no folder is given.
    """
    yield Progress("Reading the model")
    model, path = read_nodule_model(out / MODEL_FILE, "cpu"), out / INDEX_FILE
    if path.is_file() and read_index(path).model_sha256 == model.sha256:
        return path
    if folder is None:
        raise ValueError("Choose the folder of nodules, so that the model's index can be made.")
    nodules = yield from read_nodule_set(folder)
    write_index(path, (yield from build_index(model, nodules)))
    return path
