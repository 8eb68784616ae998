"""Archives of labelled images in the viewer: one row of images a part, each with its label."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.labelled_images import LabelledImages, Stacked
from napari_vaemed.plugin.layers import LayerData


def image_set_layers(path: Path) -> list[LayerData]:
    """Layers of a ``.npz`` of labelled images.

    Each part is an image layer with a slider over its images, and a points layer whose table holds
    the labels and which writes the present one's onto it.
    """
    from napari_vaemed.io.medmnist import read_image_archive

    images = read_image_archive(path)
    layers: list[LayerData] = []
    parts = tuple(dict.fromkeys(images.parts))
    for part, array in zip(parts, cast("Stacked", images.images).arrays, strict=True):
        shown = part == parts[0]
        colour = array.ndim == 4 and array.shape[-1] == 3
        attributes = {"name": f"{part} images", "rgb": colour, "visible": shown}
        layers.append((array, attributes, "image"))
        layers.append(_labels_of(images, part, array.shape[1 : -1 if colour else None], shown))
    return layers


def _labels_of(images: LabelledImages, part: str, shape: tuple[int, ...], shown: bool) -> LayerData:
    rows = images.rows(part)
    corner = np.zeros((len(rows), 1 + len(shape)))
    corner[:, 0] = np.arange(len(rows))
    if len(shape) == 3:
        corner[:, 1] = (shape[0] - 1) // 2  # where the viewer's slider begins
    words = _words(images, images.labels[rows])
    columns = (
        dict(zip(images.tasks, images.labels[rows].T, strict=True)) if not images.classes else {}
    )
    attributes = {
        "name": f"{part} labels",
        "features": {"label": words, **columns},
        "text": {"string": "{label}", "anchor": "lower_left", "color": "yellow"},
        "size": 0.5,
        "face_color": "transparent",
        "border_color": "transparent",
        "visible": shown,
    }
    return corner, attributes, "points"


def _words(images: LabelledImages, labels: NDArray[np.float32]) -> list[str]:
    """Each image's class, or its findings."""
    if images.classes:
        return [images.classes[int(label)] for label in labels[:, 0]]
    names = np.array(images.tasks)
    return [", ".join(names[row == 1]) or "none" for row in labels]
