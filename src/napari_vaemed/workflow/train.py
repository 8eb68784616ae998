"""Train a nodule VAE, say how well its neighbours vote, and write both down."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress
from napari_vaemed.data.run_settings import BENCH_EPOCHS, NODULE_RUN, RunSettings
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.nodules import LIDC_SOURCE, read_nodule_set
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
    run : RunSettings
    bench_epochs : int
        Passes of each of the five fold models; 0 leaves the figures out.

    Raises
    ------
    ValueError
        If the model or device is unknown, or the checkpoint belongs to another training.
    """
    from napari_vaemed.training.folds import inner_fold
    from napari_vaemed.training.samples import nodule_samples
    from napari_vaemed.workflow.bench import knn_bench

    run = on_device(run)
    module = new_module(model, arguments or {}, run.seed)
    nodules = yield from read_nodule_set(folder)
    slices = cast("NoduleVAE", module).slices
    samples = yield from nodule_samples(nodules, slices=slices, seed=run.seed)
    learned, held_out = samples, None
    if run.patience:
        patients = [record.patient for record in nodules.records]
        learn, kept = inner_fold(patients, seed=run.seed)
        learned, held_out = samples.subset(learn), samples.subset(kept)
    pictures = partial(reconstructions, held_out or learned)
    checkpoint = out / STATE_FILE
    module = yield from fitted(
        module, learned, checkpoint, run, held_out=held_out, pictures=pictures
    )
    card = model_card(nodules, model, slices, {**run.for_card(), "bench-epochs": bench_epochs})
    trained = publish(out / MODEL_FILE, module, card, run, checkpoint)
    if bench_epochs:
        shared = {k: v for k, v in run.for_card().items() if k not in ("epochs", "patience")}
        figures = yield from knn_bench(
            nodules, samples, model=model, arguments=arguments, epochs=bench_epochs, **shared
        )
        card = {**card, "figures": figures}
        trained = publish(out / MODEL_FILE, module, card, run, checkpoint)
    return trained


def new_module(model: str, arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """An untrained model of nodules by the name of its class; see `fitted.new_model`."""
    from napari_vaemed.models import VAES

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


def model_card(
    nodules: NoduleSet, model: str, slices: int, training: Mapping[str, Any]
) -> dict[str, Any]:
    """What a person must know of the model, without the figures."""
    lidc = nodules.source == LIDC_SOURCE
    return {
        "what": f"{model} of lung nodules in CT: 32 mm patches at 1 mm, HU −1000 to 400",
        "use": "Research only. Not a medical device; no diagnosis may rest on it.",
        "data": nodules.source,
        "licence": (
            "Weights and index derive from LIDC-IDRI, CC BY 3.0: name the source."
            if lidc
            else "Weights and index derive from the user's own data, and fall under its terms."
        ),
        "nodules": len(nodules),
        "patients": len({record.patient for record in nodules.records}),
        "split": (
            "The weights saw these nodules, so their own neighbours are not held out; the figures "
            "come from five models that each saw four fifths of the patients"
            f"{' (LIDC-IDRI-0029 and -0138, one scan, count as one patient)' if lidc else ''}."
        ),
        "extent": (
            "Crops cut tight to the nodule in z tell its size by their height. It is hidden: the "
            f"encoder reads the {slices} central slices (±{(slices - 1) / 2:g} mm) only and fades "
            "to black beyond 15.5 mm in plane. Some crops are thinner even than that; the figures "
            "say how well the whole height, and the part of it within the encoder's reach, "
            "separate by themselves."
        ),
        "training": dict(training),
        "command": " ".join(
            ["vaemed train FOLDER -o OUT", *(f"--{name} {flag}" for name, flag in training.items())]
        ),
    }
