"""From patient millimetres to voxels: where the points of a regular grid lie in a volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.volume import Volume


@dataclass(frozen=True, eq=False)
class Grid:
    """A box of points along the patient's axes, written in the voxel indices of one volume.

    Point (k, j, i) of the grid lies at voxel ``matrix @ (k, j, i) + offset``, (z, y, x).
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    shape: tuple[int, int, int]

    def voxels(self) -> NDArray[np.float64]:
        """Fractional voxel index (3, z, y, x) of every point."""
        points = np.indices(self.shape, dtype=float)
        turned = np.tensordot(self.matrix, points, axes=1)
        return turned + self.offset[:, None, None, None]


def grid_around(
    volume: Volume, centre_mm: ArrayLike, shape: tuple[int, int, int], spacing_mm: float
) -> Grid:
    """Lay a grid of points around a patient position.

    Parameters
    ----------
    centre_mm : (x, y, z)
        Middle of the grid in LPS mm; with an even number of points it lies between two.
    shape : (z, y, x)
        Number of points.
    spacing_mm : float
        Between points, along all axes.
    """
    x_step, y_step, z_step = np.eye(3) * spacing_mm
    origin = volume.to_voxel((0.0, 0.0, 0.0))
    steps = [volume.to_voxel(step) - origin for step in (z_step, y_step, x_step)]
    matrix = np.stack(steps, axis=1)
    middle = (np.array(shape) - 1) / 2.0
    offset = volume.to_voxel(centre_mm) - matrix @ middle
    return Grid(matrix, offset, shape)
