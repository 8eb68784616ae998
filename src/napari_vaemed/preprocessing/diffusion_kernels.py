"""One step of anisotropic diffusion, plane by plane."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True, error_model="numpy")
def diffuse_planes(
    values: NDArray[np.float32],
    first: int,
    last: int,
    per_mm: NDArray[np.float32],
    edge: float,
    step: float,
    out: NDArray[np.float32],
) -> None:
    """Write the planes ``first`` to ``last`` (without it) of ``values`` after one step.

    Across each face between two voxels flows the difference times ``exp(-(g / edge)²)``, where g
    is the length of the gradient at the face: the difference along its axis, and the mean of
    central differences on both sides along the others (Perona and Malik 1990; ITK's
    ``GradientNDAnisotropicDiffusionFunction``).

    Parameters
    ----------
    values, out : (z, y, x)
    per_mm : (z, y, x)
        Voxels in a millimetre; 0 along z keeps planes apart.
    edge : float
        HU per mm.
    step : float
        Of time, mm².
    """
    depth, rows, columns = values.shape
    in_z, in_y, in_x = per_mm
    sharp = np.float32(-1.0 / (edge * edge))
    quarter, time = np.float32(0.25), np.float32(step)
    slopes = np.zeros((2, 3, rows, columns), np.float32)  # of this plane and the next
    below = np.zeros((rows, columns), np.float32)  # what flows through the faces to the last plane
    start = first - 1 if first > 0 and in_z > 0 else first
    for z in range(start, last):
        if z == start or in_z == 0:
            _slopes(values, z, per_mm, slopes[0])
        else:
            slopes[0] = slopes[1]
        if in_z > 0:
            _slopes(values, min(z + 1, depth - 1), per_mm, slopes[1])
        here, above = slopes[0], slopes[1]
        side = np.zeros(columns, np.float32)  # what flows through the faces to the last row
        for y in range(rows):
            line = values[z, y]
            next_line = values[z, min(y + 1, rows - 1)]
            next_plane = values[min(z + 1, depth - 1), y]
            next_y = min(y + 1, rows - 1)
            flow_x = np.float32(0)
            for x in range(columns):
                x_next = min(x + 1, columns - 1)
                ahead_x = (line[x_next] - line[x]) * in_x
                across = here[1, y, x] + here[1, y, x_next]
                along = here[0, y, x] + here[0, y, x_next]
                steep = ahead_x * ahead_x + quarter * (across * across + along * along)
                through_x = ahead_x * np.exp(steep * sharp)

                ahead_y = (next_line[x] - line[x]) * in_y
                across = here[2, y, x] + here[2, next_y, x]
                along = here[0, y, x] + here[0, next_y, x]
                steep = ahead_y * ahead_y + quarter * (across * across + along * along)
                through_y = ahead_y * np.exp(steep * sharp)

                through_z = np.float32(0)
                if in_z > 0:
                    ahead_z = (next_plane[x] - line[x]) * in_z
                    across = here[2, y, x] + above[2, y, x]
                    along = here[1, y, x] + above[1, y, x]
                    steep = ahead_z * ahead_z + quarter * (across * across + along * along)
                    through_z = ahead_z * np.exp(steep * sharp)
                if z >= first:
                    gained = (through_x - flow_x) * in_x + (through_y - side[x]) * in_y
                    gained += (through_z - below[y, x]) * in_z
                    out[z, y, x] = line[x] + time * gained
                flow_x, side[x], below[y, x] = through_x, through_y, through_z


@njit(nogil=True, cache=True)
def _slopes(
    values: NDArray[np.float32],
    z: int,
    per_mm: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Central differences (axis, y, x) of a plane, by mm."""
    depth, rows, columns = values.shape
    half = per_mm * np.float32(0.5)
    above, below = values[min(z + 1, depth - 1)], values[max(z - 1, 0)]
    for y in range(rows):
        line = values[z, y]
        back, front = values[z, min(y + 1, rows - 1)], values[z, max(y - 1, 0)]
        for x in range(columns):
            out[0, y, x] = (above[y, x] - below[y, x]) * half[0]
            out[1, y, x] = (back[x] - front[x]) * half[1]
            out[2, y, x] = (line[min(x + 1, columns - 1)] - line[max(x - 1, 0)]) * half[2]
