"""The Gaussian VAE: one latent code that draws the CT and the nodule's mask and knows its ratings.

Kingma and Welling, Auto-Encoding Variational Bayes, 2014; β as Higgins et al., β-VAE, 2017. The
likelihood is tempered and the mask is decoded from the same code, because pixels alone spend the
code on chest wall and vessels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.models.networks import Decoder, SlabEncoder
from napari_vaemed.models.protocols import Batch
from napari_vaemed.models.vae import terms
from napari_vaemed.models.vae.bases import GaussianCode


class GaussianVAE(GaussianCode):
    """Diagonal Gaussian posterior, standard normal prior.

    With the weights of mask, ratings, volume, views and kinship at 0 it is the plain VAE, which
    learns from pixels alone.

    Parameters
    ----------
    latent_dims : int
        Length of the code.
    slices : int
        Central slices the encoder reads, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    likelihood : {"tempered", "sigma"}
        "tempered" counts ``pixel_weight`` pixels, "sigma" every measured voxel (σ-VAE).
    pixel_weight : float
        How many independent pixels the likelihood counts (32³ would drown the other terms).
    beta : float
        Weight of the KL term.
    warm_up : float
        Share of the training over which the KL term grows to its full weight or capacity.
    capacity : float
        Nats that the whole KL is held to at the end; 0 lets it be as small as it gets.
    free_nats : float
        KL of a dimension that costs nothing, in nats.
    mask_weight, rating_weight, volume_weight : float
        Weights of the mask, of the readers' ratings and of log volume, both read from the mean.
    attribute_weight : float
        Weight of having the first ten dimensions follow log volume and the nine ratings, one each.
    view_weight : float
        Weight of telling two looks at one nodule from looks at others, by 2-Wasserstein distance.
    kinship_weight : float
        Weight of guessing the malignancy from the neighbours in the batch.

    Raises
    ------
    ValueError
        If the likelihood is unknown or the code is too short for the attributes.
    """

    def __init__(
        self,
        *,
        latent_dims: int = 24,
        slices: int = 4,
        encoder_width: int = 48,
        decoder_width: int = 24,
        likelihood: Literal["tempered", "sigma"] = "tempered",
        pixel_weight: float = 400.0,
        beta: float = 1.0,
        warm_up: float = 0.3,
        capacity: float = 0.0,
        free_nats: float = 0.05,
        mask_weight: float = 300.0,
        rating_weight: float = 80.0,
        volume_weight: float = 60.0,
        attribute_weight: float = 0.0,
        view_weight: float = 30.0,
        kinship_weight: float = 250.0,
    ) -> None:
        super().__init__()
        if likelihood not in ("tempered", "sigma"):
            raise ValueError(f"The likelihood must be tempered or sigma; got {likelihood!r}.")
        if attribute_weight > 0 and latent_dims < len(terms.REGULARISED):
            raise ValueError(
                f"A code that follows {len(terms.REGULARISED)} attributes needs as many dimensions "
                f"at least; got {latent_dims}."
            )
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.likelihood = likelihood
        self.pixel_weight = pixel_weight
        self.beta = beta
        self.warm_up = warm_up
        self.capacity = capacity
        self.free_nats = free_nats
        self.mask_weight = mask_weight
        self.rating_weight = rating_weight
        self.volume_weight = volume_weight
        self.attribute_weight = attribute_weight
        self.view_weight = view_weight
        self.kinship_weight = kinship_weight
        self.encoder = SlabEncoder(slices=slices, width=encoder_width, features=256)
        self.moments = nn.Linear(256, 2 * latent_dims)
        self.decoder = Decoder(latent_dims=latent_dims, width=decoder_width)
        self.malignancy_head = nn.Linear(latent_dims, 5)
        self.rating_head = nn.Linear(latent_dims, len(ATTRIBUTES))
        self.volume_head = nn.Linear(latent_dims, 1)

    def losses(
        self, batch: Batch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        both = torch.cat([batch.view, batch.other])
        mean, sd = self.posterior(both)
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        noise = torch.randn(n, self.latent_dims, generator=generator, device=mean.device)
        ct, mask = self.decode(mean[:n] + sd[:n] * noise)
        warmth = min(1.0, progress / self.warm_up) if self.warm_up > 0 else 1.0
        with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
            pixels = terms.tempered_likelihood(ct, batch.target[:n], batch.measured[:n])
            kl = terms.free_kl(mean, sd, self.free_nats)
            weighted = {
                "pixels": self._counted(batch.measured[:n]) * pixels,
                "kl": self.beta * terms.kl_term(kl, self.capacity, warmth),
                "mask": self.mask_weight * terms.mask_loss(mask, batch.mask[:n]),
            }
            return weighted | self._label_terms(mean, sd, batch)

    def _counted(self, measured: torch.Tensor) -> float | torch.Tensor:
        """How many pixels of a nodule the likelihood counts."""
        return (
            self.pixel_weight if self.likelihood == "tempered" else measured.sum() / len(measured)
        )

    def _label_terms(
        self, mean: torch.Tensor, sd: torch.Tensor, batch: Batch
    ) -> dict[str, torch.Tensor]:
        """What the readers said, of both looks."""
        ratings, log_volume = batch.ratings.repeat(2, 1), batch.log_volume.repeat(2)
        guess = self.malignancy_head(mean), self.rating_head(mean)
        apart = terms.squared_w2(mean, sd)
        kinship = terms.kinship_loss(apart, batch.ratings[:, terms.MALIGNANCY])
        volume = terms.volume_loss(self.volume_head(mean)[:, 0], log_volume)
        weighted = {
            "volume": self.volume_weight * volume,
            "ratings": self.rating_weight * terms.rating_loss(*guess, ratings),
            "views": self.view_weight * terms.view_loss(apart),
            "kinship": self.kinship_weight * kinship,
        }
        if self.attribute_weight > 0:
            first = mean[: len(batch.view)]
            weighted["attributes"] = self.attribute_weight * terms.attribute_loss(first, batch)
        return weighted
