"""Train a slice classifier, say how well it does, and write both down."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress
from napari_vaemed.data.slice_set import SliceSet, split_by_group
from napari_vaemed.io.checkpoints import Model, read_training, write_model
from napari_vaemed.io.slices import read_slice_set
from napari_vaemed.workflow.score_slices import picture_features, score_pictures
from napari_vaemed.workflow.train import saved

if TYPE_CHECKING:
    from torch import nn

    from napari_vaemed.models.classifiers.resnet import SliceResNet
    from napari_vaemed.training.fit import Epoch

MODEL_FILE = "slice_model.safetensors"
"""Name of the trained model in the output folder; its card is the same with .json."""

STATE_FILE = "slice_training.safetensors"
"""Name of the checkpoint that a training can be resumed from."""

PUBLISHED = {"auc": 0.94, "f1": 0.85, "accuracy": 0.86}
"""DenseNet-169, ImageNet start and Self-Trans, on COVID-CT's test part (arXiv:2003.13865)."""


def train_slices(
    path: Path,
    out: Path,
    *,
    model: str = "SliceResNet",
    arguments: Mapping[str, Any] | None = None,
    epochs: int = 30,
    batch: int = 16,
    lr: float = 3e-3,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    resume: bool = False,
    save_every: int = 10,
) -> Generator[Progress | Epoch, None, Model]:
    """Train on labelled slices; write the model with its card into ``out``.

    Learns from the part ``train``; ``val`` gives the threshold of a positive call and the limit
    of unlikeness; ``test`` the figures. Where the set has no split, one is drawn by groups.

    Parameters
    ----------
    path : Path
        See `io.slices.read_slice_set`.
    model : str
        Name of a class in `models.SLICE_CLASSIFIERS`.
    arguments : mapping or None
        For its constructor; default: its own defaults.
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    ValueError
        If the model or device is unknown, a part lacks a class, or the checkpoint belongs to
        another model.
    """
    out.mkdir(parents=True, exist_ok=True)
    slices = yield from read_slice_set(path)
    split = "as published" if any(r.part for r in slices.records) else f"by group, seed {seed}"
    if split != "as published":
        slices = split_by_group(slices, seed)
    checkpoint = out / STATE_FILE
    settings: dict[str, Any] = {
        "epochs": epochs,
        "batch": batch,
        "lr": lr,
        "seed": seed,
        "precision": precision,
    }
    trained = yield from fit_slices(
        slices,
        model=model,
        arguments=arguments,
        device=device,
        checkpoint=checkpoint,
        save_every=save_every,
        resume=resume,
        **settings,
    )
    figures = yield from slice_figures(trained, slices)
    card = model_card(slices, split, {**settings, "device": trained.device}, arguments or {})
    return write_model(out / MODEL_FILE, trained.module, {**card, "figures": figures})


def fit_slices(
    slices: SliceSet,
    *,
    model: str = "SliceResNet",
    arguments: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    checkpoint: Path | None = None,
    save_every: int = 10,
    resume: bool = False,
    **settings: Any,
) -> Generator[Progress | Epoch, None, Model]:
    """Train on the part ``train``, and learn from ``val`` what is unlike it."""
    from napari_vaemed.models.device import choose_device
    from napari_vaemed.training.fit import fit
    from napari_vaemed.training.slice_samples import slice_pictures, slice_samples

    _check_parts(slices)
    device = choose_device(device)
    module = cast("SliceResNet", new_classifier(model, arguments or {}, seed))
    look: dict[str, Any] = {"size": module.size, "lungs_only": module.lungs_only}
    samples = yield from slice_samples(slices, slices.rows("train"), **look)
    held_out = yield from slice_pictures(slices, slices.rows("val"), **look)
    state = read_training(checkpoint) if resume and checkpoint and checkpoint.is_file() else None
    run = fit(module, samples, seed=seed, device=device, resume=state, **settings)
    if checkpoint:
        yield from saved(run, checkpoint, save_every)
    else:
        yield from run
    known = picture_features(module, samples.picture.numpy(), device)
    module.learn_unlikeness(known, samples.label, picture_features(module, held_out, device))
    return Model(model, module, "", {}, device)


def new_classifier(model: str, arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """An untrained model by the name of its class, its first weights drawn from the seed."""
    import torch

    from napari_vaemed.models import SLICE_CLASSIFIERS

    classes = {cls.__name__: cls for cls in SLICE_CLASSIFIERS}
    if model not in classes:
        raise ValueError(f"The model must be one of {', '.join(classes)}; got {model!r}.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return classes[model](**arguments)


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
        "published": PUBLISHED,
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
    return {
        "what": "Axial CT slice, lung window, cut to the lungs: COVID-19 against other.",
        "use": (
            "COVID against other, from figures in papers; no diagnostic value. Research only; not "
            "a medical device."
        ),
        "data": slices.source,
        "split": {"how": split, **parts, "groups": len(set(slices.groups))},
        "caution": (
            "Figures in papers are picked, cropped and drawn on; a part of what separates them is "
            "how they were published. Where the published split puts slices of one paper on both "
            "sides, its figures flatter; see those grouped by paper."
        ),
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
                f"The part {part} must hold slices of both classes, COVID-19 and other. Check the "
                "column split, or leave it out to have a split drawn."
            )
