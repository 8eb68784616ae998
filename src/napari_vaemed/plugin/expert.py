"""The one place where the window brings in torch and the trained models."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from napari_vaemed.data.progress import Progress, Work

if TYPE_CHECKING:
    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.workflow.examine import Expert


@dataclass(frozen=True)
class OtherModel:
    """A model other than the one that answers by itself: shipped for exploration, or one's own.

    Parameters
    ----------
    model, index : Path
        Its .safetensors file, and that of the index made with it.
    nodules : Path or None
        Folder of the crops in the index, where it is known.
    """

    model: Path
    index: Path
    nodules: Path | None = None


class NoExpert(ImportError):
    """The model cannot be used on this machine."""


def examine() -> ModuleType:
    """The module `napari_vaemed.workflow.examine`; call it in a job's thread only.

    Raises
    ------
    NoExpert
        PyTorch cannot be imported; the message says what to do.
    """
    return _workflow("examine")


def neighbours() -> ModuleType:
    """The module `napari_vaemed.workflow.neighbours`; as `examine`."""
    return _workflow("neighbours")


def neighbour_figures() -> ModuleType:
    """The module `napari_vaemed.workflow.neighbour_figures`; as `examine`."""
    return _workflow("neighbour_figures")


def classify() -> ModuleType:
    """The module `napari_vaemed.workflow.classify`; as `examine`."""
    return _workflow("classify")


def latent_map() -> ModuleType:
    """The module `napari_vaemed.workflow.latent_map`; as `examine`."""
    return _workflow("latent_map")


def own_model() -> ModuleType:
    """The module `napari_vaemed.workflow.own_model`; as `examine`."""
    return _workflow("own_model")


def train() -> ModuleType:
    """The module `napari_vaemed.workflow.train`; as `examine`."""
    return _workflow("train")


def load_expert(device: str, other: OtherModel | None = None) -> Work[Expert]:
    """Read a model and its index, and warm the decoder up.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    other : OtherModel or None
        The model to read instead of the shipped nodule VAE.
    """
    yield Progress("Starting PyTorch", 0, 3)
    workflow = examine()
    neighbours()  # so that the first click need not wait for them
    neighbour_figures()
    # One nodule is too little work to share: measured on two cores with another program busy, two
    # threads take 200 ms to decode it, one takes 9.
    sys.modules["torch"].set_num_threads(1)
    yield Progress("Reading the nodule model", 1, 3)
    files = () if other is None else (other.model, other.index)
    expert: Expert = workflow.load_expert(device, *files)
    yield Progress("Warming up", 2, 3)
    workflow.decode(expert, expert.index.posterior.mean[:1])
    return expert


def load_slice_model(device: str) -> Work[Model]:
    """Read the shipped slice model; ``device`` as in `load_expert`."""
    yield Progress("Starting PyTorch", 0, 2)
    workflow = classify()
    yield Progress("Reading the slice model", 1, 2)
    model: Model = workflow.load_slice_model(device)
    return model


def _workflow(name: str) -> ModuleType:
    _load_libraries()
    try:
        return importlib.import_module(f"napari_vaemed.workflow.{name}")
    except (ImportError, OSError) as error:
        raise NoExpert(_why(error)) from error


def _load_libraries() -> None:
    """Map torch's libraries before Python imports them.

    Python holds its lock while it loads them, which freezes the window for up to a second;
    called like this, the loader runs without the lock.
    """
    if not sys.platform.startswith("linux") or "torch" in sys.modules:
        return
    spec = find_spec("torch")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for name in ("libtorch_cpu.so", "libtorch_python.so") if folders else ():
        ctypes.CDLL(None).dlopen(os.fsencode(Path(folders[0]) / "lib" / name), os.RTLD_LAZY)


def _why(error: Exception) -> str:
    text = f"PyTorch could not be started: {error}"
    if sys.platform == "win32":
        text += (
            "\nOn Windows PyTorch 2.9 and later cannot be loaded after Qt. Start napari with "
            '`python -c "import torch, napari; napari.Viewer(); napari.run()"`, or install '
            "PyTorch 2.8."
        )
    return text
