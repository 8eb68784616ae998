"""Torch modules, one file a model."""

from napari_vaemed.models.vae.gaussian import GaussianVAE

VAES = (GaussianVAE,)
"""Every variational autoencoder there is."""
