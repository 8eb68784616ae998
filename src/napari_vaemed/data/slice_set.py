"""A collection of labelled axial slices, as 8-bit pictures of any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "val", "test", "")
"""What a slice may be meant for; empty where nobody said."""

COVID = "COVID-19"

SHARES = {"train": 0.57, "val": 0.16, "test": 0.27}
"""Share of the slices that each part gets where a split is drawn; those of COVID-CT's own."""


@dataclass(frozen=True)
class SliceRecord:
    """What is known of one slice.

    Parameters
    ----------
    id : str
        Its file, relative to the set's folder.
    label : int
        1 for the finding of its set, 0 for anything else.
    group : str
        The paper or patient it comes from; slices of one group belong on one side of a split.
    part : {"train", "val", "test", ""}
    """

    id: str
    label: int
    group: str
    part: str = ""

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise ValueError(f"The label of {self.id} must be 0 or 1; got {self.label!r}.")
        if self.part not in PARTS:
            raise ValueError(
                f"{self.id} must be meant for train, val, test or nothing; got {self.part!r}."
            )


@dataclass(frozen=True, eq=False)
class SliceSet:
    """Labelled slices with their pictures.

    Parameters
    ----------
    records : tuple of SliceRecord, length n
    pictures : tuple of (y, x) uint8
    source : str
        Where the slices come from, with its citation.
    finding : str
        What label 1 stands for.
    """

    records: tuple[SliceRecord, ...]
    pictures: tuple[NDArray[np.uint8], ...]
    source: str
    finding: str = COVID

    def __post_init__(self) -> None:
        if len(self.records) != len(self.pictures):
            raise ValueError(f"{len(self.records)} records for {len(self.pictures)} pictures.")

    def __len__(self) -> int:
        return len(self.records)

    @property
    def labels(self) -> NDArray[np.int_]:
        """Label of each slice, (n,)."""
        return np.array([record.label for record in self.records], int)

    @property
    def groups(self) -> list[str]:
        """Group of each slice."""
        return [record.group for record in self.records]

    def rows(self, part: str) -> NDArray[np.int_]:
        """Which slices are meant for this part."""
        return np.flatnonzero([record.part == part for record in self.records])


def split_by_group(slices: SliceSet, seed: int, shares: Mapping[str, float] = SHARES) -> SliceSet:
    """Draw a split in which no group stands in two parts.

    Class by class, groups in random order go to the part that lacks most of its share; a group of
    both classes goes by its commoner one.
    """
    labels, groups = slices.labels, np.array(slices.groups)
    rng = np.random.default_rng(seed)
    part_of: dict[str, str] = {}
    names, where = np.unique(groups, return_inverse=True)
    common = np.array([labels[where == i].mean() >= 0.5 for i in range(len(names))])
    for positive in (False, True):
        mine = rng.permutation(np.flatnonzero(common == positive))
        given = dict.fromkeys(shares, 0)
        for i in mine:
            part = min(given, key=lambda name: given[name] / shares[name])
            part_of[str(names[i])] = part
            given[part] += int((where == i).sum())
    records = tuple(replace(record, part=part_of[record.group]) for record in slices.records)
    return replace(slices, records=records)
