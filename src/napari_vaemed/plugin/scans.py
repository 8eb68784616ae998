"""The CTs that are open in the current viewer, for readers and writers, which are told of none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.cases import MADE
from napari_vaemed.plugin.layers import layer_to_volume
from napari_vaemed.plugin.preferences import preferences

if TYPE_CHECKING:
    from napari.layers import Layer


def open_scans() -> list[tuple[Layer, Volume]]:
    """Layers that show a CT with their volumes, the active one first."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        return []
    active = viewer.layers.selection.active
    newest_first = list(viewer.layers[::-1])
    layers = sorted(newest_first, key=lambda layer: layer is not active)
    found = []
    for layer in layers:
        if type(layer).__name__ == "Image" and layer.ndim == 3 and MADE not in layer.metadata:
            try:
                found.append((layer, layer_to_volume(layer)))
            except ValueError:
                continue  # some other picture
    return found


def identity_source(path: str | Path, volume: Volume) -> Path | None:
    """Where a DICOM export takes the patient's identity from; None to leave it out, as by default.

    Raises
    ------
    ValueError
        The user wants it kept, but the CT's files are not known.
    """
    if Path(path).suffix.lower() != ".dcm" or not preferences().keep_identity:
        return None
    files = files_of_scan(volume)
    if files is None:
        raise ValueError(
            "Preferences say to keep the patient's identity in DICOM exports, but the files of "
            "this CT are not known any more. Open the CT again, or switch that off."
        )
    return files


def files_of_scan(volume: Volume) -> Path | None:
    """Where the files of an open CT lie, as far as this window knows; a path is kept in no file."""
    from napari import current_viewer

    from napari_vaemed.plugin.session import session_of

    layer = next((one for one, open_ in open_scans() if open_ is volume), None)
    if layer is None:
        return None
    known = session_of(current_viewer()).opening.came_from(layer)
    return known or (Path(layer.source.path) if layer.source.path else None)


def scan_shown_on(shape: tuple[int, ...], attributes: dict[str, Any]) -> Volume | None:
    """The open CT that is shown on a layer's grid: of its shape, scale and place."""
    for layer, volume in open_scans():
        same = [
            np.allclose(attributes.get(name, default), getattr(layer, name), atol=1e-6)
            for name, default in (("scale", (1, 1, 1)), ("translate", (0, 0, 0)))
        ]
        if volume.shape == shape and all(same):
            return volume
    return None


def shown_mm(volume: Volume, positions_mm: np.ndarray) -> np.ndarray:
    """Where positions (n, 3), LPS mm, lie in napari's world, (n, 3) as z, y, x."""
    return volume.to_voxel(positions_mm) * volume.spacing + volume.origin[::-1]


def patient_mm(volume: Volume, shown: np.ndarray) -> np.ndarray:
    """Undo `shown_mm`: LPS mm (n, 3) of positions in napari's world."""
    return volume.to_world((shown - volume.origin[::-1]) / volume.spacing)
