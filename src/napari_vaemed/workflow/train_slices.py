"""Train a slice classifier, say how well it does, and write both down."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress
from napari_vaemed.data.run_settings import SLICE_RUN, RunSettings
from napari_vaemed.data.slice_set import COVID, SliceSet, split_by_group
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.slices import read_slice_set
from napari_vaemed.workflow.fitted import fitted, new_model, on_device, publish
from napari_vaemed.workflow.score_slices import picture_features, score_pictures

if TYPE_CHECKING:
    from napari_vaemed.models.classifiers.resnet import SliceResNet
    from napari_vaemed.training.fit import Epoch

MODEL_FILE = "slice_model.safetensors"
"""Name of the trained model in the output folder; its card is the same with .json."""

STATE_FILE = "slice_training.safetensors"
"""Name of the checkpoint that a training can be resumed from."""

PUBLISHED = {"auc": 0.94, "f1": 0.85, "accuracy": 0.86}
"""DenseNet-169, ImageNet start and Self-Trans, on COVID-CT's test part (arXiv:2003.13865)."""


COVID_SLICE = "Axial CT slice, lung window, cut to the lungs: COVID-19 against other."
COVID_CAUTION = (
    "Figures in papers are picked, cropped and drawn on; a part of what separates them is how they "
    "were published. Where the published split puts slices of one paper on both sides, its figures "
    "flatter; see those grouped by paper."
)


def train_slices(
    path: Path,
    out: Path,
    *,
    model: str = "SliceResNet",
    arguments: Mapping[str, Any] | None = None,
    positive: str = "",
    run: RunSettings = SLICE_RUN,
) -> Generator[Progress | Epoch, None, Model]:
    """Train on labelled slices; write the model with its card into ``out``.

    Learns from the part ``train``; ``val`` gives the threshold of a positive call, the limit of
    unlikeness and, with patience, the end; ``test`` the figures. Where the set has no split, one
    is drawn by groups.

    Parameters
    ----------
    path : Path
        See `io.slices.read_slice_set`.
    model : str
        Name of a class in `models.SLICE_CLASSIFIERS`.
    arguments : mapping or None
        For its constructor; default: its own defaults.
    positive : str
        The class or finding to be told from all others, instead of COVID-19.
    run : RunSettings

    Raises
    ------
    ValueError
        If the model or device is unknown, a part lacks a class, or the checkpoint belongs to
        another training.
    """
    run = on_device(run)
    slices = yield from read_slice_set(path, positive)
    split = "as published" if any(r.part for r in slices.records) else f"by group, seed {run.seed}"
    if split != "as published":
        slices = split_by_group(slices, run.seed)
    checkpoint = out / STATE_FILE
    trained = yield from fit_slices(slices, checkpoint, model=model, arguments=arguments, run=run)
    figures = yield from slice_figures(trained, slices)
    card = {**model_card(slices, split, run.for_card(), arguments or {}), "figures": figures}
    return publish(out / MODEL_FILE, trained.module, card, run, checkpoint)


def fit_slices(
    slices: SliceSet,
    checkpoint: Path,
    *,
    model: str = "SliceResNet",
    arguments: Mapping[str, Any] | None = None,
    run: RunSettings = SLICE_RUN,
) -> Generator[Progress | Epoch, None, Model]:
    """Train on the part ``train``, and learn from ``val`` what is unlike it."""
    from napari_vaemed.models import SLICE_CLASSIFIERS
    from napari_vaemed.training.slice_samples import slice_samples

    _check_parts(slices)
    run = on_device(run)
    fresh = new_model(SLICE_CLASSIFIERS, model, arguments or {}, run.seed)
    module = cast("SliceResNet", fresh)
    look: dict[str, Any] = {"size": module.size, "lungs_only": module.lungs_only}
    samples = yield from slice_samples(slices, slices.rows("train"), **look)
    held_out = yield from slice_samples(slices, slices.rows("val"), **look)
    judges = held_out if run.patience else None
    yield from fitted(module, samples, checkpoint, run, held_out=judges)
    known, unseen = (
        picture_features(module, s.picture.numpy(), run.device) for s in (samples, held_out)
    )
    module.learn_unlikeness(known, samples.label, unseen)
    return Model(model, module, "", {}, run.device)


def slice_figures(model: Model, slices: SliceSet) -> Generator[Progress, None, dict[str, Any]]:
    """AUC, F1 and accuracy on the part ``test``; what counts as positive is decided on ``val``.

    The threshold is that of the highest sensitivity plus specificity. Each figure comes
    with the 2.5th and 97.5th percentile of 1000 bootstraps of slices, and of groups.
    """
    from napari_vaemed.training.metrics import best_threshold
    from napari_vaemed.training.slice_samples import slice_pictures

    module = cast("SliceResNet", model.module)
    look: dict[str, Any] = {"size": module.size, "lungs_only": module.lungs_only}
    scores = {}
    for part in ("val", "test"):
        rows = slices.rows(part)
        scores[part] = score_pictures(model, (yield from slice_pictures(slices, rows, **look)))
    threshold = best_threshold(slices.labels[slices.rows("val")] > 0, scores["val"][0])
    covid, unlike = scores["test"]
    return {
        **part_figures(slices, "test", covid, threshold),
        "validation": part_figures(slices, "val", scores["val"][0], threshold),
        "share_unlike": round(float((unlike > 1).mean()), 4),
        **({"published": PUBLISHED} if slices.finding == COVID else {}),
    }


def part_figures(
    slices: SliceSet, part: str, score: NDArray[np.floating], threshold: float
) -> dict[str, Any]:
    """Figures of scores (n,) of one part, each [value, low, high] by slices and by groups."""
    from napari_vaemed.training.metrics import Measure, auc, bootstrap_interval, f1

    rows = slices.rows(part)
    positive = slices.labels[rows] > 0
    groups = [slices.groups[row] for row in rows]
    called = score >= threshold
    measured: dict[str, Any] = {"n": len(rows), "groups": len(set(groups))}
    measured["threshold"] = round(threshold, 4)
    measures: tuple[tuple[str, Measure, NDArray], ...] = (
        ("auc", auc, score),
        ("f1", f1, called),
        ("accuracy", lambda truth, said: float((truth == said).mean()), called),
    )
    for name, measure, values in measures:
        value = measure(positive, values)
        for over, units in (("", [str(row) for row in rows]), ("_by_group", groups)):
            interval = bootstrap_interval(measure, positive, values, units)
            measured[name + over] = [round(number, 4) for number in (value, *interval)]
    return measured


def model_card(
    slices: SliceSet, split: str, training: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """What a person must know of the model, without the figures."""
    parts = {part: len(slices.rows(part)) for part in ("train", "val", "test")}
    covid = slices.finding == COVID
    return {
        "what": COVID_SLICE if covid else f"Grey picture: {slices.finding} against other.",
        "use": (
            f"{'COVID' if covid else slices.finding} against other"
            f"{', from figures in papers' if covid else ''}; no diagnostic value. Research only; "
            "not a medical device."
        ),
        "data": slices.source,
        "finding": slices.finding,
        "split": {"how": split, **parts, "groups": len(set(slices.groups))},
        **({"caution": COVID_CAUTION} if covid else {}),
        "training": dict(training),
        "command": " ".join(
            ["vaemed train-slices PATH -o OUT", *_flags({**training, **arguments})]
        ),
    }


def _flags(values: Mapping[str, Any]) -> list[str]:
    """As typed on the command line; what is off is not typed."""
    names = {name: f"--{name.replace('_', '-')}" for name in values}
    return [
        names[name] if value is True else f"{names[name]} {value}"
        for name, value in values.items()
        if value is not False
    ]


def _check_parts(slices: SliceSet) -> None:
    for part in ("train", "val", "test"):
        there = set(slices.labels[slices.rows(part)].tolist())
        if there != {0, 1}:
            raise ValueError(
                f"The part {part} must hold slices of both classes, {slices.finding} and other. "
                "Check the column split, or leave it out to have a split drawn."
            )
