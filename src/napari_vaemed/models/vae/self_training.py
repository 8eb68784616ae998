"""Classifiers that teach themselves: pseudo-labels and FixMatch, and the supervised one beside.

All three are one network, and differ in what they make of pictures without a label. The code is
what the classifier reads; the decoder learns to draw from codes as they are, without changing them,
as the supervised encoder's.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import nn

from napari_vaemed.models.augmentation import strong_look
from napari_vaemed.models.backbones import Images, decoder_for, encoder_for
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae.bases import Drawing
from napari_vaemed.models.vae.drawing import drawing_terms
from napari_vaemed.models.vae.labels import class_labels, classes_of, label_loss

Method = Literal["supervised", "pseudo-labels", "fixmatch"]

KEPT = 0.99
"""Share of what is known of the classes' codes that a step leaves as it was."""


class SelfTraining(Drawing):
    """A classifier of codes that takes its own sure guesses for labels; any label may be hidden.

    Its classes are benign and malignant (malignancy up to 2 and from 4), or the ten of digits. Its
    codes are points.

    Parameters
    ----------
    method : {"supervised", "pseudo-labels", "fixmatch"}
        Learn from labels alone; also from what is guessed of a picture; or guess from one look and
        learn it for a strongly changed one.
    images : {"nodule", "digit"}
        What it looks at.
    latent_dims : int
        Length of the code.
    slices : int
        Central slices of a nodule that are read, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    threshold : float
        Chance from which a guess is taken for a label; 0 takes all, as Lee's pseudo-labels do.
    balanced : bool
        Take of no class more guesses in a step than all classes have on average.
    unlabelled_weight : float
        Weight of guesses beside labels.
    ramp_start, ramp_end : float
        Done shares of the training between which the weight of pseudo-labels grows from 0.
    class_weight : float
        Weight of labels and guesses.
    drawing_weight : float
        How many pixels the decoder's likelihood counts; the codes do not feel it.

    Raises
    ------
    ValueError
        If there are no such images or no such method.
    """

    seen: torch.Tensor

    def __init__(
        self,
        *,
        method: Method = "fixmatch",
        images: Images = "nodule",
        latent_dims: int = 32,
        slices: int = 4,
        encoder_width: int = 16,
        decoder_width: int = 16,
        threshold: float = 0.95,
        balanced: bool = False,
        unlabelled_weight: float = 1.0,
        ramp_start: float = 0.05,
        ramp_end: float = 0.3,
        class_weight: float = 100.0,
        drawing_weight: float = 400.0,
    ) -> None:
        super().__init__()
        if method not in get_args(Method):
            raise ValueError(f"The method must be one of {get_args(Method)}; got {method!r}.")
        self.method = method
        self.images = images
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.threshold = threshold
        self.balanced = balanced
        self.unlabelled_weight = unlabelled_weight
        self.ramp_start = ramp_start
        self.ramp_end = ramp_end
        self.class_weight = class_weight
        self.drawing_weight = drawing_weight
        self.clusters = classes_of(images)
        self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
        self.code = nn.Linear(256, latent_dims)
        self.classifier = nn.Linear(latent_dims, self.clusters)
        self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)
        # of each class: how many codes, their sum and that of their squares
        self.register_buffer("seen", torch.zeros(self.clusters, 1 + 2 * latent_dims))

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes and zeros, (n, d) each, of pictures (n, 1, …) in [0, 1]."""
        code = self.code(self.encoder(x)).float()
        return code, torch.zeros_like(code)

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes, of pictures as `posterior` takes them."""
        return torch.softmax(self.classifier(self.posterior(x)[0]).float(), dim=1)

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latents (k, n, d), ``n`` of the Gaussian of every class's labelled codes."""
        count, total, squares = self.seen.split([1, self.latent_dims, self.latent_dims], dim=1)
        count = count.clamp_min(torch.finfo(count.dtype).tiny)  # all three fade alike
        mean = total / count
        sd = (squares / count - mean.square()).clamp_min(0.0).sqrt()
        shape = (self.clusters, n, self.latent_dims)
        noise = torch.randn(shape, generator=generator, device=self.seen.device)
        return mean[:, None] + sd[:, None] * noise

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        label = class_labels(batch)
        n = len(label)
        looks = [batch.view, batch.other]
        if self.method == "fixmatch":
            looks.append(strong_look(batch.other, self.images, generator))
        code, _ = self.posterior(torch.cat(looks))
        logits = self.classifier(code).float()
        half = (n + 1) // 2  # drawing costs most of the time: half learns as well
        drawn = self.decode(code[:half].detach())
        with torch.autocast(code.device.type, enabled=False):  # the terms need float32
            if self.training:
                self._note(code[:n].detach(), label)
            found = drawing_terms(
                drawn, batch, pixel_weight=self.drawing_weight, mask_weight=self.drawing_weight
            )
            found["labels"] = self.class_weight * label_loss(logits[: 2 * n], label.repeat(2))
            if self.method != "supervised":
                weight = self.class_weight * self.unlabelled_weight * self._ramp(progress)
                found["guesses"] = weight * self._guess_loss(logits, label)
            return found

    def _guess_loss(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """What the pictures without a label add, by the logits of two or three looks at all."""
        unknown = label < 0
        view, other, *strong = torch.softmax(logits.detach(), dim=1).split(len(label))
        if strong:
            guess = taken(view, unknown, self.threshold, balanced=self.balanced)
            return guess_loss(logits[2 * len(label) :], guess, unknown)
        guess = taken(0.5 * (view + other), unknown, self.threshold, balanced=self.balanced)
        return guess_loss(logits, guess.repeat(2), unknown.repeat(2))

    def _ramp(self, progress: float) -> float:
        """Share of the weight of guesses at a done share of the training."""
        if self.method == "fixmatch" or progress >= self.ramp_end:
            return 1.0
        length = max(self.ramp_end - self.ramp_start, 1e-9)  # without one: a step at its end
        return max(0.0, (progress - self.ramp_start) / length)

    @torch.no_grad()
    def _note(self, code: torch.Tensor, label: torch.Tensor) -> None:
        """Take note of the codes (n, d) of the known labels (n,), for `class_codes`."""
        one_hot = F.one_hot(label.clamp_min(0), self.clusters) * (label >= 0)[:, None]
        told = torch.cat([torch.ones_like(code[:, :1]), code, code.square()], dim=1)
        self.seen.mul_(KEPT).add_(one_hot.to(code.dtype).T @ told)


def taken(
    chances: torch.Tensor, unknown: torch.Tensor, threshold: float, *, balanced: bool = False
) -> torch.Tensor:
    """The most likely class (n,) of pictures that are unknown and sure enough, else −1.

    Parameters
    ----------
    chances : (n, k) float
    unknown : (n,) bool
        Pictures without a label.
    threshold : float
        Least chance.
    balanced : bool
        Take of each class only the surest, as many as all classes have on average, rounded up.
    """
    sure, guess = chances.max(dim=1)
    passed = unknown & (sure >= threshold)
    if balanced:
        quota = (passed.sum() / chances.shape[1]).ceil()
        order = sure.masked_fill(~passed, -1.0).argsort(descending=True)
        one_hot = F.one_hot(guess, chances.shape[1]) * passed[:, None]
        rank = one_hot[order].cumsum(0).gather(1, guess[order][:, None])[:, 0]
        passed = passed & (torch.empty_like(rank).index_copy(0, order, rank) <= quota)
    return torch.where(passed, guess, -1)


def guess_loss(logits: torch.Tensor, guess: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits (n, k) and guesses (n,), −1 costing nothing, per unknown picture."""
    total = F.cross_entropy(logits, guess, ignore_index=-1, reduction="sum")
    return total / unknown.sum().clamp_min(1)
