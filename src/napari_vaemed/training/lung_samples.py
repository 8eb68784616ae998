"""What a lung network learns from: planes of scans whose lungs are known, and draws of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.models.protocols import LungBatch
from napari_vaemed.models.segmenters.lung_net import UNKNOWN
from napari_vaemed.preprocessing.lung_planes import (
    HU_RANGE,
    PLANE_MM,
    SAMPLE_MM,
    lung_planes,
    with_neighbours,
)
from napari_vaemed.training.lung_pathology import LEARNED_KINDS, paste

SIZE, SEEN = 256, 224
"""Edge of the planes kept, and of the part that a draw shows."""

AIR_HU = HU_RANGE[0]
BODY_HU = -300.0
TURN, STRETCH, SHIFT = 0.2, 0.2, 0.14
OFFSET_HU, GAIN, NOISE_HU = 30.0, 0.06, 25.0
MIRRORED, CUT_ROUND = 0.5, 0.15
"""Shares of the draws that are mirrored, and that show a round field of view."""


@dataclass(frozen=True, eq=False)
class LungSamples:
    """Planes with the lungs in them, as tensors.

    Parameters
    ----------
    hu : (p, y, x) int16
        Planes of all scans behind each other.
    label : (p, y, x) uint8
        As `models.protocols.LungBatch`.
    around : (n, 3) int64
        The n samples: a plane between its neighbours.
    """

    hu: torch.Tensor
    label: torch.Tensor
    around: torch.Tensor

    @classmethod
    def joined(cls, parts: Sequence[LungSamples]) -> LungSamples:
        """All of them behind each other."""
        starts = np.cumsum([0, *(len(part.hu) for part in parts[:-1])])
        return cls(
            torch.cat([part.hu for part in parts]),
            torch.cat([part.label for part in parts]),
            torch.cat([p.around + int(s) for p, s in zip(parts, starts, strict=True)]),
        )

    def __len__(self) -> int:
        return len(self.around)

    def to(self, device: str) -> LungSamples:
        """The same on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> LungBatch:
        """Each row turned, stretched, shifted, or mirrored with its sides exchanged, and with
        another brightness, contrast and noise; some cut by a round field of view."""
        n, device = len(rows), self.hu.device

        def within(*shape: int) -> torch.Tensor:
            return 2 * torch.rand(n, *shape, generator=generator, device=device) - 1

        mirrored = within() > 1 - 2 * MIRRORED
        grid = _grid(TURN * within(), STRETCH * within(), SHIFT * within(2), mirrored)
        planes = self.around[rows]
        hu = self.hu[planes].float() - AIR_HU
        hu = F.grid_sample(hu, grid, align_corners=False) + AIR_HU
        label = self.label[planes[:, 1], None].float()
        label = F.grid_sample(label, grid, mode="nearest", align_corners=False)[:, 0].long()
        sides = (label == RIGHT_LUNG) | (label == LEFT_LUNG)
        label = torch.where(sides & mirrored[:, None, None], RIGHT_LUNG + LEFT_LUNG - label, label)
        hu = hu * (1 + GAIN * within(1, 1, 1)) + OFFSET_HU * within(1, 1, 1)
        noise = torch.randn(hu.shape, generator=generator, device=device)
        hu = hu + NOISE_HU * within(1, 1, 1).clamp_min(0) * noise
        cut = (within(1, 1) > 1 - 2 * CUT_ROUND) & _outside(0.9 + 0.15 * within(1, 1), device)
        hu = torch.where(cut[:, None], AIR_HU, hu).clamp(*HU_RANGE)
        return LungBatch(hu, torch.where(cut, 0, label))


def taught(
    hu: NDArray[np.float32],
    labels: NDArray[np.uint8],
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    *,
    pasted: int,
    every: int = 1,
) -> LungSamples:
    """A scan as it is, and ``pasted`` times with dense lung painted in.

    Parameters
    ----------
    hu, labels : (z, y, x)
        On the grid of `preprocessing.lung_planes`; ``spacing`` is that grid's, mm. Labels as in
        `data.labels`, or `lung_net.UNKNOWN`.
    every : int
        Take every so many planes only.
    """
    parts = [_samples(hu, labels, spacing[0], every)]
    for _ in range(pasted):
        kinds = tuple(LEARNED_KINDS[i] for i in rng.integers(len(LEARNED_KINDS), size=3))
        with_disease = paste(hu, labels, spacing, kinds[: rng.integers(1, 4)], rng)
        parts.append(_samples(with_disease, labels, spacing[0], every))
    return LungSamples.joined(parts)


def drawn_phantom(seed: int) -> Phantom:
    """A healthy phantom on about the network's grid, its contrast and noise drawn from a seed."""
    rng = np.random.default_rng(seed)
    return chest_phantom(
        shape=(int(rng.integers(96, 116)), SIZE, SIZE),
        spacing=(PLANE_MM, SAMPLE_MM, SAMPLE_MM),
        seed=seed,
        contrast=bool(rng.random() < 0.4),
        noise_hu=float(rng.uniform(4, 18)),
    )


def phantom_samples(
    first_seed: int, phantoms: int, rng: np.random.Generator, *, pasted: int = 2
) -> Work[list[LungSamples]]:
    """Every second plane of phantoms, healthy and with dense lung."""
    parts = []
    for number in range(phantoms):
        yield Progress("Making phantoms", number, phantoms)
        phantom = drawn_phantom(first_seed + number)
        hu = lung_planes(phantom.volume.hu, phantom.volume.spacing)
        spacing = phantom.volume.spacing
        parts.append(taught(hu, phantom.lungs, spacing, rng, pasted=pasted, every=2))
    return parts


def without_airways(labels: NDArray[np.uint8], found: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels of somebody who marked no airways: what has been found to be one is not known."""
    if (labels == AIRWAYS).any():
        return labels
    return np.where((found == AIRWAYS) & (labels == 0), np.uint8(UNKNOWN), labels)


def _samples(
    hu: NDArray[np.float32], labels: NDArray[np.uint8], step_mm: float, every: int
) -> LungSamples:
    around = with_neighbours(len(hu), step_mm, slice(None, None, every))
    cut = _cut(hu)
    return LungSamples(
        torch.from_numpy(np.rint(_fitted(hu, cut, AIR_HU)).astype(np.int16)),
        torch.from_numpy(_fitted(labels, cut, 0)),
        torch.from_numpy(around),
    )


def _cut(hu: NDArray[np.float32]) -> tuple[int, int]:
    """First row and column of the part that is kept: the body in its middle."""
    body = ndimage.binary_opening((hu > BODY_HU).mean(axis=0) > 0.3, iterations=2)
    if not body.any():
        body[:] = True
    ((rows, columns),) = ndimage.find_objects(body.astype(np.uint8))
    return (rows.start + rows.stop - SIZE) // 2, (columns.start + columns.stop - SIZE) // 2


def _fitted(planes: NDArray, start: tuple[int, int], beyond: float) -> NDArray:
    """The part of each plane that begins there, ``SIZE`` to a side."""
    fitted = np.full((len(planes), SIZE, SIZE), beyond, planes.dtype)
    taken = [
        slice(max(s, 0), min(s + SIZE, n)) for s, n in zip(start, planes.shape[1:], strict=True)
    ]
    put = [slice(t.start - s, t.stop - s) for t, s in zip(taken, start, strict=True)]
    fitted[:, put[0], put[1]] = planes[:, taken[0], taken[1]]
    return fitted


def _grid(
    turn: torch.Tensor, stretch: torch.Tensor, shift: torch.Tensor, mirrored: torch.Tensor
) -> torch.Tensor:
    """Where each of ``SEEN``² samples is looked up in a plane of ``SIZE``²."""
    scale = SEEN / SIZE * torch.exp(stretch)
    cos, sin = torch.cos(turn) * scale, torch.sin(turn) * scale
    flip = torch.where(mirrored, -1.0, 1.0)
    rows = [torch.stack([cos * flip, -sin, shift[:, 0]], 1)]
    rows.append(torch.stack([sin * flip, cos, shift[:, 1]], 1))
    return F.affine_grid(torch.stack(rows, 1), [len(turn), 1, SEEN, SEEN], align_corners=False)


def _outside(radius: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Samples beyond a circle of these radii (n, 1, 1); the plane's half edge is 1."""
    axis = torch.linspace(-1, 1, SEEN, device=device)
    return axis[:, None] ** 2 + axis[None, :] ** 2 > radius**2
