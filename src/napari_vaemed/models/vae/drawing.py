"""How well a picture was drawn, whatever it shows."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import terms


def drawing_terms(
    drawn: tuple[torch.Tensor, torch.Tensor],
    batch: Batch | DigitBatch,
    *,
    pixel_weight: float,
    mask_weight: float = 0.0,
) -> dict[str, torch.Tensor]:
    """Weighted terms of what ``decode`` gave for the first n pictures of a batch; in float32.

    A nodule's are the tempered likelihood and the loss of its mask (`terms`). A digit's is the
    negative Bernoulli log-likelihood of one pixel, nats on average.

    Parameters
    ----------
    drawn : two (n, 1, …)
        Picture in [0, 1], and logit of the mask; a digit's mask is its picture.
    pixel_weight : float
        How many independent pixels the likelihood counts.
    mask_weight : float
        Of no matter to digits.
    """
    picture, logit = drawn
    n = len(picture)
    if isinstance(batch, DigitBatch):
        pixels = F.binary_cross_entropy_with_logits(logit, batch.target[:n])
        return {"pixels": pixel_weight * pixels}
    pixels = terms.tempered_likelihood(picture, batch.target[:n], batch.measured[:n])
    return {
        "pixels": pixel_weight * pixels,
        "mask": mask_weight * terms.mask_loss(logit, batch.mask[:n]),
    }
