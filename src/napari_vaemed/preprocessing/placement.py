"""Labels of one grid on another: every voxel takes the label that lies nearest to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.stored import StoredSlices
from napari_vaemed.data.volume import Volume

Labels = NDArray[np.integer | np.bool_]

STRAIGHT = 1e-6
"""Largest part of a step, in voxels, along another axis for the grids to count as parallel."""


def labels_on(labels: Labels, grid: Volume, volume: Volume) -> Labels:
    """Labels (z, y, x) of ``grid`` on the voxels of ``volume``; 0 where the grid does not reach.

    On a grid whose voxel centres are some of the volume's own the answer is exact.
    """
    origin = grid.to_voxel(volume.to_world((0, 0, 0)))
    steps = grid.to_voxel(volume.to_world(np.eye(3))) - origin
    placed = np.zeros(volume.shape, labels.dtype)
    if np.abs(steps - np.diag(np.diag(steps))).max() * max(volume.shape) < STRAIGHT * 1e3:
        _place_parallel(placed, labels, origin, np.diag(steps))
    else:
        _place_turned(placed, labels, origin, steps)
    return placed


def _place_parallel(
    placed: NDArray, labels: NDArray, origin: NDArray[np.float64], step: NDArray[np.float64]
) -> None:
    """Grids with parallel axes: one index a voxel along each axis."""
    here, there = [], []
    for axis, (count, most) in enumerate(zip(placed.shape, labels.shape, strict=True)):
        nearest = _nearest(origin[axis] + step[axis] * np.arange(count))
        inside = (nearest >= 0) & (nearest < most)
        here.append(np.flatnonzero(inside))
        there.append(nearest[inside])
    if all(len(h) for h in here):
        placed[np.ix_(*here)] = labels[np.ix_(*there)]


def _place_turned(
    placed: NDArray, labels: NDArray, origin: NDArray[np.float64], steps: NDArray[np.float64]
) -> None:
    """Grids turned against each other, slice by slice of the result."""
    plane = np.moveaxis(np.indices(placed.shape[1:]), 0, -1) @ steps[1:] + origin
    for z, target in enumerate(placed):
        _take_nearest(target, labels, plane + z * steps[0])


def _take_nearest(target: NDArray, labels: NDArray, index: NDArray[np.float64]) -> None:
    """Labels at fractional voxel indices (rows, columns, 3); what lies outside stays."""
    nearest = _nearest(index)
    inside = ((nearest >= 0) & (nearest < labels.shape)).all(axis=-1)
    target[inside] = labels[tuple(nearest[inside].T)]


def _nearest(index: NDArray[np.float64]) -> NDArray[np.intp]:
    """Nearest whole index; of two equally near the lower, whatever the rounding noise."""
    return np.ceil(index - 0.5 - 1e-6).astype(np.intp)


def labels_on_slices(labels: Labels, volume: Volume) -> Labels:
    """Labels (z, y, x) of a volume on the slices it was resampled from, (n, rows, columns).

    Raises
    ------
    ValueError
        The volume was not resampled from slices.
    """
    slices = _slices_of(volume)
    out = np.zeros((len(slices.positions), *slices.shape), labels.dtype)
    steps = slices.direction[:, :2][:, ::-1] * slices.pixel_spacing
    zero = volume.to_voxel((0.0, 0.0, 0.0))
    by_row, by_column = (volume.to_voxel(step) - zero for step in steps.T)
    pixels = np.moveaxis(np.indices(slices.shape), 0, -1) @ np.stack([by_row, by_column])
    for target, position in zip(out, slices.positions, strict=True):
        _take_nearest(target, labels, pixels + volume.to_voxel(position))
    return out


def labels_from_slices(stored: Labels, volume: Volume) -> Labels:
    """Undo `labels_on_slices`: labels (n, rows, columns) on the voxels of the volume, (z, y, x).

    Each voxel takes the nearest pixel of the nearest slice.

    Raises
    ------
    ValueError
        The volume was not resampled from slices.
    """
    slices = _slices_of(volume)
    column, row, normal = slices.direction.T
    heights = slices.positions @ normal
    row_step, column_step = slices.pixel_spacing
    plane = np.moveaxis(np.indices(volume.shape[1:]), 0, -1)
    out = np.zeros(volume.shape, stored.dtype)
    for z, target in enumerate(out):
        index = np.concatenate([np.full((*plane.shape[:2], 1), z), plane], axis=-1)
        world = volume.to_world(index)
        nearest = np.abs((world @ normal)[..., None] - heights).argmin(axis=-1)
        beside = world - slices.positions[nearest]
        pixel = np.stack([nearest, beside @ row / row_step, beside @ column / column_step], -1)
        _take_nearest(target, stored, pixel)
    return out


def _slices_of(volume: Volume) -> StoredSlices:
    if volume.stored is None:
        raise ValueError("The volume's planes are its stored slices; it was not resampled.")
    return volume.stored


def labels_present(labels: Labels) -> list[int]:
    """The labels that stand somewhere, 0 left out, rising; none of them negative."""
    most = int(labels.max()) + 1 if labels.size else 1
    counts = sum(np.bincount(plane.ravel(), minlength=most) for plane in labels)
    return [int(n) for n in np.flatnonzero(counts) if n]


def shares_voxels(grid: Volume, volume: Volume) -> bool:
    """Whether the centres of ``grid``'s voxels are voxel centres of ``volume``, to a hundredth."""
    corners = np.array([(0, 0, 0), *(np.diag(grid.shape) - np.eye(3))])
    there = volume.to_voxel(grid.to_world(corners))
    whole = np.abs(there - np.rint(there)).max() < 0.01
    expected = there[0] + corners
    return bool(whole and np.abs(there - expected).max() < 0.01)
