"""Deep embedded clustering: an encoder that draws its codes together around centres.

DEC: Xie et al., Unsupervised Deep Embedding for Clustering Analysis, 2016. IDEC, which keeps
drawing the pictures meanwhile: Guo et al., Improved Deep Embedded Clustering with Local Structure
Preservation, 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import nn

from napari_vaemed.models.backbones import Images, decoder_for, encoder_for
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import cluster_terms, terms
from napari_vaemed.models.vae.bases import Drawing, gaussian_of
from napari_vaemed.models.vae.drawing import drawing_terms
from napari_vaemed.models.vae.mixture import centres_of, codes_of

Distance = Literal["euclid", "wasserstein", "bhattacharyya"]

MIN_SPREAD = 1e-3
"""Least standard deviation of a cluster."""


class DEC(Drawing):
    """Clusters by Student's t-distribution of the distance to their centres.

    An autoencoder until the warm-up is over, or a VAE where the distance is one of posteriors;
    then k-means gives the centres, and codes and centres learn to look like a sharper version of
    their own clusters.

    Parameters
    ----------
    images : {"nodule", "digit"}
        What it looks at.
    clusters : int
        Number of clusters.
    latent_dims : int
        Length of the code.
    slices : int
        Central slices of a nodule that are read, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    reconstruct : bool
        Keep drawing the pictures while the clusters form (IDEC); else the codes are free then,
        and the decoder learns to draw them as they are (DEC).
    distance : {"euclid", "wasserstein", "bhattacharyya"}
        Between the code's mean and the centre as published, or between the code's Gaussian and
        that of its cluster; the encoder has a spread only for the latter two.
    pixel_weight : float
        How many independent pixels the likelihood counts.
    mask_weight : float
        Weight of the nodule's mask.
    beta : float
        Weight of the KL from the standard normal, where the code has a spread.
    warm_up : float
        Share of the training after which the clusters begin.
    cluster_weight : float
        Weight of KL(P‖Q), P being the sharper version.
    augmented : bool
        Ask two looks at a picture for the cluster of its first; else each look for its own, as
        published.

    Raises
    ------
    ValueError
        If there are no such images, or there is no such distance.
    """

    begun: torch.Tensor
    frequency: torch.Tensor

    def __init__(
        self,
        *,
        images: Images = "nodule",
        clusters: int = 10,
        latent_dims: int = 10,
        slices: int = 4,
        encoder_width: int = 16,
        decoder_width: int = 16,
        reconstruct: bool = True,
        distance: Distance = "euclid",
        pixel_weight: float = 400.0,
        mask_weight: float = 300.0,
        beta: float = 1.0,
        warm_up: float = 0.3,
        cluster_weight: float = 40.0,
        augmented: bool = True,
    ) -> None:
        super().__init__()
        if distance not in get_args(Distance):
            names = ", ".join(get_args(Distance))
            raise ValueError(f"The distance must be one of {names}; got {distance!r}.")
        self.images = images
        self.clusters = clusters
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.reconstruct = reconstruct
        self.distance = distance
        self.pixel_weight = pixel_weight
        self.mask_weight = mask_weight
        self.beta = beta
        self.warm_up = warm_up
        self.cluster_weight = cluster_weight
        self.augmented = augmented
        self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
        self.moments = nn.Linear(256, latent_dims if self.points else 2 * latent_dims)
        self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)
        self.centres = nn.Parameter(torch.zeros(clusters, latent_dims))
        self.log_spreads = nn.Parameter(
            torch.zeros(clusters, latent_dims), requires_grad=not self.points
        )
        self.register_buffer("frequency", torch.full((clusters,), 1.0 / clusters))
        self.register_buffer("begun", torch.tensor(False))

    @property
    def points(self) -> bool:
        """Whether the codes are points."""
        return self.distance == "euclid"

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation (0 of points), (n, d) each, of (n, 1, …) in [0, 1]."""
        moments = self.moments(self.encoder(x)).float()
        if self.points:
            return moments, torch.zeros_like(moments)
        return gaussian_of(moments)

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the clusters of pictures."""
        return self.classes_of_codes(*self.posterior(x))

    def classes_of_codes(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the clusters: DEC's q."""
        return self._log_chances(mean, sd).exp()

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latents (k, n, d), ``n`` of every cluster, as widely spread as its codes are."""
        shape = (self.clusters, n, self.latent_dims)
        noise = torch.randn(shape, generator=generator, device=self.centres.device)
        return self.centres[:, None] + noise * self.log_spreads.exp()[:, None]

    def survey(
        self,
        batches: Iterable[Batch | DigitBatch],
        *,
        progress: float,
        generator: torch.Generator,
    ) -> bool:
        """Begin the clusters once the warm-up is over; count them before every epoch since."""
        if not self.begun and progress < self.warm_up:
            return False
        mean, sd = codes_of(self, batches)
        beginning = not self.begun
        if beginning:
            seed = generator.initial_seed() % 2**32
            self.centres.copy_(torch.from_numpy(centres_of(mean, self.clusters, seed)))
            self.begun.fill_(True)
        if beginning or self.points:
            self.log_spreads.copy_(self._spreads(mean, sd).log())
        chances = self._log_chances(mean, sd).exp()
        self.frequency.copy_(chances.mean(0).clamp_min(1e-6))
        return bool(beginning)

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        mean, sd = self.posterior(torch.cat([batch.view, batch.other]))
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        noise = torch.randn(n, self.latent_dims, generator=generator, device=mean.device)
        z = mean[:n] + sd[:n] * noise
        drawn = self.decode(z if self.reconstruct or not self.begun else z.detach())
        with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
            weighted = drawing_terms(
                drawn, batch, pixel_weight=self.pixel_weight, mask_weight=self.mask_weight
            )
            if not self.points:
                weighted["kl"] = self.beta * terms.free_kl(mean, sd, 0.0)
            if self.begun:
                weighted["clusters"] = self.cluster_weight * self._clustering(mean, sd)
            return weighted

    def _clustering(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """KL(P‖Q)."""
        log_chances = self._log_chances(mean, sd)
        target = cluster_terms.sharpened(log_chances, self.frequency)
        if self.augmented:
            target = target[: len(target) // 2].repeat(2, 1)
        return cluster_terms.kl_from_target(target, log_chances)

    def _log_chances(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        spreads = self.log_spreads.exp()
        if self.distance == "bhattacharyya":
            squared = 8.0 * bhattacharyya(mean, sd, self.centres, spreads)
        else:
            squared = squared_euclid(mean, self.centres)
        if self.distance == "wasserstein":
            squared = squared + squared_euclid(sd, spreads)
        return cluster_terms.student_t(squared)

    def _spreads(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """Standard deviation (k, d) of each cluster's codes, their own spread added."""
        nearest = squared_euclid(mean, self.centres).argmin(1)
        member = torch.eye(self.clusters, device=mean.device)[nearest]
        off = (mean - self.centres[nearest]).square() + sd.square()
        count = member.sum(0)[:, None].clamp_min(1.0)
        return (member.T @ off / count).sqrt().clamp_min(MIN_SPREAD)


def squared_euclid(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Squared distances (n, k) of rows of (n, d) and (k, d)."""
    return (a[:, None] - b).square().sum(2)


def bhattacharyya(
    mean: torch.Tensor, sd: torch.Tensor, centres: torch.Tensor, spreads: torch.Tensor
) -> torch.Tensor:
    """Bhattacharyya distances (n, k) of diagonal Gaussians (n, d) and (k, d).

    Eight times as much is the squared Mahalanobis distance where all spreads are alike.
    """
    total = sd.square()[:, None] + spreads.square()
    apart = 0.25 * ((mean[:, None] - centres).square() / total).sum(2)
    shape = total.log() - math.log(2) - sd.log()[:, None] - spreads.log()
    return apart + 0.5 * shape.sum(2)
