"""Encoder and decoder for what a model looks at: nodules, or the digits that methods are tested on.

A model of `models/vae` that takes both has an argument ``images`` and asks here for its networks,
so that its own file holds its latent family and its loss only.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from napari_vaemed.models.networks import Decoder, SlabEncoder

Images = Literal["nodule", "digit"]
"""32³ patches of CT, or 28 × 28 pictures of one digit (or piece of clothing) each."""

DIGIT_SIZE = 28
"""Edge of the pictures of MNIST and Fashion-MNIST."""


def encoder_for(images: Images, *, slices: int, width: int, features: int) -> nn.Module:
    """Pictures (n, 1, …) in [0, 1] to features (n, ``features``).

    Parameters
    ----------
    images : {"nodule", "digit"}
    slices : int
        Central slices read of a nodule, see `SlabEncoder`; of no matter to digits.
    width : int
        Channels of the first level.

    Raises
    ------
    ValueError
        If there are no such images.
    """
    if known(images) == "nodule":
        return SlabEncoder(slices=slices, width=width, features=features)
    return DigitEncoder(width=width, features=features)


def decoder_for(images: Images, *, latent_dims: int, width: int) -> nn.Module:
    """Latents (n, d) to two logits: of the picture, and of the nodule's mask.

    A digit is its own mask: both logits are the same one.

    Raises
    ------
    ValueError
        If there are no such images.
    """
    if known(images) == "nodule":
        return Decoder(latent_dims=latent_dims, width=width)
    return DigitDecoder(latent_dims=latent_dims, width=width)


def known(images: str) -> str:
    """The same, if there are such images.

    Raises
    ------
    ValueError
    """
    if images not in get_args(Images):
        raise ValueError(f"The images must be {' or '.join(get_args(Images))}; got {images!r}.")
    return images


class DigitEncoder(nn.Module):
    """28 × 28 pictures to features, at little cost: overlapping patches, once strided, a layer.

    Parameters
    ----------
    width : int
        Half as many channels as 7 × 7 patches have; the 4 × 4 places after them have twice as
        many.
    features : int
        Length of the output.
    """

    def __init__(self, *, width: int, features: int) -> None:
        super().__init__()
        w = width
        self.body = nn.Sequential(
            nn.Conv2d(1, 2 * w, 7, stride=4, padding=2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
            nn.Linear(4 * w * 16, features),
            nn.LeakyReLU(0.1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, 28, 28) in [0, 1] to (n, features)."""
        check_digits(x)
        return self.body(x)


class DigitDecoder(nn.Module):
    """Latents to a 28 × 28 picture by three layers.

    Parameters
    ----------
    latent_dims : int
        Length of the code.
    width : int
        The layers between have 16 and 32 times as many units.
    """

    def __init__(self, *, latent_dims: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(latent_dims, 16 * width),
            nn.LeakyReLU(0.1),
            nn.Linear(16 * width, 32 * width),
            nn.LeakyReLU(0.1),
            nn.Linear(32 * width, DIGIT_SIZE**2),
            nn.Unflatten(1, (1, DIGIT_SIZE, DIGIT_SIZE)),
        )

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, d) to twice the same (n, 1, 28, 28)."""
        logit = self.body(z)
        return logit, logit


PUBLISHED_FEATURES = 64 * 7 * 7
"""Length of what `PublishedDigitEncoder` gives."""


class PublishedDigitEncoder(nn.Module):
    """The encoder of Su's one-step clustering VAE: four convolutions, twice strided."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        _put_channels_last(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, 28, 28) in [0, 1] to (n, `PUBLISHED_FEATURES`)."""
        check_digits(x)
        return self.body(x)


class PublishedDigitDecoder(nn.Module):
    """The decoder of Su's one-step clustering VAE."""

    def __init__(self, *, latent_dims: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(latent_dims, PUBLISHED_FEATURES),
            nn.Unflatten(1, (64, 7, 7)),
            nn.ConvTranspose2d(64, 64, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(64, 64, 3, stride=2, padding=1, output_padding=1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(64, 32, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(32, 32, 3, stride=2, padding=1, output_padding=1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(32, 1, 3, padding=1),
        )
        _put_channels_last(self)

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, d) to twice the same (n, 1, 28, 28)."""
        logit = self.body(z)
        return logit, logit


def start_as_keras(network: nn.Module) -> None:
    """Draw the first weights as Keras does where it is not told otherwise.

    Uniform by the sizes of both sides (Glorot and Bengio, 2010), biases of zero; torch's own are
    smaller where a layer has many inputs.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _put_channels_last(network: nn.Module) -> None:
    """Order its weights so that convolutions take a third less time on a CPU."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def check_digits(x: torch.Tensor) -> None:
    """Refuse what is no batch of 28 × 28 pictures.

    Raises
    ------
    ValueError
    """
    if x.shape[1:] != (1, DIGIT_SIZE, DIGIT_SIZE):
        raise ValueError(
            f"A model of digits reads pictures (n, 1, {DIGIT_SIZE}, {DIGIT_SIZE}); got "
            f"{tuple(x.shape)}. For nodules make the model with images='nodule'."
        )
