"""The Dirichlet VAE: a code of shares that sum to 1, and readers' labels that are read off it.

Joo et al., Dirichlet Variational Autoencoder, 2020; with an auxiliary classifier of several labels
as Harkness et al., Learning disentangled representations with Dirichlet VAEs for chest X-rays,
2023. Likelihood, mask, encoder and decoder are those of the Gaussian VAE; its twin here, ``family``
"gaussian", differs in the latent family alone. Everything of the latent family is in float32.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.models.backbones import Images, decoder_for, encoder_for
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import terms
from napari_vaemed.models.vae.bases import Drawing, gaussian_of
from napari_vaemed.models.vae.drawing import drawing_terms

LEAST = 0.02
"""No concentration is lower: below, a sample is a corner to the last digit of float32."""

CUTS = {
    "subtlety": 5,  # obvious
    "internal_structure": 2,  # other than soft tissue
    "calcification": 6,  # absent
    "sphericity": 4,  # rather round
    "margin": 5,  # sharp
    "lobulation": 2,  # any
    "spiculation": 2,  # any
    "texture": 5,  # solid
    "malignancy": 4,  # suspicious
}
"""A label is true from this rating on: near the median of LIDC-IDRI, where the scale has one."""


class DirichletVAE(Drawing):
    """Dirichlet posterior, symmetric Dirichlet prior; or its Gaussian twin.

    Parameters
    ----------
    latent_dims : int
        Length of the code: corners of the simplex.
    family : {"dirichlet", "gaussian"}
        "gaussian" is the twin with the same networks and losses, to compare with.
    sampling : {"pathwise", "inverse-cdf"}
        How samples depend on concentrations, see `sample_dirichlet`.
    prior : float
        Concentration of the prior, the same of all corners; below 1 it wants few large shares.
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
    label_weight : float
        Weight of the nine labels that the readers' ratings make (`CUTS`), read from the mean.

    Raises
    ------
    ValueError
        If family, sampling or images are unknown, or the prior is not positive.
    """

    def __init__(
        self,
        *,
        latent_dims: int = 24,
        family: Literal["dirichlet", "gaussian"] = "dirichlet",
        sampling: Literal["pathwise", "inverse-cdf"] = "pathwise",
        prior: float = 0.9,
        images: Images = "nodule",
        slices: int = 4,
        encoder_width: int = 48,
        decoder_width: int = 24,
        pixel_weight: float = 400.0,
        beta: float = 1.0,
        warm_up: float = 0.3,
        mask_weight: float = 300.0,
        label_weight: float = 80.0,
    ) -> None:
        super().__init__()
        if family not in ("dirichlet", "gaussian"):
            raise ValueError(f"The family must be dirichlet or gaussian; got {family!r}.")
        if sampling not in ("pathwise", "inverse-cdf"):
            raise ValueError(f"The sampling must be pathwise or inverse-cdf; got {sampling!r}.")
        if not prior > 0:
            raise ValueError(f"The prior's concentration must be positive; got {prior}.")
        self.latent_dims = latent_dims
        self.family = family
        self.sampling = sampling
        self.prior = prior
        self.images = images
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.pixel_weight = pixel_weight
        self.beta = beta
        self.warm_up = warm_up
        self.mask_weight = mask_weight
        self.label_weight = label_weight
        self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
        self.parameters_head = nn.Linear(256, latent_dims * (2 if family == "gaussian" else 1))
        self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)
        self.label_head = nn.Linear(latent_dims, len(CUTS))

    def concentration(self, x: torch.Tensor) -> torch.Tensor:
        """Concentrations (n, d) of pictures in [0, 1], as `posterior` takes them."""
        if self.family != "dirichlet":
            raise TypeError(f"A {self.family} posterior has no concentration.")
        return F.softplus(self.parameters_head(self.encoder(x)).float()) + LEAST

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (n, d) each, of pictures (n, 1, …) in [0, 1].

        Those of a Dirichlet determine its concentration.
        """
        if self.family == "dirichlet":
            return moments(self.concentration(x))
        return gaussian_of(self.parameters_head(self.encoder(x)))

    def decode(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Picture in [0, 1] and logit of the nodule mask, (n, 1, …), of latents (n, d)."""
        return super().decode(self._spread(z))

    def label_logits(self, z: torch.Tensor) -> torch.Tensor:
        """Logits of the nine labels, (n, 9), of latents (n, d)."""
        return self.label_head(self._spread(z))

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        mean, sample, kl = self._latent(torch.cat([batch.view, batch.other]), generator)
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        drawn = self.decode(sample[:n])
        warmth = min(1.0, progress / self.warm_up) if self.warm_up > 0 else 1.0
        with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
            weighted = drawing_terms(
                drawn, batch, pixel_weight=self.pixel_weight, mask_weight=self.mask_weight
            )
            weighted["kl"] = self.beta * warmth * kl.mean()
            if isinstance(batch, Batch):
                wanted = labels_of(batch.ratings).float()
                wanted = wanted.masked_fill(batch.ratings.isnan(), torch.nan).repeat(2, 1)
                missed = F.binary_cross_entropy_with_logits(self.label_logits(mean), wanted)
                weighted["labels"] = self.label_weight * missed
        return weighted

    def _latent(
        self, x: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean (n, d), a sample (n, d), and KL from the prior (n,) of each picture's posterior."""
        if self.family == "dirichlet":
            a = self.concentration(x)
            with torch.autocast(a.device.type, enabled=False):
                sample = sample_dirichlet(a, generator, self.sampling)
                return moments(a)[0], sample, dirichlet_kl(a, self.prior)
        mean, sd = self.posterior(x)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean, mean + sd * noise, terms.gaussian_kl(mean, sd).sum(1)

    def _spread(self, z: torch.Tensor) -> torch.Tensor:
        """Latents as the networks read them: shares about 0, with a deviation of about 1."""
        return self.latent_dims * z - 1.0 if self.family == "dirichlet" else z


def labels_of(ratings: torch.Tensor) -> torch.Tensor:
    """The ratings (n, 9) as labels, (n, 9) bool, by `CUTS`."""
    cuts = torch.tensor([CUTS[name] for name in ATTRIBUTES], device=ratings.device)
    return ratings >= cuts


def moments(concentration: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each share, (n, K) each."""
    total = concentration.sum(1, keepdim=True)
    mean = concentration / total
    rest = (total - concentration) / total  # 1 − mean, where that is near 0
    return mean, (mean * rest / (total + 1.0)).sqrt()


def dirichlet_kl(concentration: torch.Tensor, prior: float) -> torch.Tensor:
    """KL(q‖p) in nats, (n,), of Dirichlets q (n, K) from the symmetric one p.

    lnΓ(Σa) − Σ lnΓ(a) − lnΓ(Kp) + K lnΓ(p) + Σ (a − p)(ψ(a) − ψ(Σa)). Widely copied code has the
    two the other way round.
    """
    dims, total = concentration.shape[1], concentration.sum(1)
    wanted = torch.tensor(prior, dtype=concentration.dtype, device=concentration.device)
    norm = torch.lgamma(total) - torch.lgamma(concentration).sum(1)
    norm = norm - torch.lgamma(dims * wanted) + dims * torch.lgamma(wanted)
    mean_log = torch.digamma(concentration) - torch.digamma(total)[:, None]
    return norm + ((concentration - wanted) * mean_log).sum(1)


def sample_dirichlet(
    concentration: torch.Tensor,
    generator: torch.Generator,
    sampling: str = "pathwise",
) -> torch.Tensor:
    """One point of the simplex (n, K) from each Dirichlet (n, K), differentiable.

    Normalised Gammas, whose logarithms alone are computed, so that concentrations of 1e-3 give
    neither 0/0 nor (1/K, …), as `torch.distributions.Dirichlet` does.

    Parameters
    ----------
    sampling : {"pathwise", "inverse-cdf"}
        "pathwise" is exact: Gamma(a + 1) · u^(1/a) is Gamma(a) (Marsaglia and Tsang, 2000), the
        first factor with torch's implicit gradient (Jankowiak and Obermeyer, 2018).
        "inverse-cdf": (u a Γ(a))^(1/a), an approximation for a of about 1 and less (Joo et al.).
    """
    uniform = torch.rand(
        concentration.shape, generator=generator, device=concentration.device,
        dtype=concentration.dtype,
    ).clamp_min(torch.finfo(concentration.dtype).tiny)  # fmt: skip
    if sampling == "pathwise":
        log_gamma = torch._standard_gamma(concentration + 1.0, generator=generator).log()
        logs = log_gamma + uniform.log() / concentration
    else:
        logs = (uniform.log() + torch.lgamma(concentration + 1.0)) / concentration
    return torch.softmax(logs, dim=1)
