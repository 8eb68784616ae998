"""What is known of the class of each sample, and the loss of saying it."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from napari_vaemed.models.backbones import Images, known
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae.terms import MALIGNANCY


def classes_of(images: Images) -> int:
    """Number of classes: benign and malignant nodules, or ten digits.

    Raises
    ------
    ValueError
        If there are no such images.
    """
    return 2 if known(images) == "nodule" else 10


def class_labels(batch: Batch | DigitBatch) -> torch.Tensor:
    """Class (n,) int64 of each sample, −1 where it is not known."""
    if isinstance(batch, DigitBatch):
        return batch.label
    return malignancy_classes(batch.ratings)


def malignancy_classes(ratings: torch.Tensor) -> torch.Tensor:
    """0 for a malignancy of at most 2, 1 for one of at least 4, else −1, of ratings (n, 9).

    Ratings that are hidden are not numbers.
    """
    score = ratings[:, MALIGNANCY]
    return torch.where(score >= 4, 1, torch.where(score <= 2, 0, -1))


def label_loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits (n, k) whose label (n,) is known; 0 where none is."""
    total = F.cross_entropy(logits, label, ignore_index=-1, reduction="sum")
    return total / (label >= 0).sum().clamp_min(1)
