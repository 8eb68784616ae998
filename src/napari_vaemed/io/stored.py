"""Bring what was drawn on a volume back onto the slices its file has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume
from napari_vaemed.io.orientation import from_canonical, stored_grid


def to_stored_grid(labels: NDArray, volume: Volume) -> NDArray:
    """Labels (z, y, x) of a volume → (n, rows, columns) on its stored slices.

    Where the volume lies on its file's own grid this is a turned view. Of slices that were
    unevenly spaced or tilted (`Volume.stored`) each pixel takes the label of the voxel it lies
    in; pixels outside the volume become 0.

    Raises
    ------
    ValueError
        Labels of another shape than the volume.
    """
    if labels.shape != volume.shape:
        raise ValueError(
            f"The mask has shape {labels.shape}, its volume {volume.shape} (z, y, x); "
            "they must be the same to be returned to the stored slices."
        )
    planes = from_canonical(labels, volume.stored_axes)
    if volume.stored is None:
        return planes
    stored, grid = volume.stored, stored_grid(volume)
    away = (stored.positions - grid.origin) @ grid.direction / grid.spacing
    rows, columns = stored.shape
    out = np.zeros((len(stored.positions), rows, columns), labels.dtype)
    for k, (right, down, along) in enumerate(away):
        place = round(along)
        if 0 <= place < len(planes):
            out[k] = _moved(planes[place], round(down), round(right), stored.shape)
    return out


def _moved(plane: NDArray, down: int, right: int, shape: tuple[int, int]) -> NDArray:
    """The part of a plane (rows, columns) that begins at an offset; 0 beyond its edges."""
    out = np.zeros(shape, plane.dtype)
    first = max(0, -down), max(0, -right)
    part = plane[max(0, down) : down + shape[0], max(0, right) : right + shape[1]]
    out[first[0] : first[0] + part.shape[0], first[1] : first[1] + part.shape[1]] = part
    return out
