"""CT volumes and masks as napari layers, and layers as volumes.

napari's world coordinates are the patient's LPS millimetres reversed, (z, y, x), so every layer
of one scan lies on the others. An oblique scan is shown straightened about its first voxel; its
true geometry stays in the `Volume` that the layer carries.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.theme import LUNG_WINDOW

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.workflow.classify import Classified

LayerData = tuple[Any, dict[str, Any], str]
BONE_WINDOW = (0.0, 1000.0)
VESSEL_WINDOW = (-750.0, 150.0)
"""What a maximum projection of the lungs' inside shows: vessels and nodules, no air."""
AIR_HU = np.int16(-1024)
METADATA_KEY = "napari_vaemed"
PREVIEW_VOXELS = 96
"""Along the longest side; without a graphics card, drawing takes as long as there are voxels."""


class NeedsSpacing(ValueError):
    """The layer does not say how many millimetres its voxels measure; ask the user."""


def layer_name(volume: Volume) -> str:
    """What a person calls the scan, for example ``"CT chest 2.5 mm"``."""
    return f"{volume.description} {volume.spacing[0]:.1f} mm"


def placement(volume: Volume) -> dict[str, Any]:
    """Where the volume lies, as layer attributes: scale, translate and units in mm."""
    return {"scale": volume.spacing, "translate": volume.origin[::-1], "units": "mm"}


def volume_to_layer(volume: Volume, name: str | None = None) -> LayerData:
    """A grey image layer in the lung window that carries its volume."""
    attributes = {
        "name": name or layer_name(volume),
        "colormap": "gray",
        "contrast_limits": LUNG_WINDOW.limits,
        "metadata": carrying(volume),
        **placement(volume),
    }
    return volume.hu, attributes, "image"


def labels_to_layer(
    labels: NDArray[np.integer | np.bool_], volume: Volume, name: str, **attributes: Any
) -> LayerData:
    """A Labels layer on the volume's grid; a writer can put it back on the file's grid.

    Parameters
    ----------
    labels : (z, y, x), of the volume's shape
    attributes
        Further attributes of the layer (``colormap``, ``visible``, …).
    """
    if labels.shape != volume.shape:
        raise ValueError(f"The labels have shape {labels.shape}, their CT {volume.shape}.")
    whole = labels.astype(np.uint8) if labels.dtype == np.bool_ else labels
    given = {"name": name, "metadata": carrying(volume), **placement(volume), **attributes}
    return whole, given, "labels"


def patient_directions(layer: Layer, volume: Volume) -> NDArray[np.float64]:
    """Where the patient lies in napari's world while a layer shows a volume.

    The identity for a volume along the patient's axes; an oblique one is shown straightened, and
    a user may turn or mirror the layer.

    Returns
    -------
    (3, 3)
        Columns are the patient's directions (x, y, z) of a millimetre along the world's x, y, z.
    """
    zyx = np.vstack([np.zeros(3), np.eye(3)[::-1]])
    corner, *steps = volume.to_world([layer.world_to_data(point) for point in zyx])
    return np.stack([step - corner for step in steps], axis=1)


def placed_as(layer: Layer, volume: Volume) -> NDArray[np.float64]:
    """The affine (4, 4) that moves what is placed by a volume to where a layer shows it.

    The identity unless a user has moved the layer.
    """
    place = placement(volume)
    zyx = np.vstack([np.zeros(3), np.eye(3)])
    voxels = (zyx - place["translate"]) / place["scale"]
    corner, *steps = np.array([layer.data_to_world(voxel) for voxel in voxels])
    affine = np.eye(4)
    affine[:3, :3] = np.stack([step - corner for step in steps], axis=1)
    affine[:3, 3] = corner
    return np.round(affine, 9)  # a rotation by rounding errors would be one to napari


def preview_for_3d(
    volume: Volume,
    inside: NDArray[np.integer | np.bool_] | None = None,
    box: tuple[slice, slice, slice] | None = None,
    longest: int = PREVIEW_VOXELS,
) -> LayerData:
    """A hidden copy of at most ``longest`` voxels a side, for 3-D where a full CT is slow.

    Blocks of voxels are averaged; a remainder at the far edges is left out. It is drawn as a
    maximum projection: of bones, or of what is inside a mask.

    Parameters
    ----------
    inside : (z, y, x) or None
        Of the box's shape; where it is 0, the copy holds air.
    box : slices z, y, x or None
        The part of the volume that is copied; None for all of it.
    """
    start = np.zeros(3) if box is None else np.array([part.start for part in box])
    hu = volume.hu if box is None else volume.hu[box]
    blocks = [max(1, -(-n // longest)) for n in hu.shape]
    small = np.empty([n // b for n, b in zip(hu.shape, blocks, strict=True)], np.int16)
    for k in range(len(small)):  # a few slices at a time stay in the processor's cache
        planes = slice(k * blocks[0], (k + 1) * blocks[0])
        slab = hu[planes]
        if inside is not None:
            slab = np.where(inside[planes] > 0, slab, AIR_HU)
        total = slab.sum(axis=0, dtype=np.int32)
        for axis, block in enumerate(blocks[1:]):
            total = _block_sum(total, axis, block)
        small[k] = np.rint(total / np.prod(blocks))
    scale = tuple(s * b for s, b in zip(volume.spacing, blocks, strict=True))
    first = np.array(volume.origin[::-1]) + (start + (np.array(blocks) - 1) / 2) * volume.spacing
    attributes = {
        "name": f"{layer_name(volume)} (3-D)",
        "colormap": "gray",
        "contrast_limits": BONE_WINDOW if inside is None else VESSEL_WINDOW,
        "rendering": "mip",
        "visible": False,
        "scale": scale,
        "translate": tuple(float(t) for t in first),
        "units": "mm",
    }
    return np.maximum(small, AIR_HU), attributes, "image"


def layer_to_volume(layer: Layer, spacing: tuple[float, float, float] | None = None) -> Volume:
    """The CT an image layer shows, whoever made the layer.

    Parameters
    ----------
    layer : Image layer
        Axes are taken as (z, y, x).
    spacing : (z, y, x) or None
        Millimetres, for a layer that does not know its own.

    Raises
    ------
    NeedsSpacing
        The layer's units are pixels, its scale is 1 and no ``spacing`` was given.
    ValueError
        Not one three-dimensional grey image.
    """
    shown = _grey_voxels(layer)
    carried = _carried_volume(layer)
    if carried is not None and carried.hu is shown:
        return carried
    if carried is not None and carried.shape == shown.shape:
        return replace(carried, hu=_as_hounsfield(shown))
    steps, corner, note = _millimetres(layer, spacing)
    z, y, x = corner
    return Volume(
        hu=_as_hounsfield(shown),
        spacing=steps,
        origin=(x, y, z),
        description="CT",
        notes=(note,),
    )


def carried_volume(metadata: dict[str, Any]) -> Volume | None:
    """The volume that a layer's metadata carries, if it does."""
    ours = metadata.get(METADATA_KEY)
    volume = ours.get("volume") if isinstance(ours, dict) else None
    return volume if isinstance(volume, Volume) else None


def put_slice_scores(layer: Layer, said: Classified) -> None:
    """Write what the slice model said into a CT layer's metadata, for whoever reads it."""
    scores, subject = said.scores, said.subject
    layer.metadata.setdefault(METADATA_KEY, {})["slices"] = {
        "index": scores.indices.tolist(),
        "covid_probability": scores.covid.tolist(),
        "unlike": scores.unlike.tolist(),
        "subject": {"covid_probability": subject.covid_probability, "reason": subject.reason},
        "model": said.model,
        "sha256": said.sha256,
    }


def carrying(volume: Volume) -> dict[str, Any]:
    """Metadata of a layer that carries its volume, and what others may want to read of it."""
    return {
        METADATA_KEY: {
            "volume": volume,
            "shape": volume.shape,
            "spacing_mm": volume.spacing,
            "origin_mm": volume.origin,
            "direction": volume.direction.tolist(),
            "stored_axes": volume.stored_axes,
            "notes": volume.notes,
            "intake": None if volume.intake is None else volume.intake.as_dict(),
        }
    }


def _block_sum(values: NDArray, axis: int, block: int) -> NDArray:
    """Sums of ``block`` lines along an axis; faster than summing a reshaped array."""
    lines = np.moveaxis(values, axis, 0)
    lines = lines[: len(lines) // block * block]
    total = lines[::block].copy()
    for first in range(1, block):
        total += lines[first::block]
    return np.moveaxis(total, 0, axis)


def _grey_voxels(layer: Layer) -> NDArray:
    if getattr(layer, "rgb", False):
        raise ValueError(f"Layer {layer.name!r} is a colour image; a CT is grey.")
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if data.ndim != 3:
        raise ValueError(
            f"Layer {layer.name!r} has {data.ndim} axes; a CT has three (z, y, x). "
            "Take one volume of it."
        )
    return data if isinstance(data, np.ndarray) else np.asarray(data)


def _carried_volume(layer: Layer) -> Volume | None:
    """The carried volume, unless the user has moved or rescaled the layer since."""
    volume = carried_volume(layer.metadata)
    if volume is None:
        return None
    stays = np.allclose(layer.scale, volume.spacing) and np.allclose(
        layer.translate, volume.origin[::-1]
    )
    return volume if stays else None


def _as_hounsfield(values: NDArray) -> NDArray[np.int16]:
    if values.dtype == np.int16:
        return values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("The layer holds voxels that are not numbers; fill them with -1000 first.")
    if values.dtype.kind == "f" and values.min() >= -5 and values.max() <= 5:
        raise ValueError(
            f"The layer's values run from {values.min():.3g} to {values.max():.3g}; "
            "wanted Hounsfield units (air -1000, water 0)."
        )
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def _millimetres(
    layer: Layer, spacing: tuple[float, float, float] | None
) -> tuple[tuple[float, float, float], tuple[float, float, float], str]:
    """Spacing and corner (z, y, x) in mm, and where they came from."""
    factors, lengths = _unit_factors(layer)
    scale, corner = np.asarray(layer.scale, float), np.asarray(layer.translate, float)
    if spacing is not None:
        steps = np.asarray(spacing, float)
        corner = corner * factors if lengths else np.zeros(3)
        note = "Spacing as given by hand."
    elif lengths:
        steps, corner = scale * factors, corner * factors
        note = "Spacing and place from the layer's scale; axes taken as z, y, x."
    elif not np.allclose(scale, 1):
        steps = scale
        note = "The layer's scale was taken as millimetres; axes as z, y, x."
    else:
        raise NeedsSpacing(
            f"Layer {layer.name!r} does not say how large its voxels are. "
            "Give the spacing in mm (z, y, x)."
        )
    z, y, x = (float(s) for s in steps)
    return (z, y, x), (float(corner[0]), float(corner[1]), float(corner[2])), note


def _unit_factors(layer: Layer) -> tuple[NDArray[np.float64], bool]:
    """Millimetres per unit along each axis, and whether the units are lengths at all."""
    units = layer.units
    if not all(unit.is_compatible_with("mm") for unit in units):
        return np.ones(len(units)), False
    return np.array([float((1 * unit).to("mm").magnitude) for unit in units]), True
