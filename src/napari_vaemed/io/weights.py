"""The model and the index that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped_model_path() -> Path:
    """Where the shipped nodule VAE lies."""
    return _shipped("nodule_vae.safetensors")


def shipped_index_path() -> Path:
    """Where the shipped index of LIDC-IDRI nodules lies."""
    return _shipped("nodule_index.safetensors")


def _shipped(name: str) -> Path:
    return Path(str(files("napari_vaemed"))) / "weights" / name
