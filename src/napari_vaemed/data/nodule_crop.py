"""One nodule cut out of its scan, with what its readers marked and said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.volume import Volume


@dataclass(frozen=True, eq=False)
class NoduleCrop:
    """A nodule on a crop of its scan.

    Parameters
    ----------
    record : NoduleRecord
        Its centre and diameter are those of the majority's mask.
    volume : Volume
        The crop, in patient coordinates.
    counts : (z, y, x) uint8
        How many readers include each voxel.
    readers : int
        How many readers marked the nodule.
    malignant : bool
        Whether at least half of them called it rather malignant.
    """

    record: NoduleRecord
    volume: Volume
    counts: NDArray[np.uint8]
    readers: int
    malignant: bool

    @property
    def union(self) -> NDArray[np.bool_]:
        """What any reader included."""
        return self.counts > 0

    @property
    def majority(self) -> NDArray[np.bool_]:
        """What at least half of the readers included; the union where that is nothing."""
        return majority_of(self.counts, self.readers)


def majority_of(counts: NDArray[np.integer], readers: int) -> NDArray[np.bool_]:
    """Where at least half of the readers are counted; where any is, if that is nowhere."""
    most = 2 * counts.astype(int) >= readers
    return most if most.any() else counts > 0
