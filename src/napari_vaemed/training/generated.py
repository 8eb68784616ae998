"""Samples that a model draws of its classes, to be learned from beside real ones."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, cast

import torch

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.models.networks import to_hu, to_unit
from napari_vaemed.models.protocols import Clusterer, NoduleVAE
from napari_vaemed.models.vae.labels import malignancy_classes
from napari_vaemed.models.vae.terms import MALIGNANCY
from napari_vaemed.training.digit_samples import UNKNOWN, DigitSamples
from napari_vaemed.training.repeated import SomeSamples
from napari_vaemed.training.samples import NoduleSamples

if TYPE_CHECKING:
    from torch import nn

CHUNK = 250
"""Pictures that are looked at, or drawn, at a time."""

BENIGN, MALIGNANT = 1.0, 5.0
"""Malignancy of generated nodules of either class."""


def generated_digits(
    model: Clusterer, known: DigitSamples, per_class: int, *, seed: int = 0
) -> DigitSamples:
    """Pictures drawn of every class of a model, as many of each.

    A class of the model is called what most of the labelled pictures are that it finds to be of
    it; one without labelled pictures is left out.

    Parameters
    ----------
    model : Clusterer
        Of digits; also a `NoduleVAE`.
    known : DigitSamples
        Real pictures, some with labels.

    Raises
    ------
    ValueError
        If none of the real pictures has a label.
    """
    rows = known.label != UNKNOWN
    pictures = known.picture[rows][:, None].float() / 255
    drawn, _, label = _drawn(model, pictures, known.label[rows], per_class, seed)
    return DigitSamples((255 * drawn[:, 0]).round().to(torch.uint8), label)


def generated_nodules(
    model: Clusterer, known: NoduleSamples, per_class: int, *, seed: int = 0
) -> NoduleSamples:
    """Nodules drawn of every class of a model, as many of each; else as `generated_digits`.

    Of their ratings only the malignancy is known. All their looks are at the centre.
    """
    classes = malignancy_classes(known.ratings)
    rows = classes != UNKNOWN
    looks = to_unit(known.views[rows, 0].float())[:, None]
    drawn, mask, label = _drawn(model, looks, classes[rows], per_class, seed)
    hu = to_hu(drawn[:, 0]).round().to(torch.int16)
    views, slices = known.views.shape[1:3]
    first = (hu.shape[1] - slices) // 2
    ratings = torch.full((len(hu), len(ATTRIBUTES)), torch.nan, device=hu.device)
    ratings[:, MALIGNANCY] = torch.where(label == 1, MALIGNANT, BENIGN)
    nodule = mask[:, 0] > 0
    return NoduleSamples(
        views=hu[:, None, first : first + slices].repeat(1, views, 1, 1, 1),
        target=hu,
        measured=torch.ones_like(nodule),
        mask=nodule,
        ratings=ratings,
        log_volume=nodule.flatten(1).sum(1).clamp_min(1).float().log(),
    )


def joined(some: SomeSamples, others: SomeSamples) -> SomeSamples:
    """The one and after them the others, on the device of the first."""
    tensors = {
        field.name: torch.cat([(mine := getattr(some, field.name)),
                               getattr(others, field.name).to(mine.device)])
        for field in fields(some)
    }  # fmt: skip
    return type(some)(**tensors)


def class_names(chances: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """What each class of a model is called, (k,), `UNKNOWN` where there is nothing to tell by.

    Parameters
    ----------
    chances : (n, k) float
        Of its classes.
    label : (n,) int64
        Known labels of the same pictures.
    """
    k, labels = chances.shape[1], int(label.max()) + 1
    votes = torch.bincount(chances.argmax(1) * labels + label, minlength=k * labels).view(k, labels)
    most, name = votes.max(1)
    return torch.where(most > 0, name, UNKNOWN)


@torch.no_grad()
def _drawn(
    model: Clusterer, looks: torch.Tensor, label: torch.Tensor, per_class: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures in [0, 1], logits of masks, (m, 1, …) each, and their labels (m,)."""
    if not len(label):
        raise ValueError(
            "What is generated is named by labelled samples, and none has a label; tell a share."
        )
    module = cast("nn.Module", model)
    device = next(module.parameters()).device
    chances = [model.class_probabilities(some.to(device)) for some in looks.split(CHUNK)]
    names = class_names(torch.cat(chances), label.to(device))
    codes = model.class_codes(per_class, torch.Generator(device).manual_seed(seed))
    wanted = names != UNKNOWN
    made = [cast("NoduleVAE", model).decode(z) for z in codes[wanted].flatten(0, 1).split(CHUNK)]
    drawn, mask = (torch.cat(parts) for parts in zip(*made, strict=True))
    return drawn, mask, names[wanted].repeat_interleave(per_class)
