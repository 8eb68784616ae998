"""Pictures of a finding and of its nearest known nodules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume

if TYPE_CHECKING:
    from napari_vaemed.data.nodule import NoduleRecord
    from napari_vaemed.workflow.examine import Described, Marked


@dataclass(frozen=True, eq=False)
class Picture:
    """A nodule's patch, (32, 32, 32) int16 HU at 1 mm; ``true`` if it is CT and not decoded."""

    hu: NDArray[np.int16]
    true: bool


@dataclass(frozen=True, eq=False)
class Pictures:
    """The finding itself as it is in the CT, and its twins in their order."""

    query: Picture
    twins: tuple[Picture, ...]


def pictures(said: Described, volume: Volume, marked: Marked, folder: Path | None) -> Pictures:
    """Cut the finding's patch, and the twins' where LIDC-IDRI crops are at hand.

    Parameters
    ----------
    folder : Path or None
        Holds ``image/<id>.nii.gz``; without it, or where a file is missing, a twin's picture is
        the decoder's reconstruction.
    """
    near = zip(said.neighbours, said.pictures, strict=True)
    return Pictures(
        Picture(_cut(volume, marked.measurement.centre_mm), true=True),
        tuple(_twin(neighbour.record, decoded, folder) for neighbour, decoded in near),
    )


def _twin(record: NoduleRecord, decoded: NDArray[np.int16], folder: Path | None) -> Picture:
    path = None if folder is None else folder / "image" / f"{record.id}.nii.gz"
    if path is None or not path.is_file():
        return Picture(decoded, true=False)
    from napari_vaemed.io.volumes import read_volume

    return Picture(_cut(read_volume(path), record.centre_mm), true=True)


def _cut(volume: Volume, centre_mm: tuple[float, float, float]) -> NDArray[np.int16]:
    from napari_vaemed.preprocessing.patch import cut_patch

    return np.rint(cut_patch(volume, centre_mm).hu).astype(np.int16)
