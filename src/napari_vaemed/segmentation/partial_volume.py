"""How much of each voxel a nodule fills: its volume and outline finer than the voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume

MARGIN_MM = 4.0
NEAR_MM = 1.2
"""A border voxel is compared with what lies about this far from it inside and outside."""

LEAST_CONTRAST_HU = 150.0
MIXED_HU = 120.0
"""Where the inside varies so much, as a halo or a hollow does, its HU tells of no share."""

DENSEST_HU = 100.0
"""Soft tissue; a calcified centre does not make its rim half empty."""


@dataclass(frozen=True, eq=False)
class Filled:
    """A nodule as the share of each voxel that it fills, in a box around it.

    Parameters
    ----------
    share : (z, y, x) float32
        0 to 1.
    start : (z, y, x)
        Index of the box's first voxel in the volume.
    """

    share: NDArray[np.float32]
    start: tuple[int, int, int]


def filled(volume: Volume, mask: NoduleMask) -> Filled:
    """How much of each voxel a nodule fills.

    Only voxels at the mask's border, on both sides of it, are judged: each by where its HU lies
    between what is near it inside and what is near it outside. Where the two are alike, as at the
    chest wall or at a vessel, or the inside is mixed, the mask alone decides.
    """
    spacing = np.asarray(volume.spacing)
    box, inside = mask.around(volume.shape, np.ceil(MARGIN_MM / spacing).astype(int))
    hu = np.minimum(volume.hu[box], DENSEST_HU).astype(np.float32)

    grown = ndimage.binary_dilation(inside)
    core = ndimage.binary_erosion(inside, border_value=1)
    if not core.any():
        core = inside & (hu >= np.percentile(hu[inside], 70))
    beyond = ndimage.binary_dilation(grown, iterations=2) & ~grown
    reach = NEAR_MM / spacing
    within, without = (_near(hu, part, reach) for part in (core, beyond))
    judged = grown & ~core & (within - without > LEAST_CONTRAST_HU)
    deep = ndimage.binary_erosion(core)
    deep = deep if deep.any() else core
    variance = _near(np.square(hu), deep, reach) - np.square(_near(hu, deep, reach))
    judged &= ~(variance > MIXED_HU**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((hu - without) / (within - without), 0, 1)
    share = np.where(judged, part, inside).astype(np.float32)
    z, y, x = box
    return Filled(share, (z.start, y.start, x.start))


def _near(
    hu: NDArray[np.float32], part: NDArray[np.bool_], reach: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Mean HU of a part as it is near each voxel; nan where none of it is near."""
    weight = ndimage.gaussian_filter(part.astype(np.float32), reach, truncate=3.0)
    total = ndimage.gaussian_filter(np.where(part, hu, 0).astype(np.float32), reach, truncate=3.0)
    mean: NDArray[np.float32] = np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), np.nan)
    return mean
