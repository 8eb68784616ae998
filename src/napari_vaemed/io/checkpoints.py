"""Models on disk: weights as safetensors, everything else as JSON beside them; never pickle."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.reports import write_report
from napari_vaemed.models import LUNG_SEGMENTERS, SEGMENTERS, SLICE_CLASSIFIERS, VAES
from napari_vaemed.models.device import choose_device
from napari_vaemed.training.steps import State


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model, ready to run.

    Parameters
    ----------
    name : str
        Its class, for example ``"GaussianVAE"``.
    module : nn.Module
        In evaluation mode, on ``device``.
    sha256 : str
        Of the weights file.
    card : mapping
        What it was trained on, how well it does, and what it is not for.
    device : str
    """

    name: str
    module: nn.Module
    sha256: str
    card: Mapping[str, Any]
    device: str


def write_model(path: Path, module: nn.Module, card: Mapping[str, Any]) -> Model:
    """Write ``path`` (.safetensors, float32) and the same name with .json; each atomically.

    The JSON holds the class, its constructor's arguments, the checksum of the weights and the
    card; it is written last, so a pair that reads well belongs together.
    """
    data = _serialised(module.state_dict())
    sha256 = hashlib.sha256(data).hexdigest()
    name = type(module).__name__
    about = {
        "class": name,
        "arguments": constructor_arguments(module),
        "sha256": sha256,
        "card": dict(card),
    }
    with replacing(path) as beside:
        beside.write_bytes(data)
    write_report(path.with_suffix(".json"), about)
    device = next(module.parameters()).device
    return Model(name, module.eval(), sha256, dict(card), str(device))


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write another card for weights (.safetensors) that stay as they are."""
    write_report(path.with_suffix(".json"), {**read_about(path), "card": dict(card)})


def read_model(path: Path, device: str = "auto") -> Model:
    """Read a model written by `write_model`.

    Parameters
    ----------
    path : Path
        The .safetensors file; its .json must stand beside it.
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If they do not belong together, are damaged, or name a model this package does not have.
    """
    about = read_about(path)
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != about["sha256"]:
        raise ValueError(
            f"{path.name} is not the file {path.with_suffix('.json').name} was written for (its "
            "checksum differs). Get both again."
        )
    chosen = choose_device(device)
    module = _build(about["class"], about["arguments"], path)
    try:
        module.load_state_dict(load(data))
    except SafetensorError as error:
        raise ValueError(f"{path.name} holds no weights: {error}. Get the file again.") from None
    except RuntimeError as error:  # names every tensor that does not fit, a line each
        wrong = len(str(error).splitlines()) - 1
        raise ValueError(
            f"The weights in {path.name} do not fit {about['class']} in {wrong} places; they were "
            "written by another version. Update the package or train the model again."
        ) from None
    return Model(about["class"], module.to(chosen).eval(), sha256, about["card"], chosen)


def constructor_arguments(module: nn.Module) -> dict[str, Any]:
    """What to call the class with to get a module of the same make."""
    return {name: getattr(module, name) for name in inspect.signature(type(module)).parameters}


@dataclass(frozen=True, eq=False)
class Training:
    """Where a training stopped.

    Parameters
    ----------
    state : State
        Of its last saved epoch, see `training.fit.Epoch`.
    record : mapping
        What was written beside it: settings and epochs, JSON-able.
    """

    state: State
    record: Mapping[str, Any]


def write_training(path: Path, state: State, record: Mapping[str, Any]) -> None:
    """Write where a training stands: ``path`` (.safetensors), and its record as .json beside it.

    Each is written atomically, the record first: one that was killed in between has an epoch in
    its record that its state has not, never the other way round.
    """
    with replacing(path.with_suffix(".json")) as beside:
        beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_tensors(path, state)


def read_training(path: Path) -> Training:
    """Read what `write_training` wrote.

    Raises
    ------
    ValueError
        If one of the files is damaged, or the record is missing.
    """
    try:
        state = load(path.read_bytes())
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (SafetensorError, json.JSONDecodeError, FileNotFoundError) as error:
        raise ValueError(
            f"{path} and its .json are no checkpoint of a training ({error}). Delete them to start "
            "anew."
        ) from None
    return Training(state, record)


def write_tensors(path: Path, tensors: State) -> None:
    """Write named tensors (.safetensors), atomically."""
    data = _serialised(tensors)
    with replacing(path) as beside:
        beside.write_bytes(data)


def _serialised(tensors: State) -> bytes:
    return save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})


def read_about(path: Path) -> dict[str, Any]:
    """What stands beside weights (.safetensors): class, arguments, sha256 and card.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If the JSON is damaged or lacks one of the four.
    """
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            raise FileNotFoundError(
                f"No model at {needed}. A model is two files of one name, .safetensors and .json."
            )
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.with_suffix('.json')} is damaged: {error}.") from None
    missing = {"class", "arguments", "sha256", "card"} - set(about)
    if missing:
        raise ValueError(f"{path.with_suffix('.json')} lacks {', '.join(sorted(missing))}.")
    return about


def _build(name: str, arguments: Mapping[str, Any], path: Path) -> nn.Module:
    known = (*VAES, *SLICE_CLASSIFIERS, *SEGMENTERS, *LUNG_SEGMENTERS)
    classes = {cls.__name__: cls for cls in known}
    if name not in classes:
        raise ValueError(
            f"{path.name} holds a {name}; this version knows {', '.join(classes)}. Update the "
            "package or use another model."
        )
    try:
        return classes[name](**arguments)
    except TypeError as error:
        raise ValueError(f"{path.name} was written by another version: {error}.") from None
