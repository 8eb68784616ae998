"""What a bench keeps between runs: each encoder's codes, and the clicked patches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from napari_vaemed.data.bench import Codes
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.posteriors import posterior_of, posterior_tensors

CLICKS_FILE = "clicks.safetensors"
"""Name of the clicked patches in a bench's folder."""


def write_codes(path: Path, codes: Codes, settings: Mapping[str, Any]) -> None:
    """Write codes with what they were made by, whole or not at all."""
    tensors = {
        **posterior_tensors(codes.clicked),
        "centred": codes.centred.astype(np.float32),
    }
    about = {"settings": _text(settings), "facts": _text(codes.facts)}
    with replacing(path) as beside:
        beside.write_bytes(save(tensors, about))


def read_codes(path: Path, settings: Mapping[str, Any]) -> Codes | None:
    """Read what `write_codes` wrote; None where there is no such file.

    Raises
    ------
    ValueError
        If the file is damaged, or its codes were made by other settings.
    """
    if not path.is_file():
        return None
    tensors, about = _read(path)
    if about.get("settings") != _text(settings):
        raise ValueError(
            f"{path} was made by {about.get('settings')}; asked for is {_text(settings)}. Give "
            "another folder, or delete it."
        )
    return Codes(posterior_of(tensors), tensors["centred"], json.loads(about["facts"]))


def read_kept_codes(path: Path) -> tuple[Codes, dict[str, Any]]:
    """Read codes whatever they were made by, and what that was.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    tensors, about = _read(path)
    codes = Codes(posterior_of(tensors), tensors["centred"], json.loads(about["facts"]))
    return codes, json.loads(about["settings"])


def write_clicks(path: Path, ids: Sequence[str], patches: NDArray[np.int16]) -> None:
    """Keep the patches (n, z, y, x) that clicks in these nodules cut."""
    with replacing(path) as beside:
        beside.write_bytes(save({"patches": patches}, {"nodules": _digest(ids)}))


def read_clicks(path: Path, ids: Sequence[str]) -> NDArray[np.int16] | None:
    """Read what `write_clicks` wrote; None where there is none or it is of other nodules."""
    if not path.is_file():
        return None
    tensors, about = _read(path)
    return tensors["patches"] if about.get("nodules") == _digest(ids) else None


def _read(path: Path) -> tuple[dict[str, NDArray], dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}). Delete it.") from None


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False, allow_nan=False)
