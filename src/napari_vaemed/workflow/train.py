"""Train a nodule VAE, say how well its neighbours vote, and write both down."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule import UNDECIDED, NoduleRecord
from napari_vaemed.data.progress import Progress
from napari_vaemed.data.run_settings import BENCH_EPOCHS, NODULE_RUN, RunSettings
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.workflow.card import Made, model_card
from napari_vaemed.workflow.fitted import fitted, new_model, on_device, publish

if TYPE_CHECKING:
    from torch import nn

    from napari_vaemed.models.protocols import NoduleVAE
    from napari_vaemed.training.fit import Epoch
    from napari_vaemed.training.samples import NoduleSamples

MODEL_FILE = "nodule_vae.safetensors"
"""Name of the trained model in the output folder; its card is the same with .json."""

STATE_FILE = "training.safetensors"
"""Name of the checkpoint that a training can be resumed from."""


SHOWN = 8
"""Nodules in the picture of what a model makes of them."""


def train(
    folder: Path,
    out: Path,
    *,
    model: str = "GaussianVAE",
    arguments: Mapping[str, Any] | None = None,
    labels: float = 1.0,
    repeats: int = 1,
    run: RunSettings = NODULE_RUN,
    bench_epochs: int = BENCH_EPOCHS,
) -> Generator[Progress | Epoch, None, Model]:
    """Train on a folder of labelled nodules; write the model with its card into ``out``.

    Yields `Progress` and, while training, `training.fit.Epoch` records with reconstructions. Last,
    the patient-grouped 5-fold figures are measured (`workflow.bench.knn_bench`) and put into the
    card.

    Parameters
    ----------
    model : str
        Name of a class in `models.VAES`.
    arguments : mapping or None
        For its constructor; default: its own defaults.
    labels : float
        Share of the nodules whose ratings are told, by patient; below 1 for `SEMI_SUPERVISED` only.
    repeats : int
        How often a nodule of a known class comes in every epoch; any other comes once.
    run : RunSettings
    bench_epochs : int
        Passes of each of the five fold models; 0 leaves the figures out.

    Raises
    ------
    ValueError
        If the model or device is unknown, the checkpoint belongs to another training, or the model
        or the figures need other labels or more patients.
    """
    from napari_vaemed.training.folds import inner_fold
    from napari_vaemed.training.repeated import repeated
    from napari_vaemed.training.samples import nodule_samples
    from napari_vaemed.workflow.bench import knn_bench

    run = on_device(run)
    module = new_module(model, arguments or {}, run.seed)
    if labels != 1:
        check_may_hide(model)
    nodules = yield from read_nodule_set(folder)
    _check_folds(nodules.records, run, bench_epochs)
    patients = [record.patient for record in nodules.records]
    slices = cast("NoduleVAE", module).slices
    samples = yield from nodule_samples(nodules, slices=slices, seed=run.seed)
    if labels != 1:
        samples = samples.with_labels(labels, patients, run.seed)
    _check_told(module, samples)
    learned, held_out = samples, None
    if run.patience:
        learn, kept = inner_fold(patients, seed=run.seed)
        learned, held_out = samples.subset(learn), samples.subset(kept)
    learned = repeated(learned, repeats)
    pictures = partial(reconstructions, held_out or learned)
    checkpoint = out / STATE_FILE
    told = {"labels": labels, "repeats": repeats}
    module = yield from fitted(
        module, learned, checkpoint, run, held_out=held_out, pictures=pictures, told=told
    )
    unusual = {name: value for name, value in told.items() if value != 1}
    training = {**run.for_card(), "bench-epochs": bench_epochs, **unusual}
    made = Made(model, arguments or {}, slices)
    card = model_card(made, nodules.source, len(nodules), len(set(patients)), training)
    trained = publish(out / MODEL_FILE, module, card, run, checkpoint)
    if bench_epochs:
        shared = {k: v for k, v in run.for_card().items() if k not in ("epochs", "patience")}
        figures = yield from knn_bench(
            nodules, samples, model=model, arguments=arguments, repeats=repeats,
            epochs=bench_epochs, **shared,
        )  # fmt: skip
        card = {**card, "figures": figures}
        trained = publish(out / MODEL_FILE, module, card, run, checkpoint)
    return trained


def _check_folds(records: Sequence[NoduleRecord], run: RunSettings, bench_epochs: int) -> None:
    """Refuse what needs more patients or classes than there are before the training, not after."""
    from napari_vaemed.training.folds import inner_fold, patient_folds

    patients = [record.patient for record in records]
    score = np.array([record.malignancy for record in records])
    if run.patience:
        try:
            inner_fold(patients, seed=run.seed)
        except ValueError as few:
            raise ValueError(f"{few} Patience holds one of these out: set it to 0.") from few
    if not bench_epochs:
        return
    without = "It can be trained without figures: 0 bench epochs."
    try:
        folds = list(patient_folds(patients, seed=run.seed))
    except ValueError as few:
        raise ValueError(f"{few} {without}") from few
    kinds = [set(np.sign(score[known] - UNDECIDED)) for known, _ in folds]
    if not all({-1, 1} <= kind for kind in kinds):
        raise ValueError(
            "Figures tell benign from malignant nodules, and there are too few of one kind or "
            f"both. {without}"
        )


def _check_told(module: nn.Module, samples: NoduleSamples) -> None:
    """Refuse to teach classes of which nothing is told."""
    from napari_vaemed.models import SEMI_SUPERVISED
    from napari_vaemed.models.vae.labels import malignancy_classes

    if not isinstance(module, SEMI_SUPERVISED):
        return
    told = malignancy_classes(samples.ratings)
    benign, malignant = (int((told == known).sum()) for known in (0, 1))
    if not (benign and malignant):
        raise ValueError(
            f"{type(module).__name__} learns from ratings what is benign (malignancy up to 2) and "
            f"what is malignant (from 4), and needs some of both; it is told of {benign} and "
            f"{malignant}."
        )


def check_may_hide(model: str) -> None:
    """Refuse to hide labels from a model that needs them all.

    Raises
    ------
    ValueError
    """
    from napari_vaemed.models import SEMI_SUPERVISED

    able = [cls.__name__ for cls in SEMI_SUPERVISED]
    if model not in able:
        raise ValueError(f"With hidden labels learn {', '.join(able)}; got {model!r}.")


def new_module(model: str, arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """An untrained model of nodules by the name of its class; see `fitted.new_model`.

    Raises
    ------
    ValueError
        As there, or if it is to look at something else.
    """
    from napari_vaemed.models import VAES

    if (images := arguments.get("images", "nodule")) != "nodule":
        raise ValueError(f"Models learn nodules here: images must be 'nodule'; got {images!r}.")
    return new_model(VAES, model, arguments, seed)


def reconstructions(samples: NoduleSamples, module: nn.Module) -> dict[str, NDArray[np.uint8]]:
    """The first nodules' middle slices, and below each what the model draws from its code."""
    import torch

    from napari_vaemed.models.networks import to_unit

    rows = torch.arange(min(SHOWN, len(samples)))
    device = next(module.parameters()).device
    looks = to_unit(samples.views[rows, 0].float())[:, None].to(device)
    wanted = to_unit(samples.target[rows].float())
    vae = cast("NoduleVAE", module)
    with torch.no_grad():
        drawn = vae.decode(vae.posterior(looks)[0])[0][:, 0].cpu()
    middle = wanted.shape[1] // 2
    both = torch.stack([wanted[:, middle], drawn[:, middle]])  # (2, n, y, x)
    grid = both.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
    return {"reconstructions": (255 * grid.clamp(0, 1)).round().byte().numpy()}
