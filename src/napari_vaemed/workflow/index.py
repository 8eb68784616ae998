"""Build the index of known nodules, each by the same path as a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.preprocessing.patch import PATCH_SHAPE, cut_patch
from napari_vaemed.segmentation.nodules import NoNodule, segment_nodule
from napari_vaemed.workflow.encode import encode_patches, nodule_centre


def build_index(model: Model, nodules: NoduleSet) -> Work[NoduleIndex]:
    """Click every nodule of the set at its record's centre and keep the posterior."""
    patches = yield from clicked_patches(nodules)
    posterior = encode_patches(model, patches)
    return NoduleIndex(nodules.records, posterior, model.sha256, nodules.source)


def clicked_patches(
    nodules: NoduleSet, shifts_mm: NDArray[np.float64] | None = None
) -> Work[NDArray[np.int16]]:
    """Patches (n, 32, 32, 32) in HU, as a click in each nodule's crop gives them.

    Parameters
    ----------
    shifts_mm : (n, 3) or None
        How far beside the record's centre each click is, (x, y, z); default: on it.
    """
    n = len(nodules)
    shifts = np.zeros((n, 3)) if shifts_mm is None else shifts_mm
    patches = np.empty((n, *PATCH_SHAPE), np.int16)
    for number, (record, volume) in enumerate(zip(nodules.records, nodules.volumes, strict=True)):
        voxel = volume.to_voxel(np.array(record.centre_mm) + shifts[number])
        try:
            mask = segment_nodule(volume, voxel)
        except NoNodule:
            mask = None
        centre = nodule_centre(volume, mask, voxel)
        patches[number] = np.round(cut_patch(volume, centre).hu)
        if number % 25 == 0:
            yield Progress("Clicking nodules", number, n)
    return patches
