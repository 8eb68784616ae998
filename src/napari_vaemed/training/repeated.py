"""Samples whose labelled ones come more often, since a few in a batch teach slowly."""

from __future__ import annotations

from typing import TypeVar

import torch

from napari_vaemed.models.vae.labels import malignancy_classes
from napari_vaemed.training.digit_samples import DigitSamples
from napari_vaemed.training.samples import NoduleSamples

SomeSamples = TypeVar("SomeSamples", DigitSamples, NoduleSamples)


def repeated(samples: SomeSamples, times: int) -> SomeSamples:
    """All samples, and those whose class is known ``times`` times: so often in every epoch.

    Raises
    ------
    ValueError
        If that is less than once.
    """
    if times < 1:
        raise ValueError(f"A labelled sample comes at least once an epoch; got {times}.")
    if times == 1:
        return samples
    if isinstance(samples, DigitSamples):
        known = samples.label >= 0
    else:
        known = malignancy_classes(samples.ratings) >= 0
    again = known.nonzero()[:, 0].repeat(times - 1)
    rows = torch.cat([torch.arange(len(samples), device=again.device), again])
    return samples.subset(rows.cpu().numpy())
