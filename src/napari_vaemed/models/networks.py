"""The encoder and the decoder every VAE shares, and the grey scale they speak."""

from __future__ import annotations

import math

import torch
from torch import nn

HU_RANGE = (-1000.0, 400.0)
"""HU that become 0 and 1."""

EDGE = 32
"""Voxels along each edge of a patch."""

GROUPS = 8
"""Groups that channels are normalised in."""


def to_unit(hu: torch.Tensor) -> torch.Tensor:
    """HU of any shape to [0, 1], clipped to `HU_RANGE`."""
    low, high = HU_RANGE
    return ((hu - low) / (high - low)).clamp(0.0, 1.0)


def to_hu(unit: torch.Tensor) -> torch.Tensor:
    """[0, 1] back to HU."""
    low, high = HU_RANGE
    return unit.clamp(0.0, 1.0) * (high - low) + low


class ResidualBlock(nn.Module):
    """GN, SiLU, conv, twice, added to what came in; for 2 or 3 dimensions."""

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
        self.body = nn.Sequential(
            nn.GroupNorm(GROUPS, channels),
            nn.SiLU(),
            conv(channels, channels, 3, padding=1),
            nn.GroupNorm(GROUPS, channels),
            nn.SiLU(),
            conv(channels, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape in, same shape out."""
        return x + self.body(x)


class SlabEncoder(nn.Module):
    """Patch to features, by the few slices through the nodule's middle.

    Crops of known nodules end where the nodule does, so their height tells its size, and a size
    tells malignancy; in a full scan nothing ends there. The encoder therefore reads ``slices``
    central slices only (4: ±1.5 mm, which nine of ten LIDC crops fill), as the channels of a 2-D
    network, and fades the CT to black outside a circle, where crops end in plane.

    Parameters
    ----------
    slices : int
        How many central slices of the patch are read.
    width : int
        Channels of the 8 × 8 tokens after the stem; two further levels have 2 and 4 times as many.
    features : int
        Length of the output.

    Raises
    ------
    ValueError
        If the patch has not so many slices, or the width does not fall into groups.
    """

    fade: torch.Tensor

    def __init__(self, *, slices: int, width: int, features: int) -> None:
        super().__init__()
        _check_width("encoder_width", width)
        if not 1 <= slices <= EDGE:
            raise ValueError(f"slices must be from 1 to a patch's {EDGE}; got {slices}.")
        self.slices = slices
        self.register_buffer("fade", _fade(EDGE, 11.0, 15.5), persistent=False)
        w = width
        self.body = nn.Sequential(
            nn.Conv2d(slices, w, 4, stride=4),
            ResidualBlock(w, 2),
            nn.Conv2d(w, 2 * w, 2, stride=2),
            ResidualBlock(2 * w, 2),
            nn.Conv2d(2 * w, 4 * w, 2, stride=2),
            nn.GroupNorm(GROUPS, 4 * w),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(4 * w * 4, features),
            nn.SiLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, z, 32, 32) in [0, 1] to (n, features); z may be the slab already."""
        first = (x.shape[2] - self.slices) // 2
        if first < 0:
            raise ValueError(f"The encoder reads {self.slices} slices; got {x.shape[2]}.")
        slab = x[:, 0, first : first + self.slices]
        return self.body(slab * self.fade)


class Decoder(nn.Module):
    """Latents to a 32³ image of two channels: CT logit and mask logit.

    Grows 2³ → 4³ → 8³ by pixel shuffle, then every 8³ token paints its own 4³ block.

    Raises
    ------
    ValueError
        If the width does not fall into groups.
    """

    def __init__(self, *, latent_dims: int, width: int) -> None:
        super().__init__()
        _check_width("decoder_width", width)
        w = width
        self.seed = nn.Linear(latent_dims, 4 * w * 8)
        self.wide = 4 * w
        self.body = nn.Sequential(
            ResidualBlock(4 * w, 3),
            *_grown(4 * w, 2 * w, 2),
            ResidualBlock(2 * w, 3),
            *_grown(2 * w, w, 2),
            nn.GroupNorm(GROUPS, w),
            nn.SiLU(),
            nn.Conv3d(w, w, 3, padding=1),
            nn.SiLU(),
            *_grown(w, 2, 4),
        )

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, d) to two (n, 1, 32, 32, 32)."""
        both = self.body(self.seed(z).view(-1, self.wide, 2, 2, 2))
        return both[:, :1], both[:, 1:]


class Shuffle3d(nn.Module):
    """Channels into space: (n, c·f³, z, y, x) to (n, c, f·z, f·y, f·x)."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rearrange; nothing is computed."""
        f = self.factor
        n, c, z, y, x_ = x.shape
        split = x.view(n, c // f**3, f, f, f, z, y, x_)
        mixed = split.permute(0, 1, 5, 2, 6, 3, 7, 4)
        return mixed.reshape(n, c // f**3, f * z, f * y, f * x_)


def _check_width(name: str, width: int) -> None:
    if width < 1 or width % GROUPS:
        raise ValueError(f"{name} must be a multiple of {GROUPS}; got {width}.")


def _grown(channels: int, out: int, factor: int) -> tuple[nn.Conv3d, Shuffle3d]:
    """Paint a block for every token; all of its voxels start alike, so no grain is left over."""
    conv = nn.Conv3d(channels, out * factor**3, 1)
    with torch.no_grad():
        conv.weight.copy_(conv.weight[:: factor**3].repeat_interleave(factor**3, dim=0))
        conv.bias.zero_()  # type: ignore[union-attr]
    return conv, Shuffle3d(factor)


def _fade(size: int, full: float, none: float) -> torch.Tensor:
    """One inside radius ``full`` (voxels), zero beyond ``none``, half a cosine between."""
    at = torch.arange(size) - (size - 1) / 2
    radius = torch.sqrt(at[:, None] ** 2 + at[None, :] ** 2)
    share = ((radius - full) / (none - full)).clamp(0.0, 1.0)
    return 0.5 + 0.5 * torch.cos(math.pi * share)
