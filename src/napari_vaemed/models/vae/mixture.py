"""A mixture of Gaussians over the codes: the prior of the models that find classes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_vaemed.models.protocols import Batch, DigitBatch, NoduleVAE

STARTS = 20
"""Starts of k-means, of which the best is taken (as Xie et al., 2016)."""

LOOKED_AT = 12_000
"""Pictures whose codes a mixture is fitted to, about."""


class LatentMixture(nn.Module):
    """k diagonal Gaussians with weights over codes of d numbers; not in use until it is begun.

    ``logits`` (k,) give the weights, ``means`` and ``log_variances`` are (k, d), ``begun`` says
    whether they have been fitted.
    """

    begun: torch.Tensor

    def __init__(self, *, clusters: int, latent_dims: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(clusters))
        self.means = nn.Parameter(torch.zeros(clusters, latent_dims))
        self.log_variances = nn.Parameter(torch.zeros(clusters, latent_dims))
        self.register_buffer("begun", torch.tensor(False))

    @torch.no_grad()
    def begin(self, codes: torch.Tensor, seed: int = 0) -> None:
        """Fit to codes (n, d): k-means, then expectation and maximisation from there.

        Raises
        ------
        ValueError
            If there are fewer codes than classes.
        """
        from sklearn.mixture import GaussianMixture

        start = centres_of(codes, len(self.means), seed)
        fitted = GaussianMixture(
            len(self.means), covariance_type="diag", means_init=start, random_state=seed
        ).fit(codes.double().cpu().numpy())
        self.logits.copy_(torch.from_numpy(np.log(fitted.weights_)))
        self.means.copy_(torch.from_numpy(fitted.means_))
        self.log_variances.copy_(torch.from_numpy(np.log(fitted.covariances_)))
        self.begun.fill_(True)

    def log_joint(self, z: torch.Tensor) -> torch.Tensor:
        """ln π_k + ln N(z; m_k, λ_k), (n, k), of codes (n, d)."""
        off = (z[:, None] - self.means).square() * torch.exp(-self.log_variances)
        each = off + self.log_variances + np.log(2 * np.pi)
        return torch.log_softmax(self.logits, 0) - 0.5 * each.sum(2)

    def kl(self, mean: torch.Tensor, sd: torch.Tensor, log_chances: torch.Tensor) -> torch.Tensor:
        """KL from q(z) q(c) to p(z, c), (n,), nats.

        Jiang et al., Variational Deep Embedding, 2017, equation 14 without the likelihood.

        Parameters
        ----------
        mean, sd : (n, d)
            q(z), a diagonal Gaussian.
        log_chances : (n, k)
            Logarithm of q(c).
        """
        chances = log_chances.exp()
        spread = sd.square()[:, None] + (mean[:, None] - self.means).square()
        each = self.log_variances + spread * torch.exp(-self.log_variances)
        weights = torch.log_softmax(self.logits, 0)
        gaussian = 0.5 * (chances * each.sum(2)).sum(1) - 0.5 * (1 + 2 * sd.log()).sum(1)
        return gaussian + (chances * (log_chances - weights)).sum(1)

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw codes (k, n, d), ``n`` of every class."""
        k, d = self.means.shape
        noise = torch.randn(k, n, d, generator=generator, device=self.means.device)
        return self.means[:, None] + noise * torch.exp(0.5 * self.log_variances)[:, None]


def centres_of(codes: torch.Tensor, clusters: int, seed: int) -> NDArray[np.float64]:
    """Centres (k, d) of the codes (n, d) by k-means.

    Raises
    ------
    ValueError
        If there are fewer codes than clusters.
    """
    if len(codes) < clusters:
        raise ValueError(
            f"{clusters} clusters want as many samples at least; got {len(codes)}. Ask for fewer."
        )
    from sklearn.cluster import KMeans

    found = KMeans(clusters, n_init=STARTS, random_state=seed).fit(codes.double().cpu().numpy())
    centres: NDArray[np.float64] = found.cluster_centers_
    return centres


def codes_of(
    model: NoduleVAE, batches: Iterable[Batch | DigitBatch]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and deviations (n, d) of what the batches show, of `LOOKED_AT` pictures or all."""
    means, sds, seen = [], [], 0
    for batch in batches:
        mean, sd = model.posterior(batch.view)
        means.append(mean)
        sds.append(sd)
        seen += len(mean)
        if seen >= LOOKED_AT:
            break
    return torch.cat(means), torch.cat(sds)
