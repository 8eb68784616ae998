"""Weights of the lungmask project's R231, from the file a user has (unet_r231-*.pth)."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path

import torch

from napari_vaemed.data.intended_use import CARD_USE
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.models.device import choose_device
from napari_vaemed.models.segmenters.r231 import CLASSES, R231

UNUSED = "residual_"
"""Tensors with this in their name stand in the file, but its U-Net does not use them."""

CARD = {
    "what": "R231 of the lungmask project: right and left lung in a CT, dense lung included.",
    "use": CARD_USE,
    "data": "231 cases of clinical routine, as published (Hofmanninger et al., European Radiology "
    "Experimental 2020, doi 10.1186/s41747-020-00173-2).",
}


def read_r231(path: Path, device: str = "auto") -> Model:
    """Read R231's weights; nothing in the file but tensors is ever run or built.

    Parameters
    ----------
    path : Path
        ``unet_r231-*.pth`` of the lungmask project, or R231CovidWeb's.
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}. Get unet_r231-*.pth from the lungmask project's releases."
        )
    data = path.read_bytes()
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError):
        raise ValueError(
            f"{path.name} is no file of weights. Get unet_r231-*.pth from the lungmask project's "
            "releases."
        ) from None
    module = _built(state, path.name)
    chosen = choose_device(device)
    sha256 = hashlib.sha256(data).hexdigest()
    return Model("R231", module.to(chosen).eval(), sha256, CARD, chosen)


def _built(state: object, name: str) -> R231:
    fault = f"{name} does not hold the weights of R231"
    if not isinstance(state, dict) or not isinstance(state.get("last.weight"), torch.Tensor):
        raise ValueError(f"{fault}: it has no last.weight. Get unet_r231-*.pth of lungmask.")
    classes, width = state["last.weight"].shape[:2]
    if classes != CLASSES:
        raise ValueError(
            f"{fault}: it tells {classes} classes, wanted {CLASSES} (outside, right, left). The "
            "lobe models of lungmask are not read."
        )
    module = R231(width=width)
    weights = {key: value for key, value in state.items() if UNUSED not in key}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:  # names every tensor that does not fit, a line each
        wrong = len(str(error).splitlines()) - 1
        raise ValueError(f"{fault}: {wrong} tensors or more do not fit.") from None
    return module
