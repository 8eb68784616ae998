"""M2, the semi-supervised VAE: a class and a style, and a decoder that draws from both.

Kingma, Rezende, Mohamed and Welling, Semi-supervised Learning with Deep Generative Models, 2014.
Where a class is known the picture is drawn as that class; where it is not, as every class, each
counting as much as the classifier q(y|x) believes in it. So the classifier learns from pictures
without a label by which class draws them best.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from napari_vaemed.models.backbones import Images, decoder_for, encoder_for
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import cluster_terms, terms
from napari_vaemed.models.vae.bases import Drawing, gaussian_of
from napari_vaemed.models.vae.drawing import drawing_terms
from napari_vaemed.models.vae.labels import class_labels, classes_of, label_loss

LEAST_SD = 0.1
"""Least deviation of a class's chance in a code, however sure the classifier.

Distances that divide by deviations would see nothing but the class.
"""

DRAWN = 0.25
"""Share of a batch that is drawn, once a class: drawing costs most of the time."""


class M2(Drawing):
    """Classifier q(y|x), Gaussian style q(z|x, y), decoder p(x|y, z); any label may be hidden.

    Its code is the style and after it the chances of the classes, which are benign and malignant
    (malignancy up to 2 and from 4), or the ten of digits. What is drawn from a code is drawn from
    both.

    Parameters
    ----------
    images : {"nodule", "digit"}
        What it looks at.
    latent_dims : int
        Length of the code: that of the style and one for each class.
    slices : int
        Central slices of a nodule that are read, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first level of both encoders and of the last decoder level.
    pixel_weight : float
        How many independent pixels the likelihood counts.
    mask_weight : float
        Weight of the nodule's mask.
    beta : float
        Weight of the style's KL from the standard normal.
    warm_up : float
        Share of the training over which that weight grows to its full value.
    class_weight : float
        Weight of the cross-entropy of the known labels; 0.1 as published.
    agreement_weight : float
        Weight of two looks' finding the same class; 0 as published.

    Raises
    ------
    ValueError
        If there are no such images, or the code is too short for a style.
    """

    def __init__(
        self,
        *,
        images: Images = "nodule",
        latent_dims: int = 32,
        slices: int = 4,
        encoder_width: int = 16,
        decoder_width: int = 16,
        pixel_weight: float = 400.0,
        mask_weight: float = 300.0,
        beta: float = 1.0,
        warm_up: float = 0.3,
        class_weight: float = 100.0,
        agreement_weight: float = 100.0,
    ) -> None:
        super().__init__()
        self.clusters = classes_of(images)
        if latent_dims <= self.clusters:
            raise ValueError(
                f"A code of {self.clusters} classes and a style needs latent_dims of at least "
                f"{self.clusters + 1}; got {latent_dims}."
            )
        self.images = images
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.pixel_weight = pixel_weight
        self.mask_weight = mask_weight
        self.beta = beta
        self.warm_up = warm_up
        self.class_weight = class_weight
        self.agreement_weight = agreement_weight
        self.style_dims = latent_dims - self.clusters
        self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
        self.moments = nn.Sequential(
            nn.Linear(256 + self.clusters, 256), nn.SiLU(), nn.Linear(256, 2 * self.style_dims)
        )
        self.classifier = nn.Sequential(
            encoder_for(images, slices=slices, width=encoder_width, features=256),
            nn.Linear(256, self.clusters),
        )
        self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)

    @property
    def class_chances(self) -> dict[int, str]:
        """Where in its code the chances of the classes stand, and of which."""
        digits = map(str, range(self.clusters))
        names = ("benign", "malignant") if self.images == "nodule" else digits
        return dict(enumerate(names, self.style_dims))

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (n, d) each, of pictures (n, 1, …) in [0, 1].

        Of the style over all classes, each as likely as the classifier says; and of the class, as
        a row of zeros with a one.
        """
        chances = self.class_probabilities(x)
        mean, sd = self.styles(x)
        of_class = chances[:, :, None]
        middle = (of_class * mean).sum(1)
        variance = (of_class * (sd.square() + (mean - middle[:, None]).square())).sum(1)
        doubt = (chances * (1.0 - chances)).clamp_min(0.0).sqrt().clamp_min(LEAST_SD)
        return torch.cat([middle, chances], 1), torch.cat([variance.sqrt(), doubt], 1)

    def styles(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation (n, k, d − k) of the style if the class were this one."""
        features = self.encoder(x)
        one_hot = self._one_hot(features)[None].expand(len(x), -1, -1)
        seen = features[:, None].expand(-1, self.clusters, -1)
        mean, sd = gaussian_of(self.moments(torch.cat([seen, one_hot], 2)).flatten(0, 1))
        shape = (len(x), self.clusters, self.style_dims)
        return mean.view(shape), sd.view(shape)

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes, of pictures as `posterior` takes them."""
        return torch.softmax(self.classifier(x).float(), dim=1)

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latents (k, n, d), ``n`` of every class, all of the same ``n`` styles."""
        one_hot = self._one_hot(next(self.parameters()))[:, None].expand(-1, n, -1)
        shape = (n, self.style_dims)
        style = torch.randn(shape, generator=generator, device=one_hot.device)
        return torch.cat([style.expand(self.clusters, -1, -1), one_hot], 2)

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        label = class_labels(batch)
        logits = self.classifier(torch.cat([batch.view, batch.other]))
        n = math.ceil(DRAWN * len(label))
        mean, sd = self.styles(batch.view[:n])
        noise = torch.randn(n, 1, self.style_dims, generator=generator, device=mean.device)
        one_hot = self._one_hot(mean)[None].expand(n, -1, -1)
        drawn = self.decode(torch.cat([mean + sd * noise, one_hot], 2).flatten(0, 1))
        warmth = min(1.0, progress / self.warm_up) if self.warm_up > 0 else 1.0
        with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
            log_chances = torch.log_softmax(logits.float(), dim=1)
            share = believed(log_chances[:n], label[:n])
            kl = (share * terms.gaussian_kl(mean, sd).sum(2)).sum(1).mean()
            agreement = cluster_terms.agreement(*log_chances.chunk(2))
            return {
                **drawing_terms(
                    drawn, batch, pixel_weight=self.pixel_weight, mask_weight=self.mask_weight,
                    share=share,
                ),
                "kl": self.beta * warmth * kl,
                "class kl": class_kl(log_chances[:n], label[:n]),
                "labels": self.class_weight * label_loss(log_chances, label.repeat(2)),
                "agreement": self.agreement_weight * agreement,
            }  # fmt: skip

    def _one_hot(self, like: torch.Tensor) -> torch.Tensor:
        """Every class as a row of zeros with a one, (k, k), on the device of another tensor."""
        return torch.eye(self.clusters, dtype=like.dtype, device=like.device)


def believed(log_chances: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """How much each class counts, (n, k): the known one alone, else as the chances say."""
    known = F.one_hot(label.clamp_min(0), log_chances.shape[1]).to(log_chances.dtype)
    return torch.where((label >= 0)[:, None], known, log_chances.exp())


def class_kl(log_chances: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Mean KL of the class from all classes alike, nats: ln k where it is known.

    Elsewhere ln k less the entropy of the chances (n, k).
    """
    surplus = (log_chances.exp() * log_chances).sum(1)
    return math.log(log_chances.shape[1]) + torch.where(label >= 0, 0.0, surplus).mean()
