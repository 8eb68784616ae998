"""The nodule patch: 32 mm of CT around a point, 1 mm a voxel, for training and click alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.geometry import Grid, grid_around

PATCH_SHAPE = (32, 32, 32)
"""Voxels of a patch along z, y and x."""

PATCH_SPACING = 1.0
"""Millimetres between them."""

_ROUNDING = 1e-4  # voxels; a point that misses the edge by less still lies on it


@dataclass(frozen=True, eq=False)
class Patch:
    """A small cube of CT along the patient's axes.

    Parameters
    ----------
    hu : (z, y, x) float32
        Hounsfield units; beyond the volume the nearest voxel's.
    measured : (z, y, x) bool
        True where every voxel that was interpolated lies inside the volume.
    centre_mm : (x, y, z)
        Patient position of the cube's middle, LPS mm.
    """

    hu: NDArray[np.float32]
    measured: NDArray[np.bool_]
    centre_mm: tuple[float, float, float]


def cut_patch(
    volume: Volume,
    centre_mm: ArrayLike,
    *,
    shape: tuple[int, int, int] = PATCH_SHAPE,
    spacing_mm: float = PATCH_SPACING,
) -> Patch:
    """Cut the patch around a patient position by trilinear interpolation.

    The same function serves training crops and clicks in a full scan, so that a nodule looks the
    same from both. It reads only the voxels near the patch.

    Parameters
    ----------
    centre_mm : (x, y, z)
        LPS mm. Anywhere: beyond the volume its edge is repeated.
    shape : (z, y, x)
        Voxels of the patch; an even number puts the centre between the two middle ones.
    spacing_mm : float
        Isotropic.

    Raises
    ------
    ValueError
        If the centre is not three finite numbers.
    """
    x, y, z = _position(centre_mm)
    grid = grid_around(volume, (x, y, z), shape, spacing_mm)
    at = grid.voxels()
    last = np.array(volume.shape)[:, None, None, None] - 1
    measured = np.all((at >= -_ROUNDING) & (at <= last + _ROUNDING), axis=0)
    start, box = _box_of(volume.hu, at)
    hu = _interpolate(box.astype(np.float32), replace(grid, offset=grid.offset - start), "nearest")
    return Patch(hu, measured, (x, y, z))


def cut_mask(
    volume: Volume,
    mask: NDArray[np.bool_],
    centre_mm: ArrayLike,
    *,
    shape: tuple[int, int, int] = PATCH_SHAPE,
    spacing_mm: float = PATCH_SPACING,
) -> NDArray[np.bool_]:
    """Cut the patch of a mask, (z, y, x) bool on the volume's grid; nothing lies beyond it."""
    return cut_mask_share(volume, mask, centre_mm, shape=shape, spacing_mm=spacing_mm) >= 0.5


def cut_mask_share(
    volume: Volume,
    mask: NDArray[np.bool_],
    centre_mm: ArrayLike,
    *,
    shape: tuple[int, int, int] = PATCH_SHAPE,
    spacing_mm: float = PATCH_SPACING,
) -> NDArray[np.float32]:
    """How far each sample of the patch lies in the mask, 0 to 1, by trilinear interpolation."""
    if mask.shape != volume.shape:
        raise ValueError(f"The mask must have the volume's shape {volume.shape}; got {mask.shape}.")
    grid = grid_around(volume, _position(centre_mm), shape, spacing_mm)
    start, box = _box_of(mask, grid.voxels())
    grid = replace(grid, offset=grid.offset - start)
    return _interpolate(box.astype(np.float32), grid, "grid-constant")


def _position(centre_mm: ArrayLike) -> tuple[float, float, float]:
    centre = np.asarray(centre_mm, float)
    if centre.shape != (3,) or not np.isfinite(centre).all():
        raise ValueError(
            f"The centre of a patch must be three finite numbers x, y, z in LPS mm; got {centre}."
        )
    x, y, z = centre.tolist()
    return x, y, z


def _box_of(voxels: NDArray, at: NDArray[np.float64]) -> tuple[NDArray[np.int_], NDArray]:
    """First index and voxels of the box that supports an interpolation at ``at``."""
    size = np.array(voxels.shape)
    low = np.clip(np.floor(at.min(axis=(1, 2, 3))).astype(int) - 1, 0, size - 1)
    high = np.clip(np.ceil(at.max(axis=(1, 2, 3))).astype(int) + 2, low + 1, size)
    z, y, x = (slice(a, b) for a, b in zip(low, high, strict=True))
    return low, voxels[z, y, x]


def _interpolate(box: NDArray[np.float32], grid: Grid, beyond: str) -> NDArray[np.float32]:
    diagonal = np.diag(grid.matrix)
    straight = np.allclose(grid.matrix, np.diag(diagonal), atol=1e-12)
    return ndimage.affine_transform(
        box,
        diagonal if straight else grid.matrix,  # scipy is faster when it knows
        offset=grid.offset,
        output_shape=grid.shape,
        order=1,
        mode=beyond,
    )


def middle_planes(patch: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Axial, coronal and sagittal plane through the middle of a patch (z, y, x).

    As they are looked at: the patient's right on the left, the front up or on the left, the head
    up.
    """
    z, y, x = (size // 2 for size in patch.shape)
    return patch[z], patch[::-1, y, :], patch[::-1, :, x]
