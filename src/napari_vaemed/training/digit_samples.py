"""Pictures of digits made ready to learn from: kept as bytes on the device, varied there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_vaemed.models.augmentation import Warp, warped
from napari_vaemed.models.protocols import DigitBatch

UNKNOWN = -1
"""Label of a picture of which nobody said what it shows."""

LITTLE = Warp(turn=0.26, shear=0.2, scale=0.15, shift=2.0)
"""How a look differs from its picture."""


@dataclass(frozen=True, eq=False)
class DigitSamples:
    """Pictures of n digits as tensors.

    Parameters
    ----------
    picture : (n, 28, 28) uint8
    label : (n,) int64
        `UNKNOWN` where it is hidden.
    """

    picture: torch.Tensor
    label: torch.Tensor

    def __len__(self) -> int:
        return len(self.picture)

    def to(self, device: str) -> DigitSamples:
        """The same on another device."""
        return DigitSamples(self.picture.to(device), self.label.to(device))

    def subset(self, rows: NDArray[np.integer]) -> DigitSamples:
        """Only the pictures in these rows."""
        at = torch.as_tensor(rows)
        return DigitSamples(self.picture[at], self.label[at])

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> DigitBatch:
        """Two looks at each picture in ``rows``, and the picture itself."""
        target = self.picture[rows][:, None].float() / 255
        looks = [warped(target, generator, LITTLE) for _ in range(2)]
        return DigitBatch(view=looks[0], other=looks[1], target=target, label=self.label[rows])


def digit_samples(
    pictures: NDArray[np.uint8], labels: NDArray[np.integer], *, share: float = 1.0, seed: int = 0
) -> DigitSamples:
    """Samples of pictures (n, 28, 28), of which a share keeps its labels (n,).

    Every class keeps the same number, as near as it goes; ``seed`` says which.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"The share of pictures with labels lies from 0 to 1; got {share}.")
    kept = np.full(len(labels), UNKNOWN, np.int64)
    classes = np.unique(labels)
    rng = np.random.default_rng(seed)
    for number, label in enumerate(classes):
        rows = rng.permutation(np.flatnonzero(labels == label))
        before, after = (round(share * len(labels) * i / len(classes)) for i in
                         (number, number + 1))  # fmt: skip
        kept[rows if share == 1.0 else rows[: after - before]] = label
    return DigitSamples(torch.from_numpy(np.array(pictures)), torch.from_numpy(kept))
