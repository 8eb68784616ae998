"""The supervised encoder: a code that is shaped by what the readers said, and by nothing else.

The ceiling beside which the VAEs stand: no likelihood, no prior. Its decoder learns to draw from
the codes as they are, without changing them, so that its latents can be looked at and moved like a
VAE's. Its deviations are 0, as an autoencoder's.
"""

from __future__ import annotations

import torch
from torch import nn

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.models.networks import Decoder, SlabEncoder
from napari_vaemed.models.protocols import Batch
from napari_vaemed.models.vae import terms
from napari_vaemed.models.vae.bases import Drawing


class SupervisedEncoder(Drawing):
    """Learns malignancy, the other ratings and log volume; the same networks as the VAEs.

    Parameters
    ----------
    latent_dims : int
        Length of the code.
    slices : int
        Central slices the encoder reads, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    rating_weight, volume_weight : float
        Weights of the readers' ratings and of log volume.
    kinship_weight : float
        Weight of guessing the malignancy from the neighbours in the batch, by Euclidean distance.
    drawing_weight : float
        How many pixels the decoder's likelihood counts; the codes do not feel it.
    """

    def __init__(
        self,
        *,
        latent_dims: int = 24,
        slices: int = 4,
        encoder_width: int = 48,
        decoder_width: int = 24,
        rating_weight: float = 80.0,
        volume_weight: float = 60.0,
        kinship_weight: float = 250.0,
        drawing_weight: float = 400.0,
    ) -> None:
        super().__init__()
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.rating_weight = rating_weight
        self.volume_weight = volume_weight
        self.kinship_weight = kinship_weight
        self.drawing_weight = drawing_weight
        self.encoder = SlabEncoder(slices=slices, width=encoder_width, features=256)
        self.code = nn.Linear(256, latent_dims)
        self.decoder = Decoder(latent_dims=latent_dims, width=decoder_width)
        self.malignancy_head = nn.Linear(latent_dims, 5)
        self.rating_head = nn.Linear(latent_dims, len(ATTRIBUTES))
        self.volume_head = nn.Linear(latent_dims, 1)

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes and zeros, (n, d) each, of patches (n, 1, z, 32, 32) in [0, 1]."""
        code = self.code(self.encoder(x)).float()
        return code, torch.zeros_like(code)

    def losses(
        self, batch: Batch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        code, sd = self.posterior(torch.cat([batch.view, batch.other]))
        n = (len(batch.view) + 1) // 2
        ct, mask = self.decode(code[:n].detach())
        with torch.autocast(code.device.type, enabled=False):  # the terms need float32
            guess = self.malignancy_head(code), self.rating_head(code)
            volume = self.volume_head(code)[:, 0]
            score = batch.ratings[:, terms.MALIGNANCY]
            kinship = terms.kinship_loss(terms.squared_w2(code, sd), score)
            pixels = terms.tempered_likelihood(ct, batch.target[:n], batch.measured[:n])
            drawn = self.drawing_weight * (pixels + terms.mask_loss(mask, batch.mask[:n]))
            log_volume = batch.log_volume.repeat(2)
            return {
                "volume": self.volume_weight * terms.volume_loss(volume, log_volume),
                "ratings": self.rating_weight
                * terms.rating_loss(*guess, batch.ratings.repeat(2, 1)),
                "kinship": self.kinship_weight * kinship,
                "drawing": drawn,
            }
