"""A synthetic chest scanned twice: lying otherwise, on another grid, its nodules changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.data.rigid import RigidTransform
from napari_vaemed.data.volume import Volume

APART_MM, DEEP_MM, FREE_MM = 45.0, 14.0, 4.0
"""Nodules from each other, from the lung's border, from vessels."""
SOFT_MM = 1.5
"""Width of a nodule's border."""


@dataclass(frozen=True, eq=False)
class TwoScans:
    """Two scans of one chest and the truth of what changed.

    Parameters
    ----------
    current, prior : Volume
    transform : RigidTransform
        From the current scan's points to the prior's.
    same, grown, new, gone : (x, y, z)
        Where nodules lie, all in the current scan's coordinates, LPS mm.
    """

    current: Volume
    prior: Volume
    transform: RigidTransform
    same: NDArray[np.float64]
    grown: NDArray[np.float64]
    new: NDArray[np.float64]
    gone: NDArray[np.float64]


def chest_scanned_twice(
    *,
    shape: tuple[int, int, int] = (110, 170, 170),
    spacing: tuple[float, float, float] = (2.5, 2.0, 2.0),
    prior_shape: tuple[int, int, int] = (120, 150, 150),
    prior_spacing: tuple[float, float, float] = (2.2, 2.3, 2.3),
    seed: int = 7,
    degrees: tuple[float, float, float] = (4.0, -3.0, 6.0),
    shift_mm: tuple[float, float, float] = (10.0, -12.0, 8.0),
    diameters_mm: tuple[float, float] = (10.0, 14.0),
) -> TwoScans:
    """Make two scans of a chest with four balls as nodules, one of each fate.

    Parameters
    ----------
    degrees, shift_mm : (x, y, z)
        How the patient lies on the prior against the current scan.
    diameters_mm : two numbers
        Of all nodules; then of the one that has grown, on the current scan.
    """
    phantom = chest_phantom(shape=shape, spacing=spacing, seed=seed, nodules=())
    same, grown, new, gone = _places(phantom, 4, np.random.default_rng(seed))
    small, large = diameters_mm
    current = before = phantom.volume
    for centre, diameter in ((same, small), (grown, large), (new, small)):
        current = with_ball(current, centre, diameter)
    for centre in (same, grown, gone):
        before = with_ball(before, centre, small)
    middle = current.to_world(np.array(shape) / 2)
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    transform = RigidTransform(turn, middle + np.array(shift_mm) - turn @ middle)
    half = np.array(prior_shape)[::-1] * np.array(prior_spacing)[::-1] / 2
    x, y, z = (float(c) for c in middle + np.array(shift_mm) - half)
    grid = Volume(
        np.empty(prior_shape, np.int16), prior_spacing, (x, y, z), description="Synthetic prior"
    )
    prior = replace(grid, hu=seen_from(before, grid, transform.inverse()))
    return TwoScans(current, prior, transform, same, grown, new, gone)


def with_ball(
    volume: Volume, centre_mm: NDArray[np.float64], diameter_mm: float, hu: float = 30.0
) -> Volume:
    """The volume with a soft-edged ball in it; its border lies where half of it is tissue."""
    reach = np.ceil((diameter_mm / 2 + SOFT_MM) / np.array(volume.spacing)).astype(int) + 1
    middle = np.rint(volume.to_voxel(centre_mm)).astype(int)
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, volume.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    index = np.moveaxis(np.indices(high - low), 0, -1) + low
    away = np.linalg.norm(volume.to_world(index) - centre_mm, axis=-1)
    share = np.clip((diameter_mm / 2 - away) / SOFT_MM + 0.5, 0, 1)
    painted = volume.hu.copy()
    painted[box] = np.rint(painted[box] * (1 - share) + hu * share)
    return replace(volume, hu=painted)


def seen_from(volume: Volume, grid: Volume, transform: RigidTransform) -> NDArray[np.int16]:
    """HU of a volume at where the points of a grid lie in it, linear; air outside."""
    out = np.empty(grid.shape, np.int16)
    plane = np.moveaxis(np.indices(grid.shape[1:]), 0, -1)
    for z, target in enumerate(out):
        index = np.concatenate([np.full((*plane.shape[:2], 1), z), plane], axis=-1)
        there = volume.to_voxel(transform(grid.to_world(index)))
        values = ndimage.map_coordinates(
            volume.hu, np.moveaxis(there, -1, 0), float, order=1, cval=-1024
        )
        target[:] = np.rint(values)
    return out


def _places(phantom: Phantom, count: int, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Places deep in the lungs, free of large vessels, far from each other."""
    lung, spacing = in_lungs(phantom.lungs), phantom.volume.spacing
    deep = ndimage.distance_transform_edt(lung, sampling=spacing)
    free = ndimage.distance_transform_edt(lung & ~phantom.vessels, sampling=spacing)
    voxels = np.argwhere((deep > DEEP_MM) & (free > FREE_MM))
    found: list[NDArray[np.float64]] = []
    for place in phantom.volume.to_world(rng.permutation(voxels)):
        if all(np.linalg.norm(place - other) > APART_MM for other in found):
            found.append(place)
        if len(found) == count:
            return found
    raise ValueError(f"There is no room for {count} nodules in this chest. Make it finer.")
