"""From a click to a posterior, and from latents back to pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.posterior import AnyPosterior, DirichletPosterior, Posterior
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.checkpoints import Model, read_model
from napari_vaemed.preprocessing.patch import PATCH_SHAPE, cut_patch

if TYPE_CHECKING:
    from napari_vaemed.models.protocols import NoduleVAE

CHUNK = 64
"""Patches run through a network at once."""


def read_nodule_model(path: Path, device: str = "auto") -> Model:
    """Read a trained model that makes codes of nodules; see `io.checkpoints.read_model`.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there, damaged, or looks at something else: digits, slices.
    """
    model = read_model(path, device)
    looks_at = getattr(model.module, "images", "nodule")
    if looks_at != "nodule" or not hasattr(model.module, "posterior"):
        what = f"{model.name} of {looks_at}s" if looks_at != "nodule" else model.name
        raise ValueError(
            f"A model of nodules is wanted, as `vaemed train` makes them; {path.name} is a {what}."
        )
    return model


def encode_nodule(
    model: Model, volume: Volume, mask: NoduleMask | None, voxel: ArrayLike
) -> AnyPosterior:
    """Posterior (d,) of the nodule at a click.

    Parameters
    ----------
    mask : NoduleMask or None
        If the nodule was segmented: the patch is centred on it.
    voxel : (z, y, x)
        The click, in voxels, fractional; the centre where there is no mask.
    """
    patch = cut_patch(volume, nodule_centre(volume, mask, voxel))
    return encode_patches(model, patch.hu[None])[0]


def nodule_centre(volume: Volume, mask: NoduleMask | None, voxel: ArrayLike) -> NDArray[np.float64]:
    """Where to centre the patch: the mask's centroid, else the click; (x, y, z) LPS mm."""
    if mask is None:
        return volume.to_world(voxel)
    return volume.to_world(np.argwhere(mask.voxels).mean(axis=0) + mask.start)


def encode_patches(model: Model, hu: NDArray) -> AnyPosterior:
    """Posteriors (n, d) of patches (n, z, y, x) in HU, of the model's family."""
    import torch

    from napari_vaemed.models.networks import to_unit
    from napari_vaemed.models.protocols import is_dirichlet

    vae = cast("NoduleVAE", model.module)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(hu), CHUNK):
            part = torch.from_numpy(hu[start : start + CHUNK].astype(np.float32))
            looks = to_unit(part.to(model.device))[:, None]
            said = (vae.concentration(looks),) if is_dirichlet(vae) else vae.posterior(looks)
            parts.append([numbers.float().cpu().numpy() for numbers in said])
    whole = [np.concatenate(numbers) for numbers in zip(*parts, strict=True)]
    return DirichletPosterior(*whole) if is_dirichlet(vae) else Posterior(*whole)


def decode(model: Model, latents: NDArray[np.float32]) -> NDArray[np.int16]:
    """Pictures in HU, (n, 32, 32, 32) at 1 mm, of latents (n, d)."""
    return _decoded(model, latents)[0]


def decode_mask(model: Model, latents: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Nodule masks, (n, 32, 32, 32) at 1 mm, of latents (n, d)."""
    return _decoded(model, latents)[1]


def _decoded(
    model: Model, latents: NDArray[np.float32]
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    import torch

    from napari_vaemed.models.networks import to_hu

    vae = cast("NoduleVAE", model.module)
    dims = vae.latent_dims
    if latents.ndim != 2 or latents.shape[1] != dims:
        raise ValueError(
            f"Latents must have shape (n, {dims}) for this model; got {latents.shape}."
        )
    pictures = np.empty((len(latents), *PATCH_SHAPE), np.int16)
    masks = np.empty((len(latents), *PATCH_SHAPE), bool)
    with torch.inference_mode():
        for start in range(0, len(latents), CHUNK):
            part = torch.from_numpy(np.asarray(latents[start : start + CHUNK], np.float32))
            ct, mask = vae.decode(part.to(model.device))
            rows = slice(start, start + len(part))
            pictures[rows] = to_hu(ct[:, 0].float()).round().to(torch.int16).cpu().numpy()
            masks[rows] = (mask[:, 0] > 0).cpu().numpy()
    return pictures, masks
