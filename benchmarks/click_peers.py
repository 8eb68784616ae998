"""What others make of the same click: region growing, confidence-connected, random walker."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from skimage.segmentation import random_walker

from napari_vaemed.data.volume import Volume

LUNG_HU, AIR_HU, TISSUE_HU = -850.0, -750.0, 100.0
WALKED_MM, FAR_MM = 18.0, 16.0
BETA = 130


def region_growing(volume: Volume, voxel: np.ndarray) -> np.ndarray:
    """The piece around the click above half way from lung to what the click meets."""
    z, y, x = (int(v) for v in np.rint(voxel))
    around = volume.hu[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    pieces, _ = ndimage.label(volume.hu > (float(around.mean()) + LUNG_HU) / 2)
    return (pieces == pieces[z, y, x]) & (pieces > 0)


def confidence_connected(volume: Volume, voxel: np.ndarray) -> np.ndarray:
    """SimpleITK's, as its examples set it."""
    grown = sitk.ConfidenceConnected(
        sitk.GetImageFromArray(volume.hu.astype(np.float32)),
        seedList=[tuple(int(v) for v in np.rint(voxel)[::-1])],
        numberOfIterations=2,
        multiplier=2.5,
        initialNeighborhoodRadius=1,
    )
    return sitk.GetArrayFromImage(grown) > 0


def walked(volume: Volume, voxel: np.ndarray) -> np.ndarray:
    """scikit-image's random walker from 1 mm around the click; lung and all far off is outside."""
    spacing, found = np.asarray(volume.spacing), np.zeros(volume.shape, bool)
    reach = np.ceil(WALKED_MM / spacing)
    low = np.maximum(np.rint(voxel - reach), 0).astype(int)
    high = np.minimum(np.rint(voxel + reach) + 1, volume.shape).astype(int)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    hu = volume.hu[part].clip(-1000, TISSUE_HU).astype(float)
    away = np.linalg.norm(
        (np.moveaxis(np.indices(hu.shape), 0, -1) + low - voxel) * spacing, axis=-1
    )
    seeds = np.zeros(hu.shape, np.int8)
    seeds[(ndimage.gaussian_filter(hu, 0.5 / spacing) < AIR_HU) | (away > FAR_MM)] = 2
    seeds[(away <= 1.0) | (away == away.min())] = 1
    if (seeds == 2).any() and (seeds == 0).any():
        seeds = random_walker(
            hu / 1000, seeds, beta=BETA, mode="cg_j", spacing=spacing, prob_tol=0.1
        )
    found[part] = seeds == 1
    return found


PEERS = {
    "region growing": region_growing,
    "confidence-connected": confidence_connected,
    "random walker": walked,
}


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(int(a.sum() + b.sum()), 1))
