"""Layers of the mask desk: masks as nouns, their difference, a second mask beside the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.cases import MADE
from napari_vaemed.plugin.layers import LayerData, carried_volume, labels_to_layer, volume_to_layer
from napari_vaemed.plugin.mask_work import ONLY_FIRST, ONLY_SECOND
from napari_vaemed.plugin.theme import GREEN, LUNG_COLOURS, SKY, VERMILION, YELLOW, finding_colour

if TYPE_CHECKING:
    from napari.layers import Labels, Layer
    from napari.utils.colormaps import DirectLabelColormap

    from napari_vaemed.workflow.check_masks import CheckedMask

GAP = 0.04
"""Between pictures side by side, as a share of their width."""


def grid_of(layer: Labels) -> Volume:
    """A Labels layer's voxels on its grid; the labels stand in ``hu``."""
    (z, y, x), (dz, dy, dx) = layer.translate, layer.scale
    carried = carried_volume(layer.metadata)
    direction = np.eye(3) if carried is None else carried.direction
    steps, corner = (float(dz), float(dy), float(dx)), (float(x), float(y), float(z))
    return Volume(np.asarray(layer.data), steps, corner, direction, description="Labels")


def lies_on(layer: Labels, ct: Layer) -> bool:
    """Whether a mask may belong to an open CT: their pictures overlap in the window."""
    ours, theirs = layer.extent.world, ct.extent.world
    return bool((ours[0] < theirs[1]).all() and (theirs[0] < ours[1]).all())


def pair_layers(checked: CheckedMask) -> list[LayerData]:
    """CT, mask and reference (all yellow) of a pair, without any name of a file."""
    volume, labels = checked.volume, checked.labels
    if volume is None or labels is None:
        raise ValueError("A pair that could not be read has nothing to show.")
    masks = [(labels, "Mask")]
    if checked.reference is not None:
        masks.append((checked.reference, "Reference"))
    made = [volume_to_layer(volume)]
    for voxels, name in masks:
        highest = int(voxels.max(initial=0))
        kind = np.uint8 if highest < 256 else np.uint16
        small: NDArray[np.integer] = voxels.astype(kind)
        colours = mask_colours(0 if name == "Reference" else highest, checked.check.of)
        made.append(labels_to_layer(small, volume, name, colormap=colours, opacity=0.6))
    return made


def mask_colours(highest: int, of: str) -> DirectLabelColormap:
    """Lungs in their colours, nodules in the findings'; yellow are labels above the highest."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[Any, Any] = {None: YELLOW, 0: "transparent"}
    for label in range(1, highest + 1):
        lung = LUNG_COLOURS.get(label) if of == "lungs" else None
        colours[label] = lung or finding_colour(label)
    return DirectLabelColormap(color_dict=colours)


def difference_layer(voxels: Any, like: Labels) -> LayerData:
    """Where two masks differ: vermilion only in the first, sky blue only in the second."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[Any, Any] = {None: "transparent", ONLY_FIRST: VERMILION, ONLY_SECOND: SKY}
    attributes = {
        **_place(like),
        "name": "Difference",
        "opacity": 0.9,
        "colormap": DirectLabelColormap(color_dict=colours),
        "metadata": {MADE: "Difference"},
    }
    return voxels, attributes, "labels"


def consensus_layer(voxels: Any, like: Labels, name: str) -> LayerData:
    """What several readers agree on, on the grid of one of their masks, as an outline."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[Any, Any] = {None: "transparent", 1: GREEN}
    attributes = {
        **_place(like),
        "name": name,
        "colormap": DirectLabelColormap(color_dict=colours),
        "metadata": {key: value for key, value in like.metadata.items() if key != MADE},
    }
    return voxels, attributes, "labels"


def beside_layers(ct: Layer | None, first: Labels, second: Labels) -> list[LayerData]:
    """The CT and the second mask once more, to the right of the CT; their voxels are shared.

    The second mask has the first one's colours there.
    """
    width = float(np.ptp(second.extent.world[:, -1])) * (1 + GAP)
    made: list[LayerData] = []
    for layer, kind, source, kept in (
        (ct, "image", ct, ("contrast_limits", "colormap")),
        (second, "labels", first, ("opacity", "colormap")),
    ):
        if layer is not None:
            attributes = {**_place(layer), **{name: getattr(source, name) for name in kept}}
            attributes["translate"] = (*layer.translate[:-1], layer.translate[-1] + width)
            about = {"name": f"{layer.name} beside", "metadata": {MADE: "Beside"}}
            made.append((layer.data, {**attributes, **about}, kind))
    return made


def _place(layer: Layer) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in ("scale", "translate", "units")}
