"""Others' marks as layers on the CT they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_vaemed.data.annotation import Annotation, LabelMap, PointMarks
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import (
    METADATA_KEY,
    LayerData,
    labels_to_layer,
    volume_to_layer,
)
from napari_vaemed.plugin.scans import shown_mm
from napari_vaemed.plugin.theme import YELLOW, finding_colour

POINT_MM = 6.0
"""How large a point without a diameter is drawn."""


def mark_layers(path: Path, scans: Sequence[Volume]) -> Work[list[LayerData]]:
    """Read annotations, or a mask, onto the one of ``scans`` they are about.

    Where it is not among them, annotations open the CT that lies beside them, and a mask stays on
    its own grid.

    Raises
    ------
    CTError
        The file cannot be read, holds no labels, or its CT is neither open nor in its folder.
    """
    from napari_vaemed.io.annotations import annotation_kind

    yield Progress(f"Reading {path.suffix.lstrip('.').upper()}")
    if annotation_kind(path):
        return (yield from _annotation_layers(path, scans))
    return [_mask_layer(path, scans)]


def tell_notes(layers: Sequence[LayerData]) -> None:
    """Say in the window what was done to place annotations."""
    from napari.utils.notifications import show_info

    told = [attributes["metadata"].get(METADATA_KEY, {}) for _, attributes, _ in layers]
    notes = dict.fromkeys(note for each in told for note in each.get("notes", ()))
    if notes:
        show_info("\n".join(notes))


def _annotation_layers(path: Path, scans: Sequence[Volume]) -> Work[list[LayerData]]:
    from napari_vaemed.io.annotations import read_annotations, reference_of, scan_of

    reference = reference_of(path)
    volume, made = scan_of(reference, scans), []
    if volume is None:
        volume = yield from _scan_beside(path, reference.series_uids)
        made = [] if volume is None else [volume_to_layer(volume)]
    if volume is None:
        return [annotation_layer(found) for found in _on_own_grid(path, reference.kind)]
    return [*made, *map(annotation_layer, read_annotations(path, volume))]


def _mask_layer(path: Path, scans: Sequence[Volume]) -> LayerData:
    from napari_vaemed.io.volumes import labels_on_scan, read_labels

    labels = read_labels(path)
    for volume in scans:
        placed = labels_on_scan(labels, volume)
        if placed is not None:
            return annotation_layer(placed)
    return labels_to_layer(labels.hu, labels, "Labels")


def annotation_layer(annotation: Annotation) -> LayerData:
    """A Labels or Points layer with the annotation's table as features."""
    if isinstance(annotation, PointMarks):
        return _points_layer(annotation)
    attributes: dict[str, Any] = {"features": _features(annotation.columns)}
    if "reader" in annotation.columns:
        attributes |= {"colormap": _one_colour(annotation), "opacity": 0.35}
    data, attributes, kind = labels_to_layer(
        annotation.labels, annotation.volume, annotation.name, **attributes
    )
    attributes["metadata"][METADATA_KEY]["notes"] = annotation.notes
    return data, attributes, kind


def _points_layer(marks: PointMarks) -> LayerData:
    shown = marks.positions_mm[:, ::-1]
    metadata: dict[str, Any] = {"notes": marks.notes}
    if marks.volume is not None:
        shown = shown_mm(marks.volume, marks.positions_mm)
        metadata["volume"] = marks.volume
    sizes = np.array(marks.columns.get("diameter_mm", [POINT_MM] * len(shown)), float)
    attributes = {
        "name": marks.name,
        "features": _features(marks.columns),
        "size": np.where(np.isfinite(sizes) & (sizes > 0), sizes, POINT_MM),
        "face_color": "transparent",
        "border_color": YELLOW,
        "symbol": "disc",
        "units": "mm",
        "metadata": {METADATA_KEY: metadata},
    }
    return shown, attributes, "points"


def _features(columns: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    return {name: np.array(list(values)) for name, values in columns.items()}


def _one_colour(annotation: LabelMap) -> Any:
    """A colour a reader; the same nodule has the same number with all of them."""
    from napari.utils.colormaps import DirectLabelColormap

    colour = finding_colour(int(annotation.columns["reader"][0]))
    labels = {int(n): colour for n in annotation.columns["index"]}
    colours: dict[Any, Any] = {None: "transparent", 0: "transparent", **labels}
    return DirectLabelColormap(color_dict=colours)


def _scan_beside(path: Path, series_uids: frozenset[str]) -> Work[Volume | None]:
    """The one series the file names, from the file's own folder."""
    from napari_vaemed.io.ct import CTError
    from napari_vaemed.io.dicom import read_dicom

    if len(series_uids) != 1:
        return None
    try:
        return (yield from read_dicom(path.parent, series_uid=next(iter(series_uids))))
    except CTError:
        return None


def _on_own_grid(path: Path, kind: str) -> tuple[LabelMap, ...]:
    from napari_vaemed.io.annotations import SEGMENTATION
    from napari_vaemed.io.ct import CTError
    from napari_vaemed.io.dicom_seg import read_segmentation

    if kind == SEGMENTATION:
        return read_segmentation(path)
    raise CTError(
        f"{path.name} ({kind}) belongs to a CT that is neither open nor in the same folder. "
        "Open that CT first, then this file."
    )
