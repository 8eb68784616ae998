"""Train a nodule VAE, say how well its neighbours vote, and write both down."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress
from napari_vaemed.io.checkpoints import Model, read_training, write_model, write_training
from napari_vaemed.io.nodules import read_nodule_set

if TYPE_CHECKING:
    from torch import nn

    from napari_vaemed.models.protocols import NoduleVAE
    from napari_vaemed.training.fit import Epoch

MODEL_FILE = "nodule_vae.safetensors"
"""Name of the trained model in the output folder; its card is the same with .json."""

STATE_FILE = "training.safetensors"
"""Name of the checkpoint that a training can be resumed from."""


def train(
    folder: Path,
    out: Path,
    *,
    model: str = "GaussianVAE",
    arguments: Mapping[str, Any] | None = None,
    epochs: int = 125,
    batch: int = 96,
    lr: float = 3e-3,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    resume: bool = False,
    save_every: int = 10,
    bench_epochs: int = 66,
) -> Generator[Progress | Epoch, None, Model]:
    """Train on a folder of labelled nodules; write the model with its card into ``out``.

    Yields `Progress` and, while training, `training.fit.Epoch` records. Every ``save_every``
    epochs the training is saved, and goes on from there with ``resume``. Last, the patient-grouped
    5-fold figures are measured (`workflow.bench.knn_bench`) and put into the card.

    Parameters
    ----------
    model : str
        Name of a class in `models.VAES`.
    arguments : mapping or None
        For its constructor; default: its own defaults.
    device : {"auto", "cpu", "cuda", "mps"}
    bench_epochs : int
        Passes of each of the five fold models; 0 leaves the figures out.

    Raises
    ------
    ValueError
        If the model or device is unknown, or the checkpoint belongs to another model.
    """
    from napari_vaemed.models.device import choose_device
    from napari_vaemed.training.fit import fit
    from napari_vaemed.training.samples import nodule_samples
    from napari_vaemed.workflow.bench import knn_bench

    settings: dict[str, Any] = {"batch": batch, "lr": lr, "seed": seed, "precision": precision}
    settings["device"] = choose_device(device)
    out.mkdir(parents=True, exist_ok=True)
    module = new_module(model, arguments or {}, seed)
    nodules = yield from read_nodule_set(folder)
    samples = yield from nodule_samples(nodules, slices=cast("NoduleVAE", module).slices, seed=seed)
    checkpoint = out / STATE_FILE
    state = read_training(checkpoint) if resume and checkpoint.is_file() else None
    run = fit(module, samples, epochs=epochs, resume=state, **settings)
    module = yield from saved(run, checkpoint, save_every)
    flags = {"epochs": epochs, "bench-epochs": bench_epochs, **settings}
    card = model_card(nodules, flags)
    trained = write_model(out / MODEL_FILE, module, card)
    if bench_epochs:
        figures = yield from knn_bench(
            nodules, samples, model=model, arguments=arguments, epochs=bench_epochs, **settings
        )
        trained = write_model(out / MODEL_FILE, module, {**card, "figures": figures})
    return trained


def new_module(model: str, arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """An untrained model by the name of its class, its first weights drawn from the seed."""
    import torch

    from napari_vaemed.models import VAES

    classes = {cls.__name__: cls for cls in VAES}
    if model not in classes:
        raise ValueError(f"The model must be one of {', '.join(classes)}; got {model!r}.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return classes[model](**arguments)


def model_card(nodules: NoduleSet, training: Mapping[str, Any]) -> dict[str, Any]:
    """What a person must know of the model, without the figures."""
    return {
        "what": "Gaussian VAE of lung nodules in CT: 32 mm patches at 1 mm, HU −1000 to 400",
        "use": "Research only. Not a medical device; no diagnosis may rest on it.",
        "data": nodules.source,
        "licence": "Weights and index derive from LIDC-IDRI, CC BY 3.0: name the source.",
        "nodules": len(nodules),
        "patients": len({record.patient for record in nodules.records}),
        "split": (
            "The shipped weights saw all of these nodules, so neighbours of a LIDC-IDRI nodule are "
            "not held out; the figures come from five models that each saw four fifths of the "
            "patients (LIDC-IDRI-0029 and -0138, one scan, count as one patient)."
        ),
        "extent": (
            "Crops are cut tight to the nodule in z, so their height tells its size. It is hidden: "
            "the encoder reads the 4 central slices (±1.5 mm) only and fades to black beyond "
            "15.5 mm in plane. Some crops are thinner even than that; the figures say how well the "
            "whole height, and the part of it within the encoder's reach, separate by themselves."
        ),
        "training": dict(training),
        "command": " ".join(
            ["vaemed train FOLDER -o OUT", *(f"--{name} {flag}" for name, flag in training.items())]
        ),
    }


def saved(
    run: Generator[Epoch, None, nn.Module], checkpoint: Path, every: int
) -> Generator[Epoch, None, nn.Module]:
    """Pass a training's epochs on, writing its state now and then and at its end."""
    while True:
        try:
            epoch = next(run)
        except StopIteration as stop:
            module: nn.Module = stop.value
            return module
        if epoch.number % every == 0 or epoch.number == epoch.total:
            write_training(checkpoint, epoch.state)
        yield epoch
