"""Solid, part-solid, ground glass or calcified: a nodule's density class and its solid part.

Soft tissue begins at −300 HU: of thresholds from −500 to −130 HU, −250 and −300 HU told part-solid
from ground-glass nodules best and gave the readers' solid volumes, from a solid share of 6 % on
(thresholds on 102 subsolid nodules, read in an abstract). Calcium counts from 200 HU, and from a
tenth of the nodule on (Khan, Ann Thorac Med 2010;5:67, doi 10.4103/1817-1737.62469).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume

SOLID_HU, CALCIUM_HU, CAVITY_HU = -300.0, 200.0, -750.0
LEAST_SOLID, LEAST_GLASS, LEAST_CALCIUM = 0.06, 0.25, 0.1
BLUR_MM = 1.2
"""Nearer to the border than this, a solid nodule looks like ground glass for its blur."""


def density_class(volume: Volume, mask: NoduleMask) -> str:
    """One of `data.guideline.DENSITIES`.

    Shares are of the nodule without its blurred border; where nothing is left of a small nodule
    but border, of the denser half of its voxels. What is fainter inside a solid wall is a cavity,
    not ground glass.
    """
    hu = volume.hu[mask.where]
    inner = _inner(hu, mask.voxels, volume.spacing)
    if (hu[inner] >= CALCIUM_HU).mean() >= LEAST_CALCIUM:
        return "calcified"
    dense = mask.voxels & (hu >= SOLID_HU)
    if dense[inner].mean() < LEAST_SOLID:
        return "ground-glass"
    walled = np.stack([ndimage.binary_fill_holes(plane) for plane in dense])
    return "part-solid" if 1 - walled[inner].mean() >= LEAST_GLASS else "solid"


def solid_part(volume: Volume, mask: NoduleMask, step_hu: int = 0) -> NoduleMask | None:
    """The largest piece of soft tissue in a nodule; None where there is none.

    ``step_hu`` moves the threshold, to see what depends on it.
    """
    pieces, count = ndimage.label(mask.voxels & (volume.hu[mask.where] >= SOLID_HU + step_hu))
    if count == 0:
        return None
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    core = NoduleMask.of(largest)
    z, y, x = (a + b for a, b in zip(core.start, mask.start, strict=True))
    return NoduleMask(core.voxels, (z, y, x))


def _inner(
    hu: NDArray[np.int16], inside: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """The nodule's voxels away from air: its border's and a cavity's blur left out."""
    tissue = np.pad(inside & (hu > CAVITY_HU), 1)
    depth = ndimage.distance_transform_edt(tissue, sampling=spacing)[1:-1, 1:-1, 1:-1]
    pixel = max(spacing[1:])  # a border voxel is mixed however large it is
    inner: NDArray[np.bool_] = depth > max(BLUR_MM, 1.01 * pixel)
    if inner.sum() >= 4:
        return inner
    return inside & (hu >= np.median(hu[inside]))
