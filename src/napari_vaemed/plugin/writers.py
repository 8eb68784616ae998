"""What napari calls to save a layer: on the grid of the file its CT came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_vaemed.data.annotation import PointMarks
from napari_vaemed.data.labels import LUNG_NAMES
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.cases import MADE
from napari_vaemed.plugin.layers import carried_volume
from napari_vaemed.plugin.scans import identity_source, open_scans, patient_mm, scan_shown_on


class CannotSave(Exception):
    """The layer cannot be saved, and why; no ValueError, because napari hides those of writers."""


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Labels layer as NIfTI, NRRD, MHA or DICOM SEG; gives the paths written.

    A layer on an open CT goes back to the CT's own grid; another one is placed by its scale and
    translate, in mm. A DICOM SEG needs the CT to have come from DICOM, and names no patient
    unless Preferences ▸ napari-vaemed says so.
    """
    from napari.utils.notifications import show_info

    from napari_vaemed.io.masks import save_mask

    with _said_aloud():
        labels, volume = _on_its_grid(_three_axes(data), attributes)
        notes = save_mask(
            path, labels, volume, _names(attributes), identity_from=identity_source(path, volume)
        )
    if notes:
        show_info("\n".join(notes))
    return [path]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save an image layer of whole HU as NIfTI, NRRD or MHA; gives the paths written."""
    from napari_vaemed.io.volumes import write_volume

    with _said_aloud():
        values = _three_axes(data)
        write_volume(path, _whole_hu(values), _on_its_grid(values, attributes)[1])
    return [path]


def write_points(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Points layer as CSV in LPS mm with its features; gives the paths written."""
    from napari_vaemed.io import tables

    with _said_aloud():
        points = np.asarray(data, float)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(
                f"The points have shape {points.shape}; points in a patient have three axes "
                "(z, y, x)."
            )
        shown = points * attributes.get("scale", (1, 1, 1)) + attributes.get("translate", (0, 0, 0))
        volume = _scan_of_points(attributes)
        positions = shown[:, ::-1] if volume is None else patient_mm(volume, shown)
        features = attributes.get("features")
        columns = {} if features is None else {str(n): list(features[n]) for n in features}
        tables.write_points(path, PointMarks("Points", positions, volume, columns))
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
            f"The layer has {voxels.ndim} axes; a volume has three (z, y, x). "
            "Save a layer drawn on a CT."
        )
    return voxels


def _on_its_grid(voxels: np.ndarray, attributes: dict[str, Any]) -> tuple[np.ndarray, Volume]:
    """The voxels on the whole grid of the CT they belong to, and that CT or a bare grid."""
    metadata = attributes.get("metadata") or {}
    volume = carried_volume(metadata)
    if volume is not None and volume.shape == voxels.shape:
        return voxels, volume
    if volume is not None and metadata.get(MADE) == "Finding":
        whole = np.zeros(volume.shape, voxels.dtype)
        inside = zip(metadata["start"], voxels.shape, strict=True)
        whole[tuple(slice(a, a + n) for a, n in inside)] = voxels
        return whole, volume
    shown = scan_shown_on(voxels.shape, attributes)
    return voxels, _bare_grid(voxels, attributes) if shown is None else shown


def _bare_grid(voxels: np.ndarray, attributes: dict[str, Any]) -> Volume:
    z, y, x = (float(s) for s in attributes.get("scale", (1, 1, 1)))
    corner = [float(t) for t in attributes.get("translate", (0, 0, 0))]
    return Volume(
        hu=np.broadcast_to(np.int16(0), voxels.shape),
        spacing=(z, y, x),
        origin=(corner[2], corner[1], corner[0]),
    )


def _names(attributes: dict[str, Any]) -> dict[int, str]:
    """What the plugin itself calls the labels; a layer's own name may be a patient's."""
    metadata = attributes.get("metadata") or {}
    if metadata.get(MADE) == "Lungs":
        return LUNG_NAMES
    if metadata.get(MADE) == "Finding":
        return {metadata["label"]: f"Finding {metadata['label']}"}
    features = attributes.get("features")
    for column in ("name", "finding"):
        if features is not None and {"index", column} <= set(features):
            return dict(zip(features["index"], features[column].astype(str), strict=True))
    return {}


def _scan_of_points(attributes: dict[str, Any]) -> Volume | None:
    """The CT that points lie on: the one they carry, else the active one."""
    carried = carried_volume(attributes.get("metadata") or {})
    scans = open_scans() if carried is None else []
    return scans[0][1] if scans else carried
