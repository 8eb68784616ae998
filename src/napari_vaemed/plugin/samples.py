"""What napari's File ▸ Open Sample offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_vaemed.data.progress import Work, finish
from napari_vaemed.plugin.layers import LayerData, labels_to_layer, volume_to_layer

if TYPE_CHECKING:
    from napari_vaemed.data.phantoms import Phantom

SAMPLE_SEED = 7


def chest() -> list[LayerData]:
    """A synthetic chest CT with its true lungs and nodules as hidden Labels layers."""
    return finish(making_chest())


def making_chest() -> Work[list[LayerData]]:
    """The same, telling its steps."""
    from napari_vaemed.data.phantoms import making_chest_phantom

    phantom = yield from making_chest_phantom(seed=SAMPLE_SEED)
    return phantom_layers(phantom)


def phantom_layers(phantom: Phantom) -> list[LayerData]:
    """A phantom's CT, and its truth as hidden Labels layers."""
    volume = phantom.volume
    return [
        volume_to_layer(volume),
        labels_to_layer(phantom.lungs, volume, "True lungs", visible=False, opacity=0.4),
        labels_to_layer(phantom.nodules, volume, "True nodules", visible=False),
    ]
