"""Slices made ready to learn from: pictures on the device, varied there."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.slice_set import SliceSet
from napari_vaemed.models.protocols import SliceBatch
from napari_vaemed.preprocessing.slice_picture import picture_of_export


@dataclass(frozen=True, eq=False)
class SliceSamples:
    """Pictures of n slices as tensors.

    Parameters
    ----------
    picture : (n, size, size) uint8
    label : (n,) float32
        1 for COVID-19, 0 for anything else.
    weight : (n,) float32
        Of mean 1; both classes weigh the same in all.
    """

    picture: torch.Tensor
    label: torch.Tensor
    weight: torch.Tensor

    def __len__(self) -> int:
        return len(self.picture)

    def to(self, device: str) -> SliceSamples:
        """The same on another device."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self)}
        return replace(self, **moved)

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> SliceBatch:
        """A varied look at each slice in ``rows``.

        Mirrored, moved, scaled and turned; another window, sharpness and noise; with boxes wiped
        out, as letters and arrows hide things in figures; and mixed with another one of the batch.
        """
        x = self.picture[rows].float()[:, None] / 255.0
        x = _moved(x, generator)
        x = _blurred(_windowed(x, generator), generator)
        x = _wiped(_noisy(x, generator), generator)
        return _mixed(SliceBatch(x, self.label[rows], self.weight[rows]), generator)


def slice_samples(
    slices: SliceSet, rows: NDArray[np.integer], *, size: int, lungs_only: bool
) -> Work[SliceSamples]:
    """Make pictures of these rows of a set."""
    pictures = yield from slice_pictures(slices, rows, size=size, lungs_only=lungs_only)
    label = slices.labels[rows]
    counts = np.maximum(np.bincount(label, minlength=2), 1)
    weight = (len(label) / (2.0 * counts))[label]
    return SliceSamples(
        torch.from_numpy(pictures),
        torch.from_numpy(label.astype(np.float32)),
        torch.from_numpy(weight.astype(np.float32)),
    )


def slice_pictures(
    slices: SliceSet, rows: NDArray[np.integer], *, size: int, lungs_only: bool
) -> Work[NDArray[np.uint8]]:
    """Pictures (n, size, size) of these rows of a set."""
    pictures = np.empty((len(rows), size, size), np.uint8)
    for i, row in enumerate(rows):
        if i % 25 == 0:
            yield Progress("Cutting pictures", i, len(rows))
        pictures[i], _ = picture_of_export(slices.pictures[row], size=size, lungs_only=lungs_only)
    return pictures


def _uniform(x: torch.Tensor, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """One number a picture, (n, 1, 1, 1)."""
    drawn = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device)
    return low + (high - low) * drawn


def _moved(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror; turn up to 15°; scale and stretch by up to 20 and 10 %; move by up to 8 %."""
    n = len(x)
    angle = _uniform(x, -15, 15, generator).view(n) * math.pi / 180
    scale = torch.exp(_uniform(x, -0.18, 0.18, generator)).view(n)
    stretch = torch.exp(_uniform(x, -0.1, 0.1, generator)).view(n)
    mirror = torch.where(_uniform(x, 0, 1, generator).view(n) < 0.5, 1.0, -1.0)
    matrix = torch.zeros(n, 2, 3, device=x.device)
    matrix[:, 0, 0] = mirror * scale * stretch * angle.cos()
    matrix[:, 0, 1] = -scale * stretch * angle.sin()
    matrix[:, 1, 0] = mirror * scale / stretch * angle.sin()
    matrix[:, 1, 1] = scale / stretch * angle.cos()
    for axis in (0, 1):
        matrix[:, axis, 2] = _uniform(x, -0.16, 0.16, generator).view(n)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def _windowed(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Another gamma, contrast and brightness; what is black around the picture stays black."""
    shown = (x > 0).float()
    x = x.clamp_min(1e-4) ** torch.exp(_uniform(x, -0.4, 0.4, generator))
    contrast = torch.exp(_uniform(x, -0.3, 0.3, generator))
    x = 0.5 + contrast * (x - 0.5) + _uniform(x, -0.12, 0.12, generator)
    return (x * shown).clamp(0.0, 1.0)


def _blurred(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Between a little sharper and as blurred as a figure enlarged twofold."""
    smooth = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    smooth = F.avg_pool2d(smooth, 3, stride=1, padding=1, count_include_pad=False)
    share = _uniform(x, -0.4, 1.0, generator)
    return (x + share * (smooth - x)).clamp(0.0, 1.0)


def _noisy(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Noise of up to 0.06, fine or in 2-pixel grains, where something is shown."""
    fine = torch.randn(x.shape, generator=generator, device=x.device)
    coarse = F.avg_pool2d(fine, 2).repeat_interleave(2, 2).repeat_interleave(2, 3) * 2.0
    grain = torch.where(_uniform(x, 0, 1, generator) < 0.5, fine[..., :, :], _fit(coarse, x))
    return (x + (x > 0) * _uniform(x, 0, 0.06, generator) * grain).clamp(0.0, 1.0)


def _fit(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Pad by the edge to the other's size."""
    spare = [like.shape[axis] - values.shape[axis] for axis in (3, 2)]
    return F.pad(values, (0, spare[0], 0, spare[1]), mode="replicate") if any(spare) else values


def _wiped(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Fill up to three boxes, of up to a quarter of the edge, with one grey each."""
    at = (torch.arange(x.shape[-1], device=x.device) + 0.5) / x.shape[-1]
    for _ in range(3):
        middle_y, middle_x = (_uniform(x, 0, 1, generator) for _ in range(2))
        half_y, half_x = (_uniform(x, 0.02, 0.125, generator) for _ in range(2))
        asked = _uniform(x, 0, 1, generator) < 0.4
        inside = ((at[:, None] - middle_y).abs() < half_y) & ((at - middle_x).abs() < half_x)
        x = torch.where(inside & asked, _uniform(x, 0, 1, generator), x)
    return x


def _mixed(batch: SliceBatch, generator: torch.Generator) -> SliceBatch:
    """Blend each with its neighbour in the batch by up to a half, half of the time (mixup)."""
    share = 0.5 * _uniform(batch.picture, -1, 1, generator).clamp_min(0.0)
    flat = share.flatten()
    return SliceBatch(
        batch.picture.lerp(batch.picture.roll(1, 0), share),
        batch.label.lerp(batch.label.roll(1, 0), flat),
        batch.weight.lerp(batch.weight.roll(1, 0), flat),
    )
