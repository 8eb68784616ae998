"""Nodules made ready to learn from: cut once, kept on the device, varied there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.models.networks import to_unit
from napari_vaemed.models.protocols import Batch
from napari_vaemed.models.vae.labels import malignancy_classes
from napari_vaemed.preprocessing.patch import PATCH_SHAPE, cut_mask, cut_patch
from napari_vaemed.training.folds import told_rows

MAX_SHIFT_MM = 3.0
"""How far off the nodule's centre a training view may lie, as a hand may click."""


@dataclass(frozen=True, eq=False)
class NoduleSamples:
    """Patches of n nodules as tensors.

    Parameters
    ----------
    views : (n, v, s, y, x) int16
        HU of the ``s`` central slices around ``v`` points near the centre; the first is the centre.
    target : (n, z, y, x) int16
        HU of the whole patch around the centre.
    measured, mask : (n, z, y, x) bool
        Where the target was measured, and the nodule (what most readers marked).
    ratings : (n, 9) float32
    log_volume : (n,) float32
    """

    views: torch.Tensor
    target: torch.Tensor
    measured: torch.Tensor
    mask: torch.Tensor
    ratings: torch.Tensor
    log_volume: torch.Tensor

    def __len__(self) -> int:
        return len(self.views)

    def to(self, device: str) -> NoduleSamples:
        """The same on another device."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self)}
        return replace(self, **moved)

    def subset(self, rows: NDArray[np.integer]) -> NoduleSamples:
        """Only the nodules in these rows."""
        at = torch.as_tensor(rows)
        return replace(self, **{f.name: getattr(self, f.name)[at] for f in fields(self)})

    def with_labels(self, share: float, patients: Sequence[str], seed: int = 0) -> NoduleSamples:
        """The same with the ratings of this share of the nodules; the others' are not numbers.

        Only models that ask `models.vae.labels` what is known can learn from such samples.

        Parameters
        ----------
        share : float
            From 0 to 1; of benign and of malignant nodules alike, see `folds.told_rows`.
        patients : sequence of str
            Of each nodule; all of a patient's keep their ratings, or none.
        seed : int
            Says whose.

        Raises
        ------
        ValueError
            If the share is not between 0 and 1.
        """
        classes = malignancy_classes(self.ratings).cpu().numpy()
        told = torch.as_tensor(told_rows(patients, classes, share, seed), device=self.views.device)
        return replace(self, ratings=self.ratings.where(told[:, None], torch.nan))

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> Batch:
        """Two varied looks at each nodule in ``rows``, and what to make of them.

        Both looks and the target are mirrored and turned together. Each look is another shift,
        another measured window (as if its crop ended elsewhere), another offset and noise.
        """
        device = self.views.device
        count = self.views.shape[1]
        n = len(rows)
        first = torch.randint(count, (n,), generator=generator, device=device)
        step = torch.randint(1, max(count, 2), (n,), generator=generator, device=device)
        turn = _random_turn(generator, device)
        looks = [
            turn(_varied(self.views[rows, pick], generator)[:, None])
            for pick in (first, (first + step) % count)
        ]
        return Batch(
            view=looks[0],
            other=looks[1],
            target=turn(to_unit(self.target[rows].float())[:, None]),
            measured=turn(self.measured[rows][:, None]),
            mask=turn(self.mask[rows][:, None]),
            ratings=self.ratings[rows],
            log_volume=self.log_volume[rows],
        )


def nodule_samples(
    nodules: NoduleSet, *, slices: int = 4, views: int = 24, seed: int = 0
) -> Work[NoduleSamples]:
    """Cut every nodule once around its centre and ``views - 1`` times near it."""
    rng = np.random.default_rng(seed)
    n = len(nodules)
    slab = (slices, *PATCH_SHAPE[1:])
    looks = np.empty((n, views, *slab), np.int16)
    target = np.empty((n, *PATCH_SHAPE), np.int16)
    measured = np.empty((n, *PATCH_SHAPE), bool)
    mask = np.empty((n, *PATCH_SHAPE), bool)
    for i, (record, volume) in enumerate(zip(nodules.records, nodules.volumes, strict=True)):
        centre = np.array(record.centre_mm)
        patch = cut_patch(volume, centre)
        target[i], measured[i] = np.round(patch.hu), patch.measured
        mask[i] = cut_mask(volume, nodules.majorities[i], centre)
        shifts = np.vstack([np.zeros((1, 3)), shifts_within(MAX_SHIFT_MM, views - 1, rng)])
        for v, shift in enumerate(shifts):
            looks[i, v] = np.round(cut_patch(volume, centre + shift, shape=slab).hu)
        if i % 25 == 0:
            yield Progress("Cutting patches", i, n)
    ratings = np.array([[r.ratings[a] for a in ATTRIBUTES] for r in nodules.records], np.float32)
    log_volume = np.log(nodules.volumes_mm3()).astype(np.float32)
    arrays = (looks, target, measured, mask, ratings, log_volume)
    return NoduleSamples(*(torch.from_numpy(array) for array in arrays))


def shifts_within(radius: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw (n, 3) points, directions and distances up to ``radius`` equally likely."""
    steps = rng.normal(size=(n, 3))
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    return steps * rng.uniform(0.0, radius, (n, 1))


class _Turn:
    """One mirroring and quarter turn of (n, c, z, y, x)."""

    def __init__(self, flips: tuple[int, ...], transpose: bool) -> None:
        self.flips, self.transpose = flips, transpose

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.transpose(3, 4) if self.transpose else x
        return x.flip(self.flips) if self.flips else x


def _random_turn(generator: torch.Generator, device: torch.device) -> _Turn:
    bits = torch.randint(2, (4,), generator=generator, device=device).tolist()
    return _Turn(
        tuple(axis for axis, bit in zip((2, 3, 4), bits, strict=False) if bit), bool(bits[3])
    )


def _varied(hu: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(n, s, y, x) HU to [0, 1]; other window, offset (sd 10 HU), noise (sd up to 20 HU)."""
    n = len(hu)
    hu = _clamped_window(hu, generator).float()
    offset = 10.0 * torch.randn(n, 1, 1, 1, generator=generator, device=hu.device)
    sd = 20.0 * torch.rand(n, 1, 1, 1, generator=generator, device=hu.device)
    noise = sd * torch.randn(hu.shape, generator=generator, device=hu.device)
    return to_unit(hu + offset + noise)


def _clamped_window(hu: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Repeat the edge from a random slice, row and column outwards, as at a crop's end."""
    n, *size = hu.shape
    index = []
    for length, spare in zip(size, (1, 5, 5), strict=True):
        ends = torch.randint(-spare, spare + 1, (2, n, 1), generator=generator, device=hu.device)
        low, high = ends.clamp_min(0)
        at = torch.arange(length, device=hu.device)[None]
        index.append(torch.minimum(torch.maximum(at, low), length - 1 - high))
    z, y, x = index
    rows = torch.arange(n, device=hu.device)[:, None, None, None]
    return hu[rows, z[:, :, None, None], y[:, None, :, None], x[:, None, None, :]]
