"""Semi-supervised learning in three phases, each with its own loss.

First an autoencoder or a VAE learns to draw all pictures. Then it stands still, and a classifier of
its codes learns from the few labels, and from telling codes of pictures from those of a generator
(Salimans et al., Improved Techniques for Training GANs, 2016, on codes instead of pictures). Last
all learn together, at a tenth of the learning rate. Every term moves one player and holds the other
still, so that one optimizer serves all.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from napari_vaemed.models.backbones import Images, decoder_for, encoder_for
from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import terms
from napari_vaemed.models.vae.adversarial import frozen
from napari_vaemed.models.vae.bases import GaussianCode
from napari_vaemed.models.vae.drawing import drawing_terms
from napari_vaemed.models.vae.labels import class_labels, classes_of, label_loss
from napari_vaemed.models.vae.mixture import codes_of

DRAWING, FROZEN, JOINT = 1, 2, 3
"""The phases."""

POOL = 30
"""Generated codes, for each one of a class that is asked for, that it is chosen from."""


class ThreePhases(GaussianCode):
    """Draws, then classifies frozen codes beside a generator of codes, then all of it together.

    A phase begins with an epoch. Its classes are benign and malignant (malignancy up to 2 and
    from 4), or the ten of digits.

    Parameters
    ----------
    images : {"nodule", "digit"}
        What it looks at.
    variational : bool
        Draw as a VAE; else as an autoencoder, whose codes are points.
    latent_dims : int
        Length of the code.
    slices : int
        Central slices of a nodule that are read, see `SlabEncoder`.
    encoder_width, decoder_width : int
        Channels of the first encoder level and of the last decoder level.
    pretraining, freezing : float
        Shares of the training of the first and second phase; the third has what is left.
    joint_rate : float
        Learning rate of the third phase as a share of that of the others.
    pixel_weight : float
        How many independent pixels the likelihood counts.
    mask_weight : float
        Weight of the nodule's mask.
    beta : float
        Weight of the KL from the standard normal, where the codes have a spread.
    warm_up : float
        Share of the first phase over which that weight grows to its full value.
    drawing_weight : float
        Weight of drawing in the third phase, per pixel that counts.
    encoder_plays : bool
        Whether the encoder feels L_unl in the third phase. It then helps the classifier to tell
        its codes from those made, and leaves the generator behind; the classes are told as well
        either way.
    noise_dims : int
        Length of the generator's noise.
    game_width : int
        Units of each layer of classifier and generator.

    Raises
    ------
    ValueError
        If there are no such images, the shares of the phases are not between 0 and 1 together, or
        no pixel counts.
    """

    phase: torch.Tensor
    began: torch.Tensor

    def __init__(
        self,
        *,
        images: Images = "nodule",
        variational: bool = True,
        latent_dims: int = 32,
        slices: int = 4,
        encoder_width: int = 16,
        decoder_width: int = 16,
        pretraining: float = 0.25,
        freezing: float = 0.15,
        joint_rate: float = 0.1,
        pixel_weight: float = 800.0,
        mask_weight: float = 300.0,
        beta: float = 1.0,
        warm_up: float = 0.5,
        drawing_weight: float = 0.1,
        encoder_plays: bool = True,
        noise_dims: int = 32,
        game_width: int = 256,
    ) -> None:
        super().__init__()
        if min(pretraining, freezing) < 0 or pretraining + freezing > 1:
            raise ValueError(
                "The first two phases are shares of the training that add up to 1 at most; got "
                f"{pretraining} and {freezing}."
            )
        if not pixel_weight > 0:
            raise ValueError(
                f"The third phase draws per pixel; more than 0 must count, got {pixel_weight}."
            )
        self.images = images
        self.variational = variational
        self.latent_dims = latent_dims
        self.slices = slices
        self.encoder_width = encoder_width
        self.decoder_width = decoder_width
        self.pretraining = pretraining
        self.freezing = freezing
        self.joint_rate = joint_rate
        self.pixel_weight = pixel_weight
        self.mask_weight = mask_weight
        self.beta = beta
        self.warm_up = warm_up
        self.drawing_weight = drawing_weight
        self.encoder_plays = encoder_plays
        self.noise_dims = noise_dims
        self.game_width = game_width
        self.clusters = classes_of(images)
        self.encoder = encoder_for(images, slices=slices, width=encoder_width, features=256)
        self.moments = nn.Linear(256, 2 * latent_dims if variational else latent_dims)
        self.decoder = decoder_for(images, latent_dims=latent_dims, width=decoder_width)
        self.game = CodeGame(latent_dims, self.clusters, noise_dims, game_width)
        self.register_buffer("phase", torch.tensor(DRAWING))
        self.register_buffer("began", torch.tensor(0.0))

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation (0 of points), (n, d) each, of (n, 1, …) in [0, 1]."""
        if self.variational:
            return super().posterior(x)
        code = self.moments(self.encoder(x)).float()
        return code, torch.zeros_like(code)

    def class_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes of pictures."""
        return self.classes_of_codes(*self.posterior(x))

    def classes_of_codes(self, mean: torch.Tensor, sd: torch.Tensor) -> torch.Tensor:
        """Chances (n, k) of the classes, read from the means of the codes."""
        return torch.softmax(self.game.logits(mean), dim=1)

    def class_codes(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latents (k, n, d), ``n`` of every class.

        Of many that the generator makes some are taken, none twice, each as likely as exp l_k: at
        its best that is how much more often pictures of class k have such a code than it is made.
        """
        codes = self.game.generate(POOL * n * self.clusters, generator)
        logits = self.game.logits(codes).T
        lots = torch.rand(logits.shape, generator=generator, device=codes.device)
        return codes[(logits - (-lots.clamp_min(1e-12).log()).log()).topk(n, dim=1).indices]

    def pace(self, progress: float) -> tuple[float, float]:
        """Done share of the present phase, and its share of the learning rate."""
        phase, began = int(self.phase), float(self.began)
        end = (*self._begins(), 1.0)[phase - 1]
        done = (progress - began) / max(end - began, 1e-9)
        return min(max(done, 0.0), 1.0), self.joint_rate if phase == JOINT else 1.0

    def survey(
        self,
        batches: Iterable[Batch | DigitBatch],
        *,
        progress: float,
        generator: torch.Generator,
    ) -> bool:
        """Begin the phase that it is time for; the second measures what the codes are like."""
        was, due = int(self.phase), DRAWING + sum(progress >= begin for begin in self._begins())
        if due <= was:
            return False
        if was == DRAWING:
            self.game.measure(codes_of(self, batches)[0])
        self.phase.fill_(due)
        self.began.fill_(progress)
        return True

    def losses(
        self, batch: Batch | DigitBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small.

        Drawing: −ELBO. Frozen: cross-entropy + L_unl, and the generator's. Joint: cross-entropy +
        0.1 · −ELBO / D + L_unl, and the generator's; D is the number of pixels that count.
        """
        phase = int(self.phase)
        with torch.set_grad_enabled(torch.is_grad_enabled() and phase != FROZEN):
            mean, sd = self.posterior(torch.cat([batch.view, batch.other]))
        weighted = {}
        if phase != FROZEN:
            weight = 1.0 if phase == DRAWING else self.drawing_weight / self.pixel_weight
            drawn = self._drawing_terms(mean, sd, batch, self._warmth(progress), generator)
            weighted = {name: weight * value for name, value in drawn.items()}
        if phase != DRAWING:
            with torch.autocast(mean.device.type, enabled=False):  # the terms need float32
                label = class_labels(batch).repeat(2)
                weighted |= self.game.losses(mean, label, generator, played=self.encoder_plays)
        return weighted

    def _begins(self) -> tuple[float, float]:
        """Done shares of the training at which the second and the third phase are due."""
        return self.pretraining, round(self.pretraining + self.freezing, 9)  # 0.6, not 0.6 + 1e-16

    def _warmth(self, progress: float) -> float:
        """Share of the KL's weight at a done share of the training."""
        if int(self.phase) != DRAWING or self.warm_up == 0:
            return 1.0
        return min(1.0, self.pace(progress)[0] / self.warm_up)

    def _drawing_terms(
        self,
        mean: torch.Tensor,
        sd: torch.Tensor,
        batch: Batch | DigitBatch,
        warmth: float,
        generator: torch.Generator,
    ) -> dict[str, torch.Tensor]:
        """Terms of −ELBO, of an autoencoder those of its drawing alone."""
        n = (len(batch.view) + 1) // 2  # drawing costs most of the time: half learns as well
        noise = torch.randn(n, self.latent_dims, generator=generator, device=mean.device)
        drawn = self.decode(mean[:n] + sd[:n] * noise)
        with torch.autocast(mean.device.type, enabled=False):
            weighted = drawing_terms(
                drawn, batch, pixel_weight=self.pixel_weight, mask_weight=self.mask_weight
            )
            if self.variational:
                weighted["kl"] = self.beta * warmth * terms.free_kl(mean, sd, 0.0)
            return weighted


class CodeGame(nn.Module):
    """A classifier of codes that also tells them from those that a generator makes.

    Both work on codes of mean 0 and deviation 1, as `measure` has found them to be.

    Parameters
    ----------
    latent_dims, classes, noise_dims : int
        Lengths of a code, of its logits and of the generator's noise.
    width : int
        Units of each layer.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, latent_dims: int, classes: int, noise_dims: int, width: int) -> None:
        super().__init__()
        self.noise_dims = noise_dims
        self.features = nn.Sequential(
            nn.Linear(latent_dims, width), nn.LeakyReLU(0.2), nn.Linear(width, width),
            nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.head = nn.Linear(width, classes)
        self.generator = nn.Sequential(
            nn.Linear(noise_dims, width), nn.ELU(), nn.Linear(width, width), nn.ELU(),
            nn.Linear(width, latent_dims),
        )  # fmt: skip
        self.register_buffer("centre", torch.zeros(latent_dims))
        self.register_buffer("spread", torch.ones(latent_dims))

    def measure(self, codes: torch.Tensor) -> None:
        """Take note of the mean and deviation of codes (n, d)."""
        self.centre.copy_(codes.mean(0))
        self.spread.copy_(codes.std(0, unbiased=False).clamp_min(1e-4))

    def logits(self, codes: torch.Tensor) -> torch.Tensor:
        """Logits (n, k) of the classes of codes (n, d)."""
        return self.head(self.features((codes - self.centre) / self.spread))

    def generate(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Make codes (n, d)."""
        return self.centre + self.spread * self._made(n, generator)

    def losses(
        self,
        codes: torch.Tensor,
        label: torch.Tensor,
        generator: torch.Generator,
        *,
        played: bool = True,
    ) -> dict[str, torch.Tensor]:
        """Terms of the game over codes (n, d) of classes (n,), −1 where it is not known.

        "generator" moves the generator alone, the others the classifier, and "labels" the codes;
        "real or made" moves them too if they are ``played``.
        """
        made = self._made(len(codes), generator)
        scaled = (codes - self.centre) / self.spread
        real = self.features(scaled if played else scaled.detach())
        logits = self.head(real)
        fake = self.head(self.features(made.detach()))
        seen = functional_call(self.features, frozen(self.features), (made,))
        told = logits if played else self.head(self.features(scaled))
        return {
            "labels": label_loss(told, label),
            "real or made": unlabelled_loss(logits, fake),
            "generator": matching_loss(real.detach(), seen),
        }

    def _made(self, n: int, generator: torch.Generator) -> torch.Tensor:
        device = self.centre.device
        noise = torch.randn(n, self.noise_dims, generator=generator, device=device)
        made: torch.Tensor = self.generator(noise)
        return made


def unlabelled_loss(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """−ln D(real) − ln (1 − D(made)) of logits (n, k), with D = σ(ln Σ exp logits).

    As of a classifier with one class more, whose logit is 0, for what was made.
    """
    return F.softplus(-real.logsumexp(1)).mean() + F.softplus(made.logsumexp(1)).mean()


def matching_loss(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """Squared distance between the mean features (n, f) of what is real and of what was made."""
    return (real.mean(0) - made.mean(0)).square().sum()
