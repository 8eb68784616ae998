"""Build the index of known nodules, each by the same path as a click."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.preprocessing.patch import PATCH_SHAPE, cut_patch
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.workflow.click import outline
from napari_vaemed.workflow.encode import encode_patches, nodule_centre


def build_index(model: Model, nodules: NoduleSet) -> Work[NoduleIndex]:
    """Click every nodule of the set at its record's centre; keep the posterior and the volume."""
    clicks = yield from click_all(nodules)
    posterior = encode_patches(model, clicks.patches)
    records = tuple(
        replace(record, clicked_mm3=None if np.isnan(mm3) else float(mm3))
        for record, mm3 in zip(nodules.records, clicks.volumes_mm3, strict=True)
    )
    return NoduleIndex(records, posterior, model.sha256, nodules.source)


@dataclass(frozen=True, eq=False)
class Clicks:
    """What clicks in n nodules' crops give.

    Parameters
    ----------
    patches : (n, 32, 32, 32) int16
        In HU, around the mask's centroid, or around the click where it was refused.
    volumes_mm3 : (n,) float
        Of the masks; nan where the click was refused.
    """

    patches: NDArray[np.int16]
    volumes_mm3: NDArray[np.float64]


def click_all(nodules: NoduleSet, shifts_mm: NDArray[np.float64] | None = None) -> Work[Clicks]:
    """Click in the crop of each nodule.

    Parameters
    ----------
    shifts_mm : (n, 3) or None
        How far beside the record's centre each click is, (x, y, z); default: on it.
    """
    n = len(nodules)
    shifts = np.zeros((n, 3)) if shifts_mm is None else shifts_mm
    clicks = Clicks(np.empty((n, *PATCH_SHAPE), np.int16), np.full(n, np.nan))
    for number, (record, volume) in enumerate(zip(nodules.records, nodules.volumes, strict=True)):
        voxel = volume.to_voxel(np.array(record.centre_mm) + shifts[number])
        try:
            mask = outline(volume, voxel)
            clicks.volumes_mm3[number] = mask.voxels.sum() * volume.voxel_mm3
        except NoNodule:
            mask = None
        centre = nodule_centre(volume, mask, voxel)
        clicks.patches[number] = np.round(cut_patch(volume, centre).hu)
        if number % 25 == 0:
            yield Progress("Clicking nodules", number, n)
    return clicks
