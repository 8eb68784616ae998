"""What every training shares: its settings, its checkpoint, its log, and the model it writes."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vaemed.data.run_settings import FREE, ONE_CYCLE, RunSettings
from napari_vaemed.io.checkpoints import (
    Model,
    constructor_arguments,
    read_training,
    write_model,
    write_tensors,
    write_training,
)

if TYPE_CHECKING:
    from torch import nn

    from napari_vaemed.io.run_log import RunLog, WandbRun
    from napari_vaemed.training.fit import Epoch, Pictures
    from napari_vaemed.training.steps import Samples, State

LOG_FOLDER = "tensorboard"
"""Beside a checkpoint: curves and pictures of all runs, to be shown by TensorBoard."""


def on_device(run: RunSettings) -> RunSettings:
    """The same settings with the device that this machine has."""
    from napari_vaemed.models.device import choose_device

    return replace(run, device=choose_device(run.device))


def new_model(
    classes: Sequence[type[nn.Module]], name: str, arguments: Mapping[str, Any], seed: int
) -> nn.Module:
    """An untrained model by the name of its class, its first weights drawn from the seed.

    Raises
    ------
    ValueError
        If there is no such class among ``classes`` or no such argument, or an argument is no truth
        or no text where its default is one, or a count is below 1.
    """
    import torch

    named = {cls.__name__: cls for cls in classes}
    if name not in named:
        raise ValueError(f"The model must be one of {', '.join(named)}; got {name!r}.")
    known = inspect.signature(named[name]).parameters
    if unknown := [argument for argument in arguments if argument not in known]:
        raise ValueError(f"A {name} has no {unknown[0]!r}; it has {', '.join(known)}.")
    for argument, value in arguments.items():
        default = known[argument].default
        if any(isinstance(value, kind) != isinstance(default, kind) for kind in (bool, str)):
            raise ValueError(f"{name}'s {argument} is of the kind of {default!r}; got {value!r}.")
        if type(default) is int and value < 1:
            raise ValueError(f"{name}'s {argument} must be at least 1; got {value!r}.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return named[name](**arguments)


def fitted(
    module: nn.Module,
    samples: Samples,
    checkpoint: Path,
    run: RunSettings,
    *,
    held_out: Samples | None = None,
    pictures: Callable[[nn.Module], Pictures] | None = None,
    told: Mapping[str, Any] | None = None,
) -> Generator[Epoch, None, nn.Module]:
    """Train by `training.fit.fit`, so that it can be stopped, resumed and watched.

    Beside ``checkpoint`` (.safetensors) lie its record (.json: settings and every epoch's
    losses), `LOG_FOLDER` and, where a loss was no number, the batch it was met with. ``told`` is
    what the record is to say of the samples.

    Raises
    ------
    ValueError
        If the checkpoint to resume from is of another model, of other samples or settings, or a
        loss is no longer a number.
    """
    from napari_vaemed.io.run_log import RunLog
    from napari_vaemed.training.fit import fit

    run = on_device(run)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    record = _begun(module, samples, held_out, run)
    record["samples"] |= told or {}
    state = None
    if run.resume and checkpoint.is_file():
        state, record = _resumed(checkpoint, record)
    folder = _log_folder(checkpoint, record)
    work = fit(module, samples, resume=state, held_out=held_out, pictures=pictures, **run.for_fit())
    wandb = _wandb_run(run, checkpoint.parent, record) if run.wandb else None
    first = len(record["epochs"]) + 1
    with closing(work), RunLog(folder, first_epoch=first, wandb=wandb) as log:
        return (yield from _kept(work, checkpoint, record, run.save_every, log))


def publish(
    path: Path, module: nn.Module, card: Mapping[str, Any], run: RunSettings, checkpoint: Path
) -> Model:
    """Write a trained model with its card; W&B gets it too where that was asked for."""
    model = write_model(path, module, card)
    if run.wandb:
        log = _wandb_run(run, checkpoint.parent, dict(read_training(checkpoint).record))
        log.made_model(path, card)
        log.finish()
    return model


def _kept(
    work: Generator[Epoch, None, nn.Module],
    checkpoint: Path,
    record: dict[str, Any],
    every: int,
    log: RunLog,
) -> Generator[Epoch, None, nn.Module]:
    """Pass a training's epochs on once they are saved and logged."""
    from napari_vaemed.training.steps import NotANumber

    while True:
        try:
            epoch = next(work)
        except StopIteration as stop:
            module: nn.Module = stop.value
            return module
        except NotANumber as error:
            bad = checkpoint.with_name(f"{checkpoint.stem}_bad_batch.safetensors")
            write_tensors(bad, error.batch)
            raise ValueError(f"{error} They are kept in {bad}.") from error
        record["epochs"].append(_told(epoch))
        if epoch.last or epoch.number % every == 0:
            write_training(checkpoint, epoch.state, record)
        log.write(epoch)
        yield epoch


def _begun(
    module: nn.Module, samples: Samples, held_out: Samples | None, run: RunSettings
) -> dict[str, Any]:
    """Record of a training without epochs, as JSON would give it back."""
    learned: dict[str, Any] = {"count": len(samples), "sha256": fingerprint(samples)}
    if held_out is not None:
        learned |= {"held out": len(held_out), "held out sha256": fingerprint(held_out)}
    record = {
        "model": {"class": type(module).__name__, "arguments": constructor_arguments(module)},
        "samples": learned,
        "settings": asdict(run),
        "epochs": [],
    }
    return dict(json.loads(json.dumps(record)))


def _told(epoch: Epoch) -> dict[str, Any]:
    names = ("number", "losses", "held_out", "best", "batch", "rate", "seconds", "device", "notes")
    return {name: getattr(epoch, name) for name in names}


def _resumed(checkpoint: Path, now: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """State to go on from and its record, made with the same model, samples and settings."""
    was = read_training(checkpoint)
    # Earlier versions wrote less down; the samples' fingerprint is always there.
    known = {
        "samples": {**now["samples"], **was.record["samples"]},
        "settings": {"schedule": ONE_CYCLE, **was.record["settings"]},
    }
    before, after = _decisive({**was.record, **known}), _decisive(now)
    changed = [
        f"{name} {before.get(name)!r}, now {value!r}"
        for name, value in after.items()
        if before.get(name) != value
    ]
    if changed:
        raise ValueError(
            f"The training in {checkpoint} was begun with {'; '.join(changed)}. Resume with the "
            "same settings and samples, or start anew."
        )
    done = int(was.state["epoch"])
    epochs = [epoch for epoch in was.record["epochs"] if epoch["number"] <= done]
    return was.state, {**was.record, "settings": now["settings"], "epochs": epochs}


def _decisive(record: Mapping[str, Any]) -> dict[str, Any]:
    """All in a record that decides the weights, flat."""
    settings = {k: v for k, v in record["settings"].items() if k not in FREE}
    samples = {f"samples {name}": value for name, value in record["samples"].items()}
    return {
        "model": record["model"]["class"],
        **record["model"]["arguments"],
        **settings,
        **samples,
    }


def fingerprint(samples: Samples) -> str:
    """SHA-256 of all tensors of the samples."""
    import torch

    digest = hashlib.sha256()
    for name, value in vars(samples).items():
        if isinstance(value, torch.Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _log_folder(checkpoint: Path, record: dict[str, Any]) -> Path:
    """Folder of this run's curves; each training begun anew gets the next number."""
    logs = checkpoint.parent / LOG_FOLDER
    if "log" not in record:
        number = 1
        while (logs / f"{checkpoint.stem}-{number}").exists():
            number += 1
        record["log"] = f"{checkpoint.stem}-{number}"
    return logs / record["log"]


def _wandb_run(run: RunSettings, folder: Path, record: dict[str, Any]) -> WandbRun:
    from napari_vaemed.io.run_log import WandbRun

    config = {name: record[name] for name in ("model", "samples", "settings")}
    known = record.get("wandb")
    opened = WandbRun(run.wandb, folder, id=known, config=config)
    record["wandb"] = opened.id
    if not known:
        opened.used_data(record["samples"])
    return opened
