"""How a scan may show a phantom: through a small field of view, cut off, or dressed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.phantoms import Phantom

CLOTH_HU, BLANKET_HU = -150, -60
SKIN_HU = -250
MASKS = (
    "lungs",
    "nodules",
    "ground_glass",
    "consolidation",
    "vessels",
    "bones",
    "effusion",
    "mass",
    "emphysema",
)
"""The masks of a phantom, by name."""


def through_circle(phantom: Phantom, padding: int, share: float = 0.66) -> Phantom:
    """Through a round field of view around the lungs, everything beyond it at a padding value.

    Parameters
    ----------
    phantom : Phantom
    padding : int
        For example -3024, -2048, or -1024, which air can have too.
    share : float
        Diameter of the circle as a share of the scan's width.

    Returns
    -------
    Phantom
        ``volume.padding`` says what was put in; no truth is left beyond the circle.
    """
    _, ny, nx = phantom.volume.shape
    y, x = np.ogrid[:ny, :nx]
    rows, columns = np.nonzero((phantom.lungs > 0).any(axis=0))
    beyond = (y - rows.mean()) ** 2 + (x - columns.mean()) ** 2 > (share * nx / 2) ** 2
    hu, lungs = phantom.volume.hu.copy(), phantom.lungs.copy()
    hu[:, beyond] = padding
    lungs[:, beyond] = 0
    return replace(phantom, volume=replace(phantom.volume, hu=hu, padding=padding), lungs=lungs)


def cut_on_the_left(phantom: Phantom, share: float = 0.3) -> Phantom:
    """Without a share of the columns on the patient's left, so that a lung reaches the edge."""
    kept = round(phantom.volume.shape[2] * (1 - share))

    def cut(mask: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
        return None if mask is None else np.ascontiguousarray(mask[..., :kept])

    masks = {name: cut(getattr(phantom, name)) for name in MASKS}
    volume = replace(phantom.volume, hu=np.ascontiguousarray(phantom.volume.hu[..., :kept]))
    return replace(phantom, volume=volume, **masks)  # type: ignore[arg-type]


def dressed(phantom: Phantom) -> Phantom:
    """With a shirt a few mm off the skin, and a blanket of folds over the front."""
    hu = phantom.volume.hu.copy()
    step = phantom.volume.spacing[1]
    y = np.arange(hu.shape[1])[:, None] * step
    x = np.arange(hu.shape[2])[None, :] * step
    for z, plane in enumerate(hu):
        pieces, _ = ndimage.label(plane > SKIN_HU)
        body = ndimage.binary_fill_holes(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)
        away = ndimage.distance_transform_edt(~body, phantom.volume.spacing[1:])
        plane[(away > 3.0) & (away < 3.0 + max(2.0, 1.2 * step))] = CLOTH_HU
        front = y[body.any(axis=1)].min()
        folds = front - 22.0 + 9.0 * np.sin(x / 23.0 + z / 5.0)
        plane[np.abs(y - folds) < max(1.5, 0.7 * step)] = BLANKET_HU
    return replace(phantom, volume=replace(phantom.volume, hu=hu))
