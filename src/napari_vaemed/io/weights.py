"""The models and the index that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True)
class ShippedModel:
    """A model of nodules that comes with the package.

    Parameters
    ----------
    name, title : str
        As it is typed, and as it is shown.
    model, index : Path
    """

    name: str
    title: str
    model: Path
    index: Path


def shipped_nodule_models() -> tuple[ShippedModel, ...]:
    """All of them; the first answers, the others are small ones to explore their latents."""
    return (
        ShippedModel("nodule-vae", "Gaussian VAE", shipped_model_path(), shipped_index_path()),
        _small("dirichlet-vae", "Dirichlet VAE"),
        _small("one-step-vae", "One-step clustering VAE"),
    )


def model_files(model: Path | None, index: Path | None) -> tuple[Path, Path]:
    """Files of a nodule model and its index, the shipped ones by default.

    A shipped model may be called by its name instead of its file; its index comes with it.
    """
    if model is None:
        return shipped_model_path(), index or shipped_index_path()
    for shipped in shipped_nodule_models():
        if str(model).replace("_", "-") == shipped.name and not model.exists():
            return shipped.model, index or shipped.index
    return model, index or shipped_index_path()


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


def _small(name: str, title: str) -> ShippedModel:
    file = name.replace("-", "_")
    return ShippedModel(
        name, title, _shipped(f"{file}.safetensors"), _shipped(f"{file}_index.safetensors")
    )


def _shipped(name: str) -> Path:
    return Path(str(files("napari_vaemed"))) / "weights" / name
