"""How well a picture was drawn, whatever it shows."""

from __future__ import annotations

import torch

from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import terms


def drawing_terms(
    drawn: tuple[torch.Tensor, torch.Tensor],
    batch: Batch | DigitBatch,
    *,
    pixel_weight: float,
    mask_weight: float = 0.0,
    share: torch.Tensor | None = None,
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
    share : (n, k) or None
        How much each of k drawings of a picture counts, 1 in all; ``drawn`` then are (n k, 1, …),
        the first picture's first.
    """
    picture, logit = drawn
    n = len(picture) if share is None else len(share)
    weight = None if share is None else (share.shape[1] * share).flatten()

    def wanted(images: torch.Tensor) -> torch.Tensor:
        return images[:n] if share is None else images[:n].repeat_interleave(share.shape[1], 0)

    if isinstance(batch, DigitBatch):
        pixels = terms.voxel_entropy(logit, wanted(batch.target), weight)
        return {"pixels": pixel_weight * pixels}
    pixels = terms.tempered_likelihood(
        picture, wanted(batch.target), wanted(batch.measured), weight
    )
    return {
        "pixels": pixel_weight * pixels,
        "mask": mask_weight * terms.mask_loss(logit, wanted(batch.mask), weight),
    }
