"""A crop that goes on beyond its ends, so that nothing shows where it was cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.volume import Volume

ROOM_MM = 40.0
THINNEST_MM = 1.5
LUNG_HU = -850.0
WALL_MM = 24.0
"""What is wider than this in a slice, such as the chest wall, goes on as it is."""

Where = tuple[slice, slice, slice]


def continued(volume: Volume, fade: float, room_mm: float = ROOM_MM) -> tuple[Volume, Where]:
    """A crop continued on all sides, and where in the result it is.

    In a slice the outermost voxels are repeated, as in any patch. Beyond the first and the last
    slice the others are mirrored, texture and noise included; what is denser there than lung
    and no wall, as nodules and vessels are, keeps ``exp(-(d / fade)²)`` of its contrast ``d``
    slices away. So an end right at a nodule looks like a nodule's end, and any other like one
    that some vessels do not cross. Patient positions stay.

    Parameters
    ----------
    fade : float
        In slices, counted as `THINNEST_MM` at least. Infinity mirrors alone.
    """
    room = np.ceil(room_mm / np.asarray(volume.spacing)).astype(int)
    bare = np.maximum(_walls(volume.hu, volume.spacing), np.minimum(volume.hu, LUNG_HU))
    ends = [(room[0], room[0]), (0, 0), (0, 0)]
    whole, bare = (np.pad(hu, ends, mode="symmetric") for hu in (volume.hu, bare))
    slices, last = np.arange(len(whole)), room[0] + volume.shape[0] - 1
    beyond = np.maximum(room[0] - slices, slices - last).clip(0) * volume.spacing[0]
    kept = np.exp(-np.square(beyond / (fade * max(volume.spacing[0], THINNEST_MM))))[:, None, None]
    hu = np.rint(bare + (whole - bare) * kept).astype(np.int16)
    hu = np.pad(hu, [(0, 0), (room[1], room[1]), (room[2], room[2])], mode="edge")
    z, y, x = (slice(n, n + size) for n, size in zip(room.tolist(), volume.shape, strict=True))
    ox, oy, oz = volume.to_world(-room)
    return replace(volume, hu=hu, origin=(ox, oy, oz), padding=None), (z, y, x)


def _walls(hu: NDArray[np.int16], spacing: tuple[float, float, float]) -> NDArray[np.int16]:
    """Each slice without what is narrower than a wall; what it ends with goes on beyond it."""
    y, x = (max(1, round(WALL_MM / s)) for s in spacing[1:])
    wide = np.pad(hu, [(0, 0), (y, y), (x, x)], mode="edge")
    walls: NDArray[np.int16] = ndimage.grey_opening(wide, size=(1, y, x))[:, y:-y, x:-x]
    return walls
