"""The click network: is there a nodule in the middle of this cube, and which samples are it?

One small U-Net for every size: the cube's step follows the nodule, so that a nodule of 5 mm and
one of 25 mm look alike (after the scale-normalised click networks: Aresta et al., iW-Net,
Scientific Reports 2019, doi 10.1038/s41598-019-48004-8).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from napari_vaemed.models.protocols import ClickBatch

LOOK_SHAPE = (32, 32, 32)
"""Samples of a look along z, y and x."""

COARSE_MM = 1.0
"""Step of the first look, mm."""

FINEST_MM, COARSEST_MM = 0.5, 2.6
ACROSS = 13.5
"""Samples across a nodule in a fitting look."""

LUNG_WINDOW, TISSUE_WINDOW = (-1000.0, 0.0), (-200.0, 400.0)
"""HU that become -1 and 1."""


def fitting_step(diameter_mm: float) -> float:
    """Millimetres between samples at which a nodule of that size is seen best."""
    return min(max(diameter_mm / ACROSS, FINEST_MM), COARSEST_MM)


class ClickNet(nn.Module):
    """A U-Net on 2 mm tokens with a finer branch for the border and a head for yes or no.

    Parameters
    ----------
    width : int
        Channels of the 16³ tokens; the two deeper levels have 2 and 4 times as many.
    fine_width : int
        Channels at full resolution.
    border_weight, overlap_weight, volume_weight, presence_weight : float
        Weights of the losses: cross entropy of the samples, Dice, log of the volume's ratio,
        cross entropy of there being a nodule.
    """

    away: torch.Tensor

    def __init__(
        self,
        *,
        width: int = 24,
        fine_width: int = 8,
        border_weight: float = 8.0,
        overlap_weight: float = 1.0,
        volume_weight: float = 0.3,
        presence_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.fine_width = fine_width
        self.border_weight = border_weight
        self.overlap_weight = overlap_weight
        self.volume_weight = volume_weight
        self.presence_weight = presence_weight
        w, f = width, fine_width
        self.register_buffer("away", _away(LOOK_SHAPE), persistent=False)
        self.tokens = nn.Conv3d(5, w, 2, stride=2)
        self.down1 = nn.Sequential(_block(w, w), _block(w, w))
        self.to2 = nn.Conv3d(w, 2 * w, 2, stride=2)
        self.down2 = nn.Sequential(_block(2 * w, 2 * w), _block(2 * w, 2 * w))
        self.to3 = nn.Conv3d(2 * w, 4 * w, 2, stride=2)
        self.down3 = nn.Sequential(_block(4 * w, 4 * w), _block(4 * w, 4 * w))
        self.from3 = nn.ConvTranspose3d(4 * w, 2 * w, 2, stride=2)
        self.up2 = _block(2 * w, 2 * w)
        self.from2 = nn.ConvTranspose3d(2 * w, w, 2, stride=2)
        self.up1 = _block(w, w)
        self.from1 = nn.ConvTranspose3d(w, f, 2, stride=2)
        self.fine = _block(5, f)
        self.border = _block(f, f)
        self.mask = nn.Conv3d(f, 1, 1)
        self.presence = nn.Sequential(nn.Linear(10 * w, 2 * w), nn.SiLU(), nn.Linear(2 * w, 1))
        nn.init.constant_(self.mask.bias, -3.0)  # type: ignore[arg-type]

    def look(
        self, hu: torch.Tensor, measured: torch.Tensor, step: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the mask (n, 1, 32, 32, 32) and of there being a nodule, (n,)."""
        seen = self._seen(hu, measured, step).contiguous(memory_format=torch.channels_last_3d)
        tokens = self.down1(self.tokens(seen))
        middle = self.down2(self.to2(tokens))
        deep = self.down3(self.to3(middle))
        middle = self.up2(middle + self.from3(deep))
        tokens = self.up1(tokens + self.from2(middle))
        mask = self.mask(self.border(self.fine(seen) + self.from1(tokens)))
        about = [deep.mean((2, 3, 4)), _core(deep), _core(middle)]
        return mask.float(), self.presence(torch.cat(about, dim=1))[:, 0].float()

    def losses(
        self, batch: ClickBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        mask, presence = self.look(batch.hu, batch.measured, batch.step)
        known = batch.known.float()
        border = F.binary_cross_entropy_with_logits(mask, batch.share, weight=known)
        chance = torch.sigmoid(mask) * known
        axes = (1, 2, 3, 4)
        mine, theirs = chance.sum(axes), (batch.share * known).sum(axes)
        both = (chance * batch.share).sum(axes)
        overlap = 1 - 2 * both / ((chance**2).sum(axes) + (batch.share**2 * known).sum(axes) + 1)
        ratio = torch.log((mine + 1) / (theirs + 1)).abs()
        seen = batch.nodule * (theirs > 0)
        count = seen.sum().clamp_min(1.0)
        told = F.binary_cross_entropy_with_logits(presence, batch.nodule)
        return {
            "border": self.border_weight * border,
            "overlap": self.overlap_weight * (overlap * seen).sum() / count,
            "volume": self.volume_weight * (ratio * seen).sum() / count,
            "presence": self.presence_weight * told,
        }

    def _seen(self, hu: torch.Tensor, measured: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """The five channels: two windows, what is measured, the way to the middle, the step."""
        size = torch.log(step).view(-1, 1, 1, 1, 1).expand_as(hu)
        away = self.away.expand_as(hu)
        windows = [_windowed(hu, *LUNG_WINDOW), _windowed(hu, *TISSUE_WINDOW)]
        return torch.cat([*windows, measured.to(hu.dtype), away, size], dim=1)


def _block(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels, out, 3, padding=1, bias=False), nn.GroupNorm(4, out), nn.SiLU()
    )


def _windowed(hu: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return ((hu - low) / (high - low)).clamp(0.0, 1.0) * 2 - 1


def _core(features: torch.Tensor) -> torch.Tensor:
    """Mean (n, c) of the eight tokens in the middle."""
    z, y, x = (slice(n // 2 - 1, n // 2 + 1) for n in features.shape[2:])
    return features[:, :, z, y, x].mean((2, 3, 4))


def _away(shape: tuple[int, int, int]) -> torch.Tensor:
    """Distance of every sample from the middle; a corner has 1."""
    axes = [torch.linspace(-1, 1, n) for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.sqrt(z**2 + y**2 + x**2) / math.sqrt(3)
