"""Findings as Labels layers the user can edit, and what was drawn as masks again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.cases import MADE, Case, Finding
from napari_vaemed.plugin.layers import carrying
from napari_vaemed.plugin.theme import finding_colour

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

NEXT = "Next finding"
"""What the layer is made as that waits for a mask."""

MARGIN_MM = 15.0
"""How far beyond the nodule the brush can draw; a whole-volume layer takes a second to add."""

MARGIN_3D_MM = 0.1
"""In 3-D: a voxel. Every ray goes through all of the box, and without a graphics card that
takes most of a frame."""


def mask_layer(case: Case, finding: Finding, *, outlined: bool) -> Labels:
    """A small Labels layer around a finding, ready for the brush; outlined for slices."""
    start, voxels = boxed(finding.marked.mask, case.volume, _margin(flat=outlined))
    layer = _labels(case, finding.label, start, voxels, finding.name)
    layer.contour = int(outlined)
    layer.metadata.update(_said_of(case, finding, start))
    return layer


def empty_layer(case: Case, label: int) -> Labels:
    """A Labels layer for slices with nothing in it, which `fill` may make a finding's."""
    layer = _labels(case, label, (0, 0, 0), np.zeros((1, 1, 1), bool), NEXT)
    layer.contour = 1
    layer.metadata[MADE] = NEXT
    return layer


def fill(layer: Labels, case: Case, finding: Finding) -> None:
    """Make an empty layer a finding's."""
    start, voxels = boxed(finding.marked.mask, case.volume)
    if layer.selected_label != finding.label:
        layer.colormap = _colours(finding.label)
        layer.selected_label = finding.label
    if not np.array_equal(layer.scale, case.layer.scale):  # the CT was scaled by hand meanwhile
        layer.scale = case.layer.scale
    layer.translate = case.world(start)
    layer.data = voxels.astype(np.uint8) * finding.label
    layer.name = finding.name
    layer.metadata.update(_said_of(case, finding, start))


def _labels(
    case: Case, label: int, start: tuple[int, int, int], voxels: NDArray[np.bool_], name: str
) -> Labels:
    from napari.layers import Labels

    layer = Labels(
        voxels.astype(np.uint8) * label,
        name=name,
        scale=case.layer.scale,
        translate=case.world(start),
        units=case.layer.units,
        colormap=_colours(label),
        opacity=0.9,
    )
    layer.selected_label = label
    layer.brush_size = 3
    return layer


def _colours(label: int) -> DirectLabelColormap:
    from napari.utils.colormaps import DirectLabelColormap

    return DirectLabelColormap(color_dict={None: "transparent", label: finding_colour(label)})


def _said_of(case: Case, finding: Finding, start: tuple[int, int, int]) -> dict[str, Any]:
    return {**carrying(case.volume), MADE: "Finding", "start": start, "label": finding.label}


def give_room(layer: Labels, case: Case, *, flat: bool) -> None:
    """Box a finding's layer anew, with what is drawn in it: room for the brush only in slices."""
    try:
        mask = drawn_mask(layer)
    except ValueError:
        return
    start, voxels = boxed(mask, case.volume, _margin(flat=flat))
    if start == layer.metadata["start"] and voxels.shape == layer.data.shape:
        return
    layer.metadata["start"] = start
    layer.data = voxels.astype(np.uint8) * layer.metadata["label"]
    layer.translate = case.world(start)


def _margin(*, flat: bool) -> float:
    return MARGIN_MM if flat else MARGIN_3D_MM


def boxed(
    mask: NoduleMask, volume: Volume, margin_mm: float = MARGIN_MM
) -> tuple[tuple[int, int, int], NDArray[np.bool_]]:
    """The mask in a box with room to draw: index of its first voxel, and its voxels."""
    room = np.ceil(margin_mm / np.array(volume.spacing)).astype(int)
    low = np.maximum(np.array(mask.start) - room, 0)
    high = np.minimum(np.array(mask.start) + mask.voxels.shape + room, volume.shape)
    box = np.zeros(high - low, bool)
    inside = tuple(
        slice(a, a + n) for a, n in zip(np.array(mask.start) - low, mask.voxels.shape, strict=True)
    )
    box[inside] = mask.voxels
    z, y, x = (int(v) for v in low)
    return (z, y, x), box


def drawn_mask(layer: Labels) -> NoduleMask:
    """The mask a finding's layer shows now.

    Raises
    ------
    ValueError
        Nothing is left of it.
    """
    inner = NoduleMask.of(np.asarray(layer.data) > 0)
    z, y, x = (a + b for a, b in zip(inner.start, layer.metadata["start"], strict=True))
    return NoduleMask(inner.voxels, (z, y, x))


def shows(layer: Labels, finding: Finding) -> bool:
    """Whether a finding's layer already shows its mask."""
    try:
        drawn = drawn_mask(layer)
    except ValueError:
        return False
    mask = finding.marked.mask
    return drawn.start == mask.start and np.array_equal(drawn.voxels, mask.voxels)


def put_mask(layer: Labels, finding: Finding) -> bool:
    """Write a finding's mask into its layer; False when it does not fit in the layer's box."""
    mask, start = finding.marked.mask, np.array(layer.metadata["start"])
    low = np.array(mask.start) - start
    if (low < 0).any() or (low + mask.voxels.shape > layer.data.shape).any():
        return False
    box = np.zeros_like(layer.data)
    inside = tuple(slice(a, a + n) for a, n in zip(low, mask.voxels.shape, strict=True))
    box[inside] = mask.voxels * finding.label
    layer.data = box
    return True
