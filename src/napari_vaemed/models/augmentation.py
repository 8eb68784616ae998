"""Ways to change a look at a nodule or a digit without changing what it shows; on any device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from napari_vaemed.models.backbones import Images
from napari_vaemed.models.networks import HU_RANGE

HU = 1.0 / (HU_RANGE[1] - HU_RANGE[0])
"""One HU on the scale from 0 to 1."""


@dataclass(frozen=True)
class Warp:
    """How far pictures are moved at most, either way.

    Parameters
    ----------
    turn : float
        Radians.
    shear, scale : float
        Shares of the edge.
    shift : float
        Pixels.
    padding : {"zeros", "border"}
        What comes in from outside.
    """

    turn: float
    shear: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    padding: Literal["zeros", "border"] = "zeros"


STRONG_DIGIT = Warp(turn=0.4, shear=0.3, scale=0.2, shift=2.0)
STRONG_SLAB = Warp(turn=0.26, padding="border")
"""What `strong_look` does beyond a look's own; a nodule keeps its size, which tells of it."""


def warped(picture: torch.Tensor, generator: torch.Generator, by: Warp) -> torch.Tensor:
    """Each of the pictures (n, c, y, x) turned, sheared, scaled and shifted by another little."""
    n, device = len(picture), picture.device
    lot = 2 * torch.rand(n, 6, generator=generator, device=device) - 1
    turn, shear, scale = by.turn * lot[:, 0], by.shear * lot[:, 1], 1 + by.scale * lot[:, 2:4]
    cos, sin = turn.cos(), turn.sin()
    matrix = torch.stack([cos, shear - sin, sin, cos], dim=1).view(n, 2, 2) * scale[:, None]
    shift = lot[:, 4:] * (2 * by.shift / picture.shape[-1])
    grid = F.affine_grid(
        torch.cat([matrix, shift[:, :, None]], dim=2), list(picture.shape), align_corners=False
    )
    return F.grid_sample(picture, grid, padding_mode=by.padding, align_corners=False)


def strong_look(look: torch.Tensor, images: Images, generator: torch.Generator) -> torch.Tensor:
    """A look changed as far as its class allows, in [0, 1].

    A digit (n, 1, y, x) is warped once more, made noisier, and a square of half its edge at most is
    blanked. A nodule (n, 1, s, y, x) is turned in plane by up to 15°; its contrast changes by up to
    a fifth, its CT by up to 70 HU, its gamma from ¾ to 4⁄3; noise of up to 60 HU (deviation) is
    added; a box, of two fifths of the edge in plane at most, is filled with the mean of the look.

    Parameters
    ----------
    look : float
        In [0, 1].
    images : {"nodule", "digit"}
    """
    if images == "digit":
        moved = warped(look, generator, STRONG_DIGIT)
        return noisy(cut_out(moved, 0.5, generator, fill=0.0), 0.1, generator)
    moved = warped(look[:, 0], generator, STRONG_SLAB)[:, None]
    n = len(look)
    lot = 2 * torch.rand(3, n, 1, 1, 1, 1, generator=generator, device=look.device) - 1
    grey = moved.clamp(0.0, 1.0) ** torch.exp(lot[0] * 0.2877)  # ln 4/3
    grey = (grey - 0.5) * (1.0 + 0.2 * lot[1]) + 0.5 + 70 * HU * lot[2]
    return cut_out(noisy(grey, 60 * HU, generator), 0.4, generator)


def noisy(picture: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """White noise added, of another deviation up to ``most`` for each of (n, …); in [0, 1]."""
    device = picture.device
    each = (len(picture), *[1] * (picture.dim() - 1))
    sd = most * torch.rand(each, generator=generator, device=device)
    noise = torch.randn(picture.shape, generator=generator, device=device)
    return (picture + sd * noise).clamp(0.0, 1.0)


def cut_out(
    picture: torch.Tensor, most: float, generator: torch.Generator, fill: float | None = None
) -> torch.Tensor:
    """A box anywhere in each of the pictures (n, 1, …) replaced by ``fill``, or by their mean.

    Its edges are a share of the picture's, the same along all axes, up to ``most``; it may hang
    over the picture's end (DeVries and Taylor, Improved Regularization of Convolutional Neural
    Networks with Cutout, 2017).
    """
    n, device, axes = len(picture), picture.device, picture.dim() - 2
    half = 0.5 * most * torch.rand(n, 1, generator=generator, device=device)
    middle = torch.rand(n, axes, generator=generator, device=device)
    inside = torch.ones((), dtype=torch.bool, device=device)
    for axis in range(axes):
        length = picture.shape[2 + axis]
        at = (torch.arange(length, device=device) + 0.5) / length
        within = (at[None] - middle[:, axis, None]).abs() < half
        inside = inside & within.view(n, 1, *(length if a == axis else 1 for a in range(axes)))
    blank = picture.flatten(1).mean(1).view(n, *[1] * (axes + 1)) if fill is None else fill
    return torch.where(inside, blank, picture)
