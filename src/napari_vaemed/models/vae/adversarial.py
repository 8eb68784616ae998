"""Adversarial variational Bayes: an encoder with noise inside, whose posteriors may have any shape.

Mescheder, Nowozin and Geiger, Adversarial Variational Bayes: Unifying Variational Autoencoders and
Generative Adversarial Networks, 2017, with their adaptive contrast. Nobody knows the density of
such a posterior q(z|x), so a discriminator T learns the log-ratio that the KL needs. There are two
players and one optimizer: every term moves one of them and holds the other still, by `frozen`
parameters or detached inputs, so their sum can be one loss.
"""

from __future__ import annotations

from itertools import pairwise
from math import log, pi
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from napari_vaemed.models.backbones import Images, decoder_for, encoder_for
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import terms
from napari_vaemed.models.vae.bases import Drawing
from napari_vaemed.models.vae.drawing import drawing_terms
from napari_vaemed.models.vae.labels import class_labels, classes_of

LEAST_VARIANCE = 1e-4
LIMIT = 30.0
"""|T| that counts in the KL: beyond, the discriminator only says that it is sure."""

FAR_ENOUGH = 6.0
"""Nats by which a code is told from other classes beyond which spreading gains nothing."""


class AdversarialVAE(Drawing):
    """Implicit posterior, standard normal prior; its moments serve index and search.

    Parameters
    ----------
    latent_dims : int
        Length of the code.
    noise_dims, bases : int
        Length of each noise vector, and how many there are.
    contrasts : int
        Latents of each picture that the discriminator sees in a step.
    spread : {"none", "contrastive", "adversarial"}
        Whether codes of benign and malignant nodules (of a digit's classes) are driven apart, by
        the supervised contrastive loss or by a critic's estimate of their divergence.
    spread_weight : float
        Weight of that.
    images : {"nodule", "digit"}
        What is looked at, see `models.backbones`.
    slices : int
        Central slices the encoder reads, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    pixel_weight : float
        How many independent pixels the likelihood counts.
    beta : float
        Weight of the KL term.
    warm_up : float
        Share of the training over which the KL term grows to its full weight.
    mask_weight : float
        Weight of the nodule's mask.

    Raises
    ------
    ValueError
        If spread or images are unknown.
    """

    def __init__(
        self,
        *,
        latent_dims: int = 24,
        noise_dims: int = 16,
        bases: int = 8,
        contrasts: int = 4,
        spread: Literal["none", "contrastive", "adversarial"] = "none",
        spread_weight: float = 40.0,
        images: Images = "nodule",
        slices: int = 4,
        encoder_width: int = 48,
        decoder_width: int = 24,
        pixel_weight: float = 400.0,
        beta: float = 1.0,
        warm_up: float = 0.3,
        mask_weight: float = 300.0,
    ) -> None:
        super().__init__()
        if spread not in ("none", "contrastive", "adversarial"):
            raise ValueError(
                f"The spread must be none, contrastive or adversarial; got {spread!r}."
            )
        self.latent_dims = latent_dims
        self.noise_dims = noise_dims
        self.bases = bases
        self.contrasts = contrasts
        self.spread = spread
        self.spread_weight = spread_weight
        self.images = images
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.pixel_weight = pixel_weight
        self.beta = beta
        self.warm_up = warm_up
        self.mask_weight = mask_weight
        self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
        self.noisy = NoisyHead(
            features=256, latent_dims=latent_dims, noise_dims=noise_dims, bases=bases
        )
        self.discriminator = Discriminator(features=256, latent_dims=latent_dims)
        self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)
        self.critic = Critic(latent_dims, classes_of(images)) if spread == "adversarial" else None

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (n, d) each, of pictures (n, 1, …) in [0, 1].

        Those that the adaptive contrast uses; the posterior itself may be no Gaussian.
        """
        return self.noisy.moments(self.encoder(x).float())

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small.

        "discriminator" and "critic" move these two alone, the others all else.
        """
        features = self.encoder(torch.cat([batch.view, batch.other])).float()
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        with torch.autocast(features.device.type, enabled=False):  # the terms need float32
            z, kl, judged = contrast(
                self.noisy, self.discriminator, features, self.contrasts, generator
            )
        drawn = self.decode(z[:n, 0])
        warmth = min(1.0, progress / self.warm_up) if self.warm_up > 0 else 1.0
        with torch.autocast(features.device.type, enabled=False):
            weighted = drawing_terms(
                drawn, batch, pixel_weight=self.pixel_weight, mask_weight=self.mask_weight
            )
            weighted |= {"kl": self.beta * warmth * kl.mean(), "discriminator": judged}
            return weighted | self._spread_terms(features, z[:, 0], class_labels(batch).repeat(2))

    def _spread_terms(
        self, features: torch.Tensor, z: torch.Tensor, label: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """What drives codes of different classes apart; (2n, …) each, label −1 is not known."""
        if self.spread == "contrastive":
            code, _ = self.noisy.moments(features)
            return {"spread": self.spread_weight * terms.contrastive_loss(code, label)}
        if self.critic is None:
            return {}
        critic = class_means(own_loss(self.critic(z.detach()), label), label)
        apart = margins(functional_call(self.critic, frozen(self.critic), (z,)), label)
        near = class_means(-apart.clamp_max(FAR_ENOUGH), label)
        return {"critic": critic, "spread": self.spread_weight * near}


class NoisyHead(nn.Module):
    """Features and noise to latents: z = z₀(x) + Σ aᵢ(x) · vᵢ(εᵢ), with known moments.

    Parameters
    ----------
    features, latent_dims : int
        Lengths of what comes in and goes out.
    noise_dims, bases : int
        Length of each ε, and how many there are.
    width : int
        Of the networks v, three layers deep.
    """

    fixed: torch.Tensor

    def __init__(
        self, *, features: int, latent_dims: int, noise_dims: int, bases: int, width: int = 64
    ) -> None:
        super().__init__()
        self.noise_dims, self.bases = noise_dims, bases
        self.centre = nn.Linear(features, latent_dims)
        self.amounts = nn.Linear(features, bases * latent_dims)
        sizes = (noise_dims, width, width, width, latent_dims)
        self.weights = nn.ParameterList(
            nn.Parameter((2 * torch.rand(bases, one, other) - 1) * (3.0 / one) ** 0.5)
            for one, other in pairwise(sizes)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(bases, 1, s)) for s in sizes[1:])
        draws = torch.randn(bases, 512, noise_dims, generator=torch.Generator().manual_seed(0))
        self.register_buffer("fixed", draws, persistent=False)

    def sample(self, features: torch.Tensor, m: int, generator: torch.Generator) -> torch.Tensor:
        """Latents (n, m, d), ``m`` of each of the features (n, f)."""
        n = len(features)
        noise = torch.randn(
            self.bases, n * m, self.noise_dims, generator=generator, device=features.device
        )
        v = self._basis(noise).view(self.bases, n, m, -1)
        moved = torch.einsum("nbd,bnmd->nmd", self._amounts(features), v)
        return self.centre(features)[:, None] + moved

    def moments(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the latents of features (n, f), (n, d) each.

        Over the same 512 draws of noise always, so that codes do not depend on chance.
        """
        v = self._basis(self.fixed)
        amounts = self._amounts(features)
        mean = self.centre(features) + torch.einsum("nbd,bd->nd", amounts, v.mean(1))
        variance = torch.einsum("nbd,bd->nd", amounts.square(), v.var(1, unbiased=False))
        return mean, (variance + LEAST_VARIANCE).sqrt()

    def _amounts(self, features: torch.Tensor) -> torch.Tensor:
        """How much of each basis, (n, bases, d), positive; little at first."""
        amounts = self.amounts(features).view(len(features), self.bases, -1)
        return F.elu(amounts - 5.0) + 1.0

    def _basis(self, noise: torch.Tensor) -> torch.Tensor:
        """The networks v, (bases, k, d), of noise (bases, k, noise_dims)."""
        h = noise
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, F.elu(h) if number else h, weight)
        return h


class Discriminator(nn.Module):
    """Tells latents of a picture from the contrast's; at its best ln q(z|x) − ln r(z|x)."""

    def __init__(self, *, features: int, latent_dims: int, width: int = 128) -> None:
        super().__init__()
        self.look = nn.Linear(features, width)
        self.point = nn.Linear(2 * latent_dims, width)
        self.body = nn.Sequential(
            nn.ELU(), nn.Linear(width, width), nn.ELU(), nn.Linear(width, width), nn.ELU(),
            nn.Linear(width, 1),
        )  # fmt: skip
        nn.init.zeros_(self.body[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.body[-1].bias)  # type: ignore[arg-type]

    def forward(self, features: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Logits (n, m) of latents (n, m, d) of features (n, f)."""
        both = self.look(features)[:, None] + self.point(torch.cat([z, z.square()], dim=-1))
        return self.body(both)[..., 0]


class Critic(nn.Sequential):
    """Logits (n, classes) of whose class a latent (n, d) is."""

    def __init__(self, latent_dims: int, classes: int, width: int = 64) -> None:
        super().__init__(
            nn.Linear(latent_dims, width), nn.ELU(), nn.Linear(width, width), nn.ELU(),
            nn.Linear(width, classes),
        )  # fmt: skip


def contrast(
    head: NoisyHead,
    discriminator: Discriminator,
    features: torch.Tensor,
    m: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents (n, m, d), estimates of KL(q‖p) in nats (n, m), and the discriminator's own loss.

    Adaptive contrast: r is the Gaussian of the posterior's moments μ, σ (no gradient), z̃ =
    (z − μ) / σ is told from ε of N(0, 1), and KL ≈ T(x, z̃) + ln r(z|x) − ln p(z). Without it T had
    to learn the whole gap between posterior and prior, which it underestimates where they do not
    overlap. The KL moves whoever made the features and the head, the loss the discriminator.
    """
    with torch.no_grad():
        mean, sd = head.moments(features)
    z = head.sample(features, m, generator)
    scaled = (z - mean[:, None]) / sd[:, None]
    seen = features.detach()
    logit = functional_call(discriminator, frozen(discriminator), (seen, scaled))
    log_r = -0.5 * (scaled.square() + 2.0 * sd.log()[:, None] + log(2 * pi)).sum(-1)
    log_p = -0.5 * (z.square() + log(2 * pi)).sum(-1)
    kl = logit.clamp(-LIMIT, LIMIT) + log_r - log_p
    noise = torch.randn(z.shape, generator=generator, device=z.device)
    return z, kl, told_apart(discriminator(seen, scaled.detach()), discriminator(seen, noise))


def told_apart(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits; least where they are the log-ratio of ours to theirs."""
    return F.softplus(-ours).mean() + F.softplus(theirs).mean()


def frozen(module: nn.Module) -> dict[str, torch.Tensor]:
    """Its parameters without a gradient, for `torch.func.functional_call`."""
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def own_loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Cross-entropy (n,) of logits (n, classes)."""
    return F.cross_entropy(logits, label.clamp_min(0), reduction="none")


def margins(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """By how much the logit of the own class exceeds the others' mean, (n,).

    Of a critic at its best, trained on classes of equal weight, the mean over both of two classes
    is half the Jeffreys divergence between them.
    """
    own = logits.gather(1, label.clamp_min(0)[:, None])[:, 0]
    return own - (logits.sum(1) - own) / (logits.shape[1] - 1)


def class_means(values: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Mean over the known classes that occur of the mean of each; 0 where none is known."""
    known = label >= 0
    one_hot = F.one_hot(label.clamp_min(0)).to(values.dtype) * known[:, None]
    count = one_hot.sum(0)
    each = (values @ one_hot) / count.clamp_min(1.0)
    return each.sum() / (count > 0).sum().clamp_min(1)
