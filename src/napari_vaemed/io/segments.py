"""Segments of a file, each a mask, as few label maps in which none hides another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.annotation import LabelMap
from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.errors import CTError

MOST_MAPS = 12
"""Label maps of a whole scan that are worth their memory."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One named mask.

    Parameters
    ----------
    number : int
        Its label, at least 1.
    name : str
    mask : NoduleMask
        On the grid of the volume it is packed for.
    columns : dict
        What else is known of it.
    """

    number: int
    name: str
    mask: NoduleMask
    columns: dict[str, Any]


def pack_segments(
    segments: Iterable[Segment], volume: Volume, notes: tuple[str, ...] = ()
) -> tuple[LabelMap, ...]:
    """Put segments into label maps; one that overlaps another goes into the next map.

    Raises
    ------
    CTError
        There are more layers of overlap than can be shown.
    """
    maps: list[NDArray[np.uint16]] = []
    members: list[list[Segment]] = []
    for segment in segments:
        where, voxels = segment.mask.where, segment.mask.voxels
        free = (n for n, labels in enumerate(maps) if not labels[where][voxels].any())
        place = next(free, len(maps))
        if place == len(maps):
            if place == MOST_MAPS:
                raise CTError(
                    f"More than {MOST_MAPS} segments lie over each other. Save them in parts."
                )
            maps.append(np.zeros(volume.shape, np.uint16))
            members.append([])
        maps[place][where][voxels] = segment.number
        members[place].append(segment)
    return tuple(
        _label_map(labels, inside, n, volume, notes if n == 1 else ())
        for n, (labels, inside) in enumerate(zip(maps, members, strict=True), 1)
    )


def _label_map(
    labels: NDArray[np.uint16],
    segments: list[Segment],
    number: int,
    volume: Volume,
    notes: tuple[str, ...],
) -> LabelMap:
    small = max(s.number for s in segments) < 256
    keys = dict.fromkeys(key for s in segments for key in s.columns)
    columns: dict[str, list[Any]] = {
        "index": [s.number for s in segments],
        "name": [s.name for s in segments],
        **{key: [s.columns.get(key) for s in segments] for key in keys},
    }
    several = "Segments" if number == 1 else f"Segments {number}"
    name = segments[0].name if len(segments) == 1 else several
    return LabelMap(name, labels.astype(np.uint8) if small else labels, volume, columns, notes)
