"""The models and the index that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped_model_path() -> Path:
    """Where the shipped nodule VAE lies."""
    return _shipped("nodule_vae.safetensors")


def shipped_index_path() -> Path:
    """Where the shipped index of LIDC-IDRI nodules lies."""
    return _shipped("nodule_index.safetensors")


def shipped_slice_model_path() -> Path:
    """Where the shipped slice classifier lies."""
    return _shipped("slice_model.safetensors")


def shipped_click_net_path() -> Path:
    """Where the shipped click network lies."""
    return _shipped("click_net.safetensors")


def shipped_lung_net_path() -> Path:
    """Where the shipped lung network lies."""
    return _shipped("lung_net.safetensors")


def shipped_suggestion_figures_path() -> Path:
    """Where it is written how often suggestions are right."""
    return _shipped("suggestions.json")


def _shipped(name: str) -> Path:
    return Path(str(files("napari_vaemed"))) / "weights" / name
