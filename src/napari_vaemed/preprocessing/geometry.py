"""From patient millimetres to voxels: where the points of other grids lie in a volume."""

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


@dataclass(frozen=True)
class Lattice:
    """Voxels in place of a volume's: along the same axes, of another size.

    Parameters
    ----------
    shape, spacing : (z, y, x)
        Number of voxels, and millimetres between them.
    origin : (x, y, z)
        LPS mm of the first voxel's centre.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]

    @classmethod
    def of_spacing(cls, volume: Volume, spacing: tuple[float, float, float]) -> Lattice:
        """Voxels of this size, so many that they fill the volume's extent as nearly as they can.

        What is left over or stands out does so on both sides alike, by less than half a voxel.
        """
        if len(spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing):
            raise ValueError(f"Spacing must be three positive mm (z, y, x); got {spacing}.")
        extent = np.multiply(volume.shape, volume.spacing)
        shape = np.maximum(1, np.floor(extent / spacing + 0.5 + 1e-9)).astype(int)
        return cls._centred(volume, shape, np.asarray(spacing, float))

    @classmethod
    def of_shape(cls, volume: Volume, shape: tuple[int, int, int]) -> Lattice:
        """So many voxels over the volume's extent, from outer edge to outer edge."""
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"A volume needs a voxel or more along z, y and x; got {shape}.")
        extent = np.multiply(volume.shape, volume.spacing)
        return cls._centred(volume, np.asarray(shape), extent / shape)

    @classmethod
    def _centred(
        cls, volume: Volume, shape: NDArray[np.int_], spacing: NDArray[np.float64]
    ) -> Lattice:
        steps = (shape - 1) / 2 * spacing
        middle = (np.array(volume.shape) - 1) / 2
        x, y, z = volume.to_world(middle - steps / volume.spacing).tolist()
        nz, ny, nx = shape.tolist()
        mm_z, mm_y, mm_x = spacing.tolist()
        return cls((nz, ny, nx), (mm_z, mm_y, mm_x), (x, y, z))

    def voxels_along(self, volume: Volume, axis: int) -> NDArray[np.float64]:
        """Fractional indices in the volume of the planes along one axis (0 is z)."""
        start = volume.to_voxel(self.origin)[axis]
        return start + np.arange(self.shape[axis]) * (self.spacing[axis] / volume.spacing[axis])


def isotropic(volume: Volume, to: str | float) -> Lattice:
    """Cubes over a volume: of so many mm, or those of its ``"finest"`` or ``"coarsest"`` axis.

    Raises
    ------
    ValueError
        Anything else.
    """
    named = {"finest": min(volume.spacing), "coarsest": max(volume.spacing)}
    try:
        mm = named[to] if isinstance(to, str) and to in named else float(to)
    except ValueError:
        raise ValueError(f"Cubes are finest, coarsest or of so many mm; got {to!r}.") from None
    return Lattice.of_spacing(volume, (mm, mm, mm))


def with_slices(volume: Volume, count: int) -> Lattice:
    """So many axial slices over the same extent; rows and columns stay."""
    return Lattice.of_shape(volume, (count, *volume.shape[1:]))
