"""What napari calls to save a layer: on the grid of the file its CT came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import carried_volume


class CannotSave(Exception):
    """The layer cannot be saved, and why; no ValueError, because napari hides those of writers."""


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Labels layer as NIfTI, NRRD or MHA; gives the paths written.

    A layer that carries its CT goes back to the CT's own grid; another one is placed by its
    scale and translate, in mm.
    """
    from napari_vaemed.io.volumes import write_mask

    with _said_aloud():
        labels = _three_axes(data)
        write_mask(path, labels, _grid_of(labels, attributes))
    return [path]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save an image layer of whole HU as NIfTI, NRRD or MHA; gives the paths written."""
    from napari_vaemed.io.volumes import write_volume

    with _said_aloud():
        values = _three_axes(data)
        write_volume(path, _whole_hu(values), _grid_of(values, attributes))
    return [path]


@contextmanager
def _said_aloud() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise CannotSave(str(error)) from error


def _whole_hu(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.int16:
        return values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("The layer holds voxels that are not numbers; they cannot be saved.")
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def _three_axes(data: Any) -> np.ndarray:
    voxels = np.asarray(data)
    if voxels.ndim != 3:
        raise ValueError(
            f"The layer has {voxels.ndim} axes; NIfTI, NRRD and MHA take a volume (z, y, x) here."
        )
    return voxels


def _grid_of(voxels: np.ndarray, attributes: dict[str, Any]) -> Volume:
    volume = carried_volume(attributes.get("metadata") or {})
    if volume is not None and volume.shape == voxels.shape:
        return volume
    z, y, x = (float(s) for s in attributes.get("scale", (1, 1, 1)))
    corner = [float(t) for t in attributes.get("translate", (0, 0, 0))]
    return Volume(
        hu=np.broadcast_to(np.int16(0), voxels.shape),
        spacing=(z, y, x),
        origin=(corner[2], corner[1], corner[0]),
    )
