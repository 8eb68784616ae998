"""Turn a grid's axes along the patient's, and back to how the file had them."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume

CANONICAL = "LPS"
LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))
"""Growing and falling along x, y and z of the patient."""


class Grid(NamedTuple):
    """Where the voxels of a file lie; ITK's terms, so x comes first.

    Parameters
    ----------
    size : (x, y, z)
    spacing : (x, y, z)
        Millimetres.
    origin : (x, y, z)
        LPS mm of the first voxel's centre.
    direction : (3, 3)
        Columns are the unit steps along the file's axes.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: NDArray[np.float64]


def orientation_code(direction: NDArray[np.float64]) -> str:
    """ITK's three letters for the axes of ``direction`` (3, 3): ``"LPS"`` is the identity."""
    strength = np.abs(direction)
    patient_axes = max(
        permutations(range(3)), key=lambda p: sum(strength[w, a] for a, w in enumerate(p))
    )
    return "".join(LETTERS[w][int(direction[w, axis] < 0)] for axis, w in enumerate(patient_axes))


def axes_of(code: str) -> tuple[tuple[int, bool], ...]:
    """For each file axis (x, y, z): the patient axis it runs along, and whether backwards."""
    found = [
        (world, bool(pair.index(letter)))
        for letter in code
        for world, pair in enumerate(LETTERS)
        if letter in pair
    ]
    if sorted(world for world, _ in found) != [0, 1, 2]:
        raise ValueError(f"{code!r} is no orientation code; it needs three letters, as in 'LPS'.")
    return tuple(found)


def to_canonical(voxels: NDArray, code: str) -> NDArray:
    """Array (z, y, x) in the file's order → (z, y, x) along the patient's axes; a view."""
    file_axis_of = {world: (axis, back) for axis, (world, back) in enumerate(axes_of(code))}
    order = [2 - file_axis_of[world][0] for world in (2, 1, 0)]
    flips = [slice(None, None, -1 if file_axis_of[world][1] else 1) for world in (2, 1, 0)]
    return voxels.transpose(order)[tuple(flips)]


def from_canonical(voxels: NDArray, code: str) -> NDArray:
    """Undo `to_canonical`: array (z, y, x) along the patient's axes → the file's order; a view."""
    axes = axes_of(code)
    flips = [slice(None)] * 3
    for world, back in axes:
        flips[2 - world] = slice(None, None, -1 if back else 1)
    order = [2 - world for world, _ in reversed(axes)]
    return voxels[tuple(flips)].transpose(order)


def canonical_volume(voxels: NDArray[np.int16], grid: Grid, **fields: object) -> Volume:
    """Volume from voxels (z, y, x) in the file's order on the file's grid.

    An oblique remainder stays in the volume's direction; only whole axes are turned.
    """
    code = orientation_code(grid.direction)
    axes = axes_of(code)
    corner = np.array(
        [(n - 1) if back else 0 for n, (_, back) in zip(grid.size, axes, strict=True)], float
    )
    origin = np.asarray(grid.origin) + grid.direction @ (corner * grid.spacing)
    direction, spacing = np.empty((3, 3)), [0.0, 0.0, 0.0]
    for axis, (world, back) in enumerate(axes):
        direction[:, world] = grid.direction[:, axis] * (-1.0 if back else 1.0)
        spacing[world] = float(grid.spacing[axis])
    return Volume(
        hu=np.ascontiguousarray(to_canonical(voxels, code)),
        spacing=(spacing[2], spacing[1], spacing[0]),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=direction + 0.0,  # no negative zeros
        stored_axes=code,
        **fields,  # type: ignore[arg-type]
    )


def stored_grid(volume: Volume) -> Grid:
    """The grid a volume's file had."""
    axes = axes_of(volume.stored_axes)
    last = np.array(volume.shape) - 1
    corner = np.zeros(3)
    for world, back in axes:
        corner[2 - world] = last[2 - world] if back else 0
    origin = volume.to_world(corner)
    direction = np.stack(
        [volume.direction[:, world] * (-1.0 if back else 1.0) for world, back in axes], axis=1
    )
    size = [volume.shape[2 - world] for world, _ in axes]
    spacing = [volume.spacing[2 - world] for world, _ in axes]
    return Grid(
        (size[0], size[1], size[2]),
        (spacing[0], spacing[1], spacing[2]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        direction + 0.0,
    )
