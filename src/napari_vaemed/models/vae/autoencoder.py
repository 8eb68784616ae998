"""The autoencoder: a point for a code, no prior. What a VAE has to be better than.

Its deviations are 0, so its nodules are compared by Euclidean distance or cosine (2-Wasserstein is
the Euclidean distance then); distances that need a spread refuse.
"""

from __future__ import annotations

import torch
from torch import nn

from napari_vaemed.models.networks import Decoder, SlabEncoder
from napari_vaemed.models.protocols import Batch
from napari_vaemed.models.vae import terms
from napari_vaemed.models.vae.bases import Drawing


class Autoencoder(Drawing):
    """Draws the CT from a code of few numbers; the same networks as the VAEs.

    Parameters
    ----------
    latent_dims : int
        Length of the code.
    slices : int
        Central slices the encoder reads, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    pixel_weight : float
        How many independent pixels the likelihood counts.
    mask_weight : float
        Weight of the nodule's mask; 0 learns from pixels alone.
    shrinkage : float
        Weight of the codes' squared length, which keeps them near the origin.
    """

    def __init__(
        self,
        *,
        latent_dims: int = 24,
        slices: int = 4,
        encoder_width: int = 48,
        decoder_width: int = 24,
        pixel_weight: float = 400.0,
        mask_weight: float = 0.0,
        shrinkage: float = 1e-3,
    ) -> None:
        super().__init__()
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.pixel_weight = pixel_weight
        self.mask_weight = mask_weight
        self.shrinkage = shrinkage
        self.encoder = SlabEncoder(slices=slices, width=encoder_width, features=256)
        self.code = nn.Linear(256, latent_dims)
        self.decoder = Decoder(latent_dims=latent_dims, width=decoder_width)

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes and zeros, (n, d) each, of patches (n, 1, z, 32, 32) in [0, 1]."""
        code = self.code(self.encoder(x)).float()
        return code, torch.zeros_like(code)

    def losses(
        self, batch: Batch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        code, _ = self.posterior(batch.view)
        ct, mask = self.decode(code)
        with torch.autocast(code.device.type, enabled=False):  # the terms need float32
            pixels = terms.tempered_likelihood(ct, batch.target, batch.measured)
            return {
                "pixels": self.pixel_weight * pixels,
                "mask": self.mask_weight * terms.mask_loss(mask, batch.mask),
                "length": self.shrinkage * code.square().sum(1).mean(),
            }
