"""Variational deep embedding: a VAE whose prior is a mixture of Gaussians, a class each.

Jiang et al., Variational Deep Embedding: An Unsupervised and Generative Approach to Clustering,
2017. Chances are computed from logarithms throughout: the published program adds 1e-10 to
densities before it divides by their sum, and loses the classes of whatever lies far from all.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from napari_vaemed.models.backbones import Images, decoder_for, encoder_for
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import cluster_terms, terms
from napari_vaemed.models.vae.bases import GaussianCode
from napari_vaemed.models.vae.drawing import drawing_terms
from napari_vaemed.models.vae.mixture import LatentMixture, codes_of


class VaDE(GaussianCode):
    """Diagonal Gaussian posterior, Gaussian mixture as prior.

    A plain VAE (standard normal prior) until the warm-up is over; then the mixture is fitted to
    the codes, and learns with everything else.

    Parameters
    ----------
    images : {"nodule", "digit"}
        What it looks at.
    clusters : int
        Number of classes.
    latent_dims : int
        Length of the code.
    slices : int
        Central slices of a nodule that are read, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    pixel_weight : float
        How many independent pixels the likelihood counts; 784 for a digit's whole likelihood.
    mask_weight : float
        Weight of the nodule's mask.
    beta : float
        Weight of the KL term.
    warm_up : float
        Share of the training after which the mixture is fitted.
    agreement_weight, balance_weight : float
        Weights, from then on, of two looks' finding the same class, and of using all classes
        alike; 0 as published.

    Raises
    ------
    ValueError
        If there are no such images.
    """

    def __init__(
        self,
        *,
        images: Images = "nodule",
        clusters: int = 10,
        latent_dims: int = 10,
        slices: int = 4,
        encoder_width: int = 16,
        decoder_width: int = 16,
        pixel_weight: float = 400.0,
        mask_weight: float = 300.0,
        beta: float = 1.0,
        warm_up: float = 0.3,
        agreement_weight: float = 100.0,
        balance_weight: float = 150.0,
    ) -> None:
        super().__init__()
        self.images = images
        self.clusters = clusters
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.pixel_weight = pixel_weight
        self.mask_weight = mask_weight
        self.beta = beta
        self.warm_up = warm_up
        self.agreement_weight = agreement_weight
        self.balance_weight = balance_weight
        self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
        self.moments = nn.Linear(256, 2 * latent_dims)
        self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)
        self.mixture = LatentMixture(clusters=clusters, latent_dims=latent_dims)

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes of pictures."""
        return self.classes_of_codes(*self.posterior(x))

    def classes_of_codes(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes, by where the means of the codes lie in the mixture."""
        return torch.softmax(self.mixture.log_joint(mean), dim=1)

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latents (k, n, d), ``n`` of every class."""
        return self.mixture.draw(n, generator)

    def survey(
        self,
        batches: Iterable[Batch | DigitBatch],
        *,
        progress: float,
        generator: torch.Generator,
    ) -> bool:
        """Fit the mixture, once the warm-up is over."""
        if self.mixture.begun or progress < self.warm_up:
            return False
        mean, sd = codes_of(self, batches)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        self.mixture.begin(mean + sd * noise, seed=generator.initial_seed() % 2**32)
        return True

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        mean, sd = self.posterior(torch.cat([batch.view, batch.other]))
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        z = mean + sd * noise
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        drawn = self.decode(z[:n])
        with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
            weighted = drawing_terms(
                drawn, batch, pixel_weight=self.pixel_weight, mask_weight=self.mask_weight
            )
            if not self.mixture.begun:
                return weighted | {"kl": self.beta * terms.free_kl(mean, sd, 0.0)}
            log_chances = torch.log_softmax(self.mixture.log_joint(z), dim=1)
            one, other = log_chances.chunk(2)
            return weighted | {
                "kl": self.beta * self.mixture.kl(mean, sd, log_chances).mean(),
                "agreement": self.agreement_weight * cluster_terms.agreement(one, other),
                "balance": self.balance_weight * cluster_terms.imbalance(log_chances),
            }
