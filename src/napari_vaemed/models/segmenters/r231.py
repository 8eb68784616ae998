"""The architecture of lungmask's R231, so that a user's own copy of its weights can be run.

After the description in Hofmanninger et al., European Radiology Experimental 2020,
doi 10.1186/s41747-020-00173-2: a U-Net of five levels with batch normalisation after each ReLU,
padded convolutions and bilinear upsampling; outside, right lung, left lung.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SIZE = 256
"""Edge of the planes it reads."""

HU_RANGE = (-1024.0, 600.0)
"""HU that become 0 and 1."""

CLASSES, LEVELS, WIDTH = 3, 5, 64


class R231(nn.Module):
    """lungmask's U-Net; its tensors have the names that the published file gives them.

    Parameters
    ----------
    width : int
        Channels of the first level; 64 in the published weights.
    """

    def __init__(self, *, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        widths = [width * 2**level for level in range(LEVELS)]
        self.down_path = nn.ModuleList(
            _Block(of, to) for of, to in zip([1, *widths], widths, strict=False)
        )
        self.up_path = nn.ModuleList(_Up(2 * to, to) for to in reversed(widths[:-1]))
        self.last = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, 3, y, x) of planes (n, 1, y, x) in [0, 1]; y and x are multiples of 16."""
        levels: list[torch.Tensor] = []
        for down in self.down_path:
            x = down(F.avg_pool2d(x, 2) if levels else x)
            levels.append(x)
        for up, beside in zip(self.up_path, reversed(levels[:-1]), strict=True):
            x = up(x, beside)
        logits: torch.Tensor = self.last(x)
        return logits


class _Block(nn.Module):
    def __init__(self, of: int, to: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (of, to):
            layers += [nn.Conv2d(channels, to, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(to)]
        self.block = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return y


class _Up(nn.Module):
    def __init__(self, of: int, to: int) -> None:
        super().__init__()
        self.up = nn.Sequential(nn.Upsample(mode="bilinear", scale_factor=2), nn.Conv2d(of, to, 1))
        self.conv_block = _Block(of, to)

    def forward(self, x: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv_block(torch.cat([self.up(x), beside], dim=1))
        return y
