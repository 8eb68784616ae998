"""Eleven numbers of a nodule's mask: what a ruler and a histogram tell without any network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume

MASK_FEATURES = (
    "log volume",
    "diameter",
    "mean HU",
    "HU deviation",
    "10th percentile of HU",
    "90th percentile of HU",
    "calcified share",
    "extent z",
    "extent y",
    "extent x",
    "filled share of its box",
)
"""Natural logarithm of mm³, mm of the sphere of that volume, HU, shares, mm."""

CALCIFIED_HU = 200.0


def mask_features(volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The `MASK_FEATURES`, (11,), of a mask on the volume's grid.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    if not mask.any():
        raise ValueError("An empty mask has no features. Leave the nodule out.")
    hu = volume.hu[mask]
    mm3 = len(hu) * volume.voxel_mm3
    low, high = np.percentile(hu, (10, 90))
    at = np.argwhere(mask)
    extent = (np.ptp(at, axis=0) + 1) * volume.spacing
    return np.array(
        [
            np.log(mm3),
            np.cbrt(6 * mm3 / np.pi),
            hu.mean(),
            hu.std(),
            low,
            high,
            (hu > CALCIFIED_HU).mean(),
            *extent,
            mm3 / extent.prod(),
        ]
    )
