"""The ways from a click to a nodule's mask, and the one that is taken unless another is asked."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.checkpoints import Model, read_model
from napari_vaemed.io.weights import shipped_click_net_path
from napari_vaemed.segmentation import learned_click
from napari_vaemed.segmentation.nodules import segment_nodule
from napari_vaemed.segmentation.refine import Belief

METHODS = ("network", "threshold")
"""How a click can be answered; the first is the default."""


@lru_cache(maxsize=1)
def shipped_click_net() -> Model:
    """The click network that ships with the package, on the processor: a look takes it 20 ms."""
    return read_model(shipped_click_net_path(), device="cpu")


def model_of(method: str = METHODS[0]) -> Model | None:
    """The model that answers by a method of `METHODS`; None for the thresholds."""
    return shipped_click_net() if method == "network" else None


def outline(
    volume: Volume,
    voxel: ArrayLike,
    lungs: NDArray[np.uint8] | None = None,
    *,
    method: str = METHODS[0],
) -> NoduleMask:
    """Mask the nodule at or within 3 mm of a click (z, y, x).

    Parameters
    ----------
    lungs : (z, y, x) uint8, optional
        Lung labels of the whole volume; only the thresholds use them.
    method : {"network", "threshold"}

    Raises
    ------
    NoNodule
        With the reason, when there is no nodule at that place.
    ValueError
        When there is no such method, or the labels are not the volume's.
    """
    return outline_and_belief(volume, voxel, lungs, method=method)[0]


def outline_and_belief(
    volume: Volume,
    voxel: ArrayLike,
    lungs: NDArray[np.uint8] | None = None,
    *,
    method: str = METHODS[0],
) -> tuple[NoduleMask, Belief | None]:
    """The same with what the method says of the mask's surroundings; thresholds say nothing."""
    if method not in METHODS:
        raise ValueError(f"A click's method is one of {', '.join(METHODS)}; got {method!r}.")
    if method == "threshold":
        return segment_nodule(volume, voxel, lungs), None
    return learned_click.outline_and_belief(shipped_click_net().module, volume, voxel, lungs)


def belief(volume: Volume, mask: NoduleMask) -> Belief:
    """What the click network says of a nodule's surroundings: for `segmentation.refine`."""
    return learned_click.belief_about(shipped_click_net().module, volume, mask)
