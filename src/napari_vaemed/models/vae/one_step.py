"""The one-step clustering VAE: a code, a class, and a mean of the codes for every class.

Su Jianlin's loss as published, and one that keeps its idea and mends what was found wrong with it:
the likelihood does not grow with the number of pixels, the class means wait until there are
classes, the term that was meant to balance the classes does, and two looks at one picture are to
find the same class.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from napari_vaemed.models.backbones import (
    PUBLISHED_FEATURES,
    Images,
    PublishedDigitDecoder,
    PublishedDigitEncoder,
    decoder_for,
    encoder_for,
    start_as_keras,
)
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import cluster_terms
from napari_vaemed.models.vae.bases import GaussianCode
from napari_vaemed.models.vae.drawing import drawing_terms
from napari_vaemed.models.vae.mixture import codes_of

PUBLISHED_PIXELS = 2.5
"""Weight of half a squared error, summed over the pixels, in the published loss."""


class OneStepVAE(GaussianCode):
    """Diagonal Gaussian posterior, a classifier of the code, unit Gaussians around class means.

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
    paper : bool
        The published loss, in which none of the following weights counts, and first weights as
        its program draws them.
    published_networks : bool
        The published networks, of digits, drawn likewise; the widths do not count then.
    pixel_weight : float
        How many independent pixels the likelihood counts.
    mask_weight : float
        Weight of the nodule's mask.
    beta : float
        Weight of the KL from the Gaussian around the class mean.
    warm_up : float
        Share of the training over which the weight of agreement grows from a twentieth, so that
        classes are not settled before there is something to tell them by. After it the class
        means are set to the mean codes; until then they stay zero. 0 trains them from the start,
        as published.
    agreement_weight : float
        Weight of two looks' finding the same class.
    sharpness_weight : float
        Weight of being sure of the class of each picture.
    balance_weight : float
        Weight of using all classes alike.

    Raises
    ------
    ValueError
        If there are no such images, or the published networks are asked for nodules.
    """

    begun: torch.Tensor

    def __init__(
        self,
        *,
        images: Images = "nodule",
        clusters: int = 10,
        latent_dims: int = 10,
        slices: int = 4,
        encoder_width: int = 16,
        decoder_width: int = 16,
        paper: bool = False,
        published_networks: bool = False,
        pixel_weight: float = 400.0,
        mask_weight: float = 300.0,
        beta: float = 1.0,
        warm_up: float = 0.4,
        agreement_weight: float = 100.0,
        sharpness_weight: float = 0.0,
        balance_weight: float = 400.0,
    ) -> None:
        super().__init__()
        if published_networks and images != "digit":
            raise ValueError("The published networks look at digits; make it with images='digit'.")
        self.images = images
        self.clusters = clusters
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.paper = paper
        self.published_networks = published_networks
        self.pixel_weight = pixel_weight
        self.mask_weight = mask_weight
        self.beta = beta
        self.warm_up = warm_up
        self.agreement_weight = agreement_weight
        self.sharpness_weight = sharpness_weight
        self.balance_weight = balance_weight
        if published_networks:
            self.encoder: nn.Module = PublishedDigitEncoder()
            self.decoder: nn.Module = PublishedDigitDecoder(latent_dims=latent_dims)
        else:
            self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
            self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)
        features = PUBLISHED_FEATURES if published_networks else 256
        self.moments = nn.Linear(features, 2 * latent_dims)
        self.classifier = nn.Sequential(
            nn.Linear(latent_dims, 256), nn.ReLU(), nn.Linear(256, clusters)
        )
        if paper or published_networks:
            start_as_keras(self)
        self.means = nn.Parameter(torch.zeros(clusters, latent_dims))
        self.register_buffer("begun", torch.tensor(paper or warm_up == 0))

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes of pictures."""
        return self.classes_of_codes(*self.posterior(x))

    def classes_of_codes(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes, read from the means of the codes."""
        return self._log_chances(mean).exp()

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latents (k, n, d), ``n`` of every class."""
        shape = (self.clusters, n, self.latent_dims)
        noise = torch.randn(shape, generator=generator, device=self.means.device)
        return self.means[:, None] + noise

    def survey(
        self,
        batches: Iterable[Batch | DigitBatch],
        *,
        progress: float,
        generator: torch.Generator,
    ) -> bool:
        """Set the class means to the mean codes of the classes, once the warm-up is over."""
        if self.begun or progress < self.warm_up:
            return False
        codes, _ = codes_of(self, batches)
        chances = self._log_chances(codes).exp()
        self.means.copy_(chances.T @ codes / chances.sum(0)[:, None].clamp_min(1e-6))
        self.begun.fill_(True)
        return True

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        if self.paper:
            return self._published_losses(batch, generator)
        mean, sd = self.posterior(torch.cat([batch.view, batch.other]))
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        noise = torch.randn(n, self.latent_dims, generator=generator, device=mean.device)
        drawn = self.decode(mean[:n] + sd[:n] * noise)
        with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
            log_chances = self._log_chances(mean)
            one, other = log_chances.chunk(2)
            warmth = max(0.05, min(1.0, progress / self.warm_up)) if self.warm_up > 0 else 1.0
            return {
                **drawing_terms(
                    drawn, batch, pixel_weight=self.pixel_weight, mask_weight=self.mask_weight
                ),
                "kl": self.beta * self._kl(mean, sd, log_chances.exp()),
                "agreement": warmth * self.agreement_weight * cluster_terms.agreement(one, other),
                "sharpness": self.sharpness_weight * cluster_terms.doubt(log_chances),
                "balance": self.balance_weight * cluster_terms.imbalance(log_chances),
            }

    def _published_losses(
        self, batch: Batch | DigitBatch, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """The loss of Su's program, term by term; what it calls the class's KL is Σ y ln y."""
        digits = isinstance(batch, DigitBatch)
        mean, sd = self.posterior(batch.target if digits else batch.view)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        z = mean + sd * noise
        picture, _ = self.decode(z)
        with torch.autocast(mean.device.type, enabled=False):
            y = torch.softmax(self.classifier(z), dim=1)
            error = (picture - batch.target).square()
            error = error if isinstance(batch, DigitBatch) else error * batch.measured
            apart = z[:, None] - self.means
            inside = 2 * sd.log()[:, None] - apart.square()
            return {
                "pixels": PUBLISHED_PIXELS * 0.5 * error.flatten(1).sum(1).mean(),
                "kl": -0.5 * (y[:, :, None] * inside).sum((1, 2)).mean(),
                "classes": (y * torch.log(y + 1e-7)).sum(1).mean(),
            }

    def _kl(self, mean: torch.Tensor, sd: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
        """Mean KL from the unit Gaussians around the class means, each as likely as its class."""
        means = self.means if self.begun else torch.zeros_like(self.means)
        apart = (mean[:, None] - means).square().sum(2)
        spread = (sd.square() - 1.0 - 2.0 * sd.log()).sum(1)
        return 0.5 * ((chances * apart).sum(1) + spread).mean()

    def _log_chances(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(self.classifier(codes).float(), dim=1)
