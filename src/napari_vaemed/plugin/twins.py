"""Pictures of a finding and of its nearest known nodules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume

if TYPE_CHECKING:
    from napari_vaemed.workflow.examine import Described, Expert, Marked


@dataclass(frozen=True, eq=False)
class Picture:
    """A nodule's patch, (32, 32, 32) int16 HU at 1 mm; ``true`` if it is CT and not decoded.

    ``path`` is the file it was cut from, where there is one of a known nodule.
    """

    hu: NDArray[np.int16]
    true: bool
    path: Path | None = None


@dataclass(frozen=True, eq=False)
class Pictures:
    """The finding itself as it is in the CT, and its twins in their order."""

    query: Picture
    twins: tuple[Picture, ...]


def pictures(
    expert: Expert, said: Described, volume: Volume, marked: Marked, folder: Path | None
) -> Pictures:
    """Cut the finding's patch, and the twins' where LIDC-IDRI crops are at hand.

    Parameters
    ----------
    folder : Path or None
        Holds ``image/<id>.nii.gz``; without it, or where a file is missing, a twin's picture is
        the decoder's reconstruction.
    """
    from napari_vaemed.workflow.neighbour_figures import cut

    query = Picture(cut(volume, marked.measurement.centre_mm), true=True)
    decoded = {n.row: hu for n, hu in zip(said.neighbours, said.pictures, strict=True)}
    return Pictures(query, twin_pictures(expert, list(decoded), folder, decoded))


def twin_pictures(
    expert: Expert,
    rows: Sequence[int],
    folder: Path | None,
    decoded: dict[int, NDArray[np.int16]] | None = None,
) -> tuple[Picture, ...]:
    """Pictures of nodules of the index.

    Parameters
    ----------
    folder : Path or None
        As in `pictures`.
    decoded : mapping or None
        What is decoded already, by row.
    """
    from napari_vaemed.workflow.neighbour_figures import crop_of, known_patches

    drawn = known_patches(expert, rows, folder, decoded)
    paths = (crop_of(expert.index.records[row], folder) for row in rows)
    return tuple(Picture(hu, true, path) for (hu, true), path in zip(drawn, paths, strict=True))
