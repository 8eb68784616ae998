"""A collection of labelled nodules with the pixels around each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.volume import Volume


@dataclass(frozen=True, eq=False)
class NoduleSet:
    """Labelled nodules, each with its crop of the CT and what the readers outlined on it.

    Parameters
    ----------
    records : tuple of NoduleRecord, length n
    volumes : tuple of Volume, length n
        The crop around each nodule, in patient coordinates.
    masks : tuple of (z, y, x) bool
        The union of all readers, on the crop's grid.
    majorities : tuple of (z, y, x) bool
        What at least half of the readers marked; the union where that is not known.
    source : str
        Where the nodules come from, with its citation.
    """

    records: tuple[NoduleRecord, ...]
    volumes: tuple[Volume, ...]
    masks: tuple[NDArray[np.bool_], ...]
    majorities: tuple[NDArray[np.bool_], ...]
    source: str

    def __post_init__(self) -> None:
        if not len(self.records) == len(self.volumes) == len(self.masks) == len(self.majorities):
            raise ValueError(
                f"{len(self.records)} records, {len(self.volumes)} volumes, {len(self.masks)} "
                f"masks and {len(self.majorities)} majorities: they must match one to one."
            )

    def __len__(self) -> int:
        return len(self.records)

    def volumes_mm3(self) -> NDArray[np.float64]:
        """Volume of each nodule (the readers' union) in mm³, (n,)."""
        pairs = zip(self.masks, self.volumes, strict=True)
        return np.array([mask.sum() * volume.voxel_mm3 for mask, volume in pairs])
