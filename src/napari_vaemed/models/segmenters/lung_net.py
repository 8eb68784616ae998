"""The lung network: right lung, left lung and airways in an axial plane, dense lung included.

A 2.5-D U-Net (Ronneberger et al., MICCAI 2015, arXiv:1505.04597) in MONAI's form, whose first
stride stands before its first level, and a fine branch that draws the border on the samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from napari_vaemed.models.protocols import LungBatch

CLASSES = 4
"""Outside, and the labels of `napari_vaemed.data.labels`: right lung, left lung, airways."""

UNKNOWN = 255
"""In `LungBatch.label`: nothing is known of this sample."""

PLANES = 3
"""The plane itself and one on either side."""

LUNG_WINDOW, TISSUE_WINDOW = (-1024.0, 200.0), (-150.0, 250.0)
"""HU that become -1 and 1; the second tells fat, muscle and fluid apart."""

DENSE_HU = -500.0


class LungNet(nn.Module):
    """A U-Net of five levels on planes of 1.5 mm samples, 3 to 6 mm apart.

    Batch normalisation, so that a sample's answer does not depend on how much of the plane is
    seen beside its surroundings.

    Parameters
    ----------
    width : int
        Channels of the first level; the deeper ones have 2, 4, 8 and 8 times as many.
    fine_width : int
        Channels at full resolution.
    dense_weight : float
        How much more a sample of airless lung counts than others.
    overlap_weight : float
        Weight of the Dice loss beside the cross entropy.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        fine_width: int = 8,
        dense_weight: float = 2.0,
        overlap_weight: float = 1.0,
    ) -> None:
        from monai.networks.nets import UNet  # takes seconds, and other models do without

        super().__init__()
        self.width = width
        self.fine_width = fine_width
        self.dense_weight = dense_weight
        self.overlap_weight = overlap_weight
        self.body = UNet(
            spatial_dims=2,
            in_channels=2 * PLANES,
            out_channels=fine_width,
            channels=[width * times for times in (1, 2, 4, 8, 8)],
            strides=[2, 2, 2, 2],
            num_res_units=1,
            act="relu",
            norm="batch",
        )
        self.fine = nn.Sequential(
            nn.Conv2d(fine_width + 2, fine_width, 3, padding=1, bias=False),
            nn.BatchNorm2d(fine_width),
            nn.ReLU(),
            nn.Conv2d(fine_width, CLASSES, 1),
        )

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        """Logits (n, 4, y, x) of planes (n, 3, y, x) in HU; y and x are multiples of 16."""
        windows = [_windowed(hu, *LUNG_WINDOW), _windowed(hu, *TISSUE_WINDOW)]
        seen = torch.cat(windows, 1).contiguous(memory_format=torch.channels_last)
        here = torch.stack([window[:, PLANES // 2] for window in windows], dim=1)
        logits: torch.Tensor = self.fine(torch.cat([self.body(seen), here], 1))
        return logits

    def losses(
        self, batch: LungBatch, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss; their sum is to be made small."""
        logits = self(batch.hu).float()
        known = batch.label != UNKNOWN
        label = torch.where(known, batch.label, 0)
        dense = (batch.hu[:, PLANES // 2] > DENSE_HU) & ((label == 1) | (label == 2))
        weight = known * (1.0 + self.dense_weight * dense)
        entropy = F.cross_entropy(logits, label, reduction="none") * weight
        chance = logits.softmax(1)[:, 1:] * known[:, None]
        truth = F.one_hot(label, CLASSES).movedim(-1, 1)[:, 1:] * known[:, None]
        axes = (0, 2, 3)
        both = 2 * (chance * truth).sum(axes) + 1
        overlap = both / ((chance + truth).sum(axes) + 1)
        return {
            "border": entropy.sum() / weight.sum().clamp_min(1.0),
            "overlap": self.overlap_weight * (1 - overlap).mean(),
        }


def _windowed(hu: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return ((hu - low) / (high - low)).clamp(0.0, 1.0) * 2 - 1
