"""The Gaussian VAE: one latent code that draws the CT and the nodule's mask and knows its ratings.

Kingma and Welling, Auto-Encoding Variational Bayes, 2014. The likelihood is tempered and the mask
is decoded from the same code, because pixels alone spend the code on chest wall and vessels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.models.networks import Decoder, SlabEncoder
from napari_vaemed.models.protocols import Batch

_MALIGNANCY = ATTRIBUTES.index("malignancy")


class GaussianVAE(nn.Module):
    """Diagonal Gaussian posterior, standard normal prior.

    Parameters
    ----------
    latent_dims : int
        Length of the code.
    slices : int
        Central slices the encoder reads, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    pixel_weight : float
        How many independent pixels the likelihood counts (32³ would drown the other terms).
    beta : float
        Weight of the KL term, reached after the first 30 % of the training.
    free_nats : float
        KL of a dimension that costs nothing, in nats.
    mask_weight, rating_weight, volume_weight : float
        Weights of the mask, of the readers' ratings and of log volume, both read from the mean.
    view_weight : float
        Weight of telling two looks at one nodule from looks at others, by 2-Wasserstein distance.
    kinship_weight : float
        Weight of guessing the malignancy from the neighbours in the batch.
    """

    def __init__(
        self,
        *,
        latent_dims: int = 24,
        slices: int = 4,
        encoder_width: int = 48,
        decoder_width: int = 24,
        pixel_weight: float = 400.0,
        beta: float = 1.0,
        free_nats: float = 0.05,
        mask_weight: float = 300.0,
        rating_weight: float = 80.0,
        volume_weight: float = 60.0,
        view_weight: float = 30.0,
        kinship_weight: float = 250.0,
    ) -> None:
        super().__init__()
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.pixel_weight = pixel_weight
        self.beta = beta
        self.free_nats = free_nats
        self.mask_weight = mask_weight
        self.rating_weight = rating_weight
        self.volume_weight = volume_weight
        self.view_weight = view_weight
        self.kinship_weight = kinship_weight
        self.encoder = SlabEncoder(slices=slices, width=encoder_width, features=256)
        self.moments = nn.Linear(256, 2 * latent_dims)
        self.decoder = Decoder(latent_dims=latent_dims, width=decoder_width)
        self.malignancy_head = nn.Linear(latent_dims, 5)
        self.rating_head = nn.Linear(latent_dims, len(ATTRIBUTES))
        self.volume_head = nn.Linear(latent_dims, 1)

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (n, d) each, of patches (n, 1, z, 32, 32) in [0, 1]."""
        mean, log_variance = self.moments(self.encoder(x)).float().chunk(2, dim=1)
        return mean, torch.exp(0.5 * log_variance.clamp(-8.0, 4.0))

    def decode(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """CT in [0, 1] and logit of the nodule mask, (n, 1, 32, 32, 32), of latents (n, d)."""
        ct, mask = self.decoder(z)
        return torch.sigmoid(ct.float()), mask.float()

    def losses(
        self, batch: Batch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        both = torch.cat([batch.view, batch.other])
        mean, sd = self.posterior(both)
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        noise = torch.randn(n, self.latent_dims, generator=generator, device=mean.device)
        ct, mask = self.decode(mean[:n] + sd[:n] * noise)
        with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
            pixels = tempered_likelihood(ct, batch.target[:n], batch.measured[:n])
            terms = {
                "pixels": self.pixel_weight * pixels,
                "kl": self.beta * min(1.0, progress / 0.3) * free_kl(mean, sd, self.free_nats),
                "mask": self.mask_weight * mask_loss(mask, batch.mask[:n]),
                "volume": self.volume_weight * self._volume_loss(mean, batch),
                "ratings": self.rating_weight * self._rating_loss(mean, batch),
            }
            apart, score = _squared_w2(mean, sd), batch.ratings[:, _MALIGNANCY]
            terms["views"] = self.view_weight * view_loss(apart)
            terms["kinship"] = self.kinship_weight * kinship_loss(apart, score)
        return terms

    def _volume_loss(self, mean: torch.Tensor, batch: Batch) -> torch.Tensor:
        wanted = (batch.log_volume.repeat(2) - 5.5) / 1.5
        return F.smooth_l1_loss(self.volume_head(mean)[:, 0], wanted)

    def _rating_loss(self, mean: torch.Tensor, batch: Batch) -> torch.Tensor:
        score = batch.ratings[:, _MALIGNANCY].repeat(2)
        soft = soft_scores(score)
        chance = F.log_softmax(self.malignancy_head(mean), dim=1)
        others = F.smooth_l1_loss(self.rating_head(mean), batch.ratings.repeat(2, 1) - 3.0)
        return -(soft * chance).sum(1).mean() + others


def tempered_likelihood(
    ct: torch.Tensor, target: torch.Tensor, measured: torch.Tensor
) -> torch.Tensor:
    """Half the log of the mean squared error over measured voxels, heaviest in the centre.

    The optimal-variance Gaussian likelihood of one pixel; multiply by how many count.
    """
    weight = measured * _centre_weight(ct.shape[-1], ct.device)
    error = (weight * (ct - target).square()).sum() / weight.sum().clamp_min(1.0)
    return 0.5 * torch.log(error + 1e-6)


def free_kl(mean: torch.Tensor, sd: torch.Tensor, free_nats: float) -> torch.Tensor:
    """KL from the standard normal, summed over dimensions; ``free_nats`` of each are free."""
    each = 0.5 * (mean.square() + sd.square() - 1.0) - sd.log()
    return each.mean(0).clamp_min(free_nats).sum()


def mask_loss(logit: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One minus Dice, averaged over nodules, plus five times the cross-entropy."""
    wanted = mask.to(logit.dtype)
    chance = torch.sigmoid(logit)
    overlap = (chance * wanted).flatten(1).sum(1)
    total = chance.flatten(1).sum(1) + wanted.flatten(1).sum(1)
    dice = (2 * overlap + 1.0) / (total + 1.0)
    return (1 - dice).mean() + 5 * F.binary_cross_entropy_with_logits(logit, wanted)


def soft_scores(score: torch.Tensor) -> torch.Tensor:
    """A rating 1–5, (n,), as a distribution (n, 5): readers disagree by about one step."""
    steps = torch.arange(1, 6, device=score.device) - score[:, None]
    return torch.softmax(-steps.square() / (2 * 0.6**2), dim=1)


def view_loss(apart: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """InfoNCE over squared distances (2n, 2n): view i and view n + i show the same nodule."""
    n = len(apart) // 2
    itself = torch.eye(2 * n, dtype=torch.bool, device=apart.device)
    logits = (-apart / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(2 * n, device=apart.device).roll(n)
    return F.cross_entropy(logits, partner)


def kinship_loss(
    apart: torch.Tensor, score: torch.Tensor, temperature: float = 4.0
) -> torch.Tensor:
    """Cross-entropy of the malignancy that the other nodules near by would vote for.

    Soft neighbours (Goldberger et al., Neighbourhood Components Analysis, 2004) over the same
    distance that the search uses; a nodule's own two views do not vote for it.
    """
    n = len(score)
    same = torch.eye(n, dtype=torch.bool, device=apart.device).repeat(2, 2)
    weights = torch.softmax((-apart / temperature).masked_fill(same, -torch.inf), dim=1)
    soft = soft_scores(score).repeat(2, 1)
    return -(soft * torch.log(weights @ soft + 1e-4)).sum(1).mean()


def _squared_w2(mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
    both = torch.cat([mean, sd], dim=1)
    norms = both.square().sum(1)
    return (norms[:, None] + norms[None] - 2 * both @ both.T).clamp_min(0.0)


def _centre_weight(size: int, device: torch.device) -> torch.Tensor:
    at = torch.linspace(-1.0, 1.0, size, device=device)
    squared = at[:, None, None] ** 2 + at[None, :, None] ** 2 + at[None, None, :] ** 2
    return 0.25 + torch.exp(-squared / 0.45**2)
