"""What the losses of nodule models are made of: one function a term, each a scalar to be lowered.

Models differ in which they take and how much each weighs. All want float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.models.protocols import Batch

MALIGNANCY = ATTRIBUTES.index("malignancy")

REGULARISED = ("log volume", *ATTRIBUTES)
"""What the first dimensions of an attribute-regularised code follow, in this order."""


def tempered_likelihood(
    ct: torch.Tensor,
    target: torch.Tensor,
    measured: torch.Tensor,
    share: torch.Tensor | None = None,
) -> torch.Tensor:
    """Half the log of the mean squared error over measured voxels, heaviest in the centre.

    The optimal-variance Gaussian likelihood of one pixel (Rybkin et al., Simple and Effective VAE
    Training with Calibrated Decoders, 2021); multiply by how many count. ``share`` (n,) is how much
    each picture counts.
    """
    weight = measured * _centre_weight(ct.shape[-1], ct.device)
    weight = weight if share is None else weight * share[:, None, None, None, None]
    error = (weight * (ct - target).square()).sum() / weight.sum().clamp_min(1.0)
    return 0.5 * torch.log(error + 1e-6)


def free_kl(mean: torch.Tensor, sd: torch.Tensor, free_nats: float) -> torch.Tensor:
    """KL from the standard normal, summed over dimensions; ``free_nats`` of each are free."""
    return gaussian_kl(mean, sd).mean(0).clamp_min(free_nats).sum()


def gaussian_kl(mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
    """KL of each dimension from the standard normal, in nats; same shape as both."""
    return 0.5 * (mean.square() + sd.square() - 1.0) - sd.log()


def kl_term(kl: torch.Tensor, capacity: float, warmth: float) -> torch.Tensor:
    """What of a KL counts when ``warmth`` (0 to 1) of the warm-up is over.

    Without a capacity that share of it; else its distance from that share of the capacity in nats
    (Burgess et al., Understanding disentangling in β-VAE, 2018).
    """
    return (kl - warmth * capacity).abs() if capacity > 0 else warmth * kl


def mask_loss(
    logit: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """One minus Dice, averaged over nodules, plus five times the cross-entropy.

    ``weight`` (n,) is how much each nodule counts, 1 on average.
    """
    wanted = mask.to(logit.dtype)
    chance = torch.sigmoid(logit)
    overlap = (chance * wanted).flatten(1).sum(1)
    total = chance.flatten(1).sum(1) + wanted.flatten(1).sum(1)
    dice = (2 * overlap + 1.0) / (total + 1.0)
    missed = 1 - dice if weight is None else weight * (1 - dice)
    return missed.mean() + 5 * voxel_entropy(logit, wanted, weight)


def voxel_entropy(
    logit: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean cross-entropy of voxels or pixels (n, …); ``weight`` (n,) as in `mask_loss`."""
    if weight is None:
        return F.binary_cross_entropy_with_logits(logit, wanted)
    each = F.binary_cross_entropy_with_logits(logit, wanted, reduction="none").flatten(1).mean(1)
    return (weight * each).mean()


def soft_scores(score: torch.Tensor) -> torch.Tensor:
    """A rating 1–5, (n,), as a distribution (n, 5): readers disagree by about one step."""
    steps = torch.arange(1, 6, device=score.device) - score[:, None]
    return torch.softmax(-steps.square() / (2 * 0.6**2), dim=1)


def rating_loss(
    malignancy: torch.Tensor, others: torch.Tensor, ratings: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of the malignancy's logits (n, 5), and how far off all ratings (n, 9) are.

    ``others`` are the ratings less 3.
    """
    soft = soft_scores(ratings[:, MALIGNANCY])
    chance = F.log_softmax(malignancy, dim=1)
    return -(soft * chance).sum(1).mean() + F.smooth_l1_loss(others, ratings - 3.0)


def volume_loss(scaled: torch.Tensor, log_volume: torch.Tensor) -> torch.Tensor:
    """How far off a guess (n,) of the log volume is; the guess is in units of 1.5 around 5.5."""
    return F.smooth_l1_loss(scaled, (log_volume - 5.5) / 1.5)


def attribute_loss(mean: torch.Tensor, batch: Batch) -> torch.Tensor:
    """How badly the first dimensions of the means (n, d) order the nodules by `REGULARISED`.

    Dimension by dimension: of any two nodules, the one with more of the attribute is to have the
    larger number (Pati and Lerch, Attribute-based Regularization of Latent Spaces, 2020).
    """
    wanted = torch.cat([batch.log_volume[:, None], batch.ratings], dim=1)
    codes = mean[:, : wanted.shape[1]]
    apart = torch.tanh(codes[:, None] - codes[None])
    return (apart - torch.sign(wanted[:, None] - wanted[None])).abs().mean()


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
    distance that the search uses; a nodule's own two views do not vote for it. A nodule without
    others costs nothing.
    """
    n = len(score)
    if n == 1:
        return 0.0 * apart.sum()
    same = torch.eye(n, dtype=torch.bool, device=apart.device).repeat(2, 2)
    weights = torch.softmax((-apart / temperature).masked_fill(same, -torch.inf), dim=1)
    soft = soft_scores(score).repeat(2, 1)
    return -(soft * torch.log(weights @ soft + 1e-4)).sum(1).mean()


def contrastive_loss(
    codes: torch.Tensor, label: torch.Tensor, temperature: float = 0.1
) -> torch.Tensor:
    """Supervised contrastive loss of codes (n, d): those of one class are to point one way.

    −1/|P(i)| Σ_{p ∈ P(i)} ln (exp(zᵢ·zₚ/τ) / Σ_{a ≠ i} exp(zᵢ·zₐ/τ)) of unit vectors, P(i) the
    others of i's class, averaged over all i that have some (Khosla et al., Supervised Contrastive
    Learning, 2020). What has no class (−1) takes no part; where nobody has company it is 0.
    """
    known = label >= 0
    unit, label = F.normalize(codes[known], dim=1), label[known]
    itself = torch.eye(len(label), dtype=torch.bool, device=label.device)
    kin = (label[:, None] == label[None]) & ~itself
    company = kin.sum(1)
    if not company.any():
        return 0.0 * codes.sum()
    share = F.log_softmax((unit @ unit.T / temperature).masked_fill(itself, -torch.inf), dim=1)
    each = -share.masked_fill(~kin, 0.0).sum(1) / company.clamp_min(1)
    return each[company > 0].mean()


def squared_w2(mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
    """Squared 2-Wasserstein distances (n, n) among posteriors (n, d)."""
    both = torch.cat([mean, sd], dim=1)
    norms = both.square().sum(1)
    return (norms[:, None] + norms[None] - 2 * both @ both.T).clamp_min(0.0)


def _centre_weight(size: int, device: torch.device) -> torch.Tensor:
    at = torch.linspace(-1.0, 1.0, size, device=device)
    squared = at[:, None, None] ** 2 + at[None, :, None] ** 2 + at[None, None, :] ** 2
    return 0.25 + torch.exp(-squared / 0.45**2)
