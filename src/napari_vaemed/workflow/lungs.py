"""The ways to a lung mask, and the one that is taken unless another is asked for.

Light to import: the command line and the docks offer the methods by name.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume

if TYPE_CHECKING:
    from napari_vaemed.io.checkpoints import Model

THRESHOLD, NETWORK, R231 = "threshold", "network", "r231"

LUNG_METHODS = (THRESHOLD, NETWORK, R231)
"""How lungs can be found; the first is the default, by measurement (``docs/lung_net.md``)."""

TOLD = {
    THRESHOLD: "By threshold and morphology, no training.",
    NETWORK: "By threshold, and dense lung by a U-Net, {sha}, trained on {counts}: {data}",
    R231: "By R231 of lungmask, {sha}: {data}",
}


def find_lungs(
    volume: Volume,
    method: str = LUNG_METHODS[0],
    *,
    weights: Path | None = None,
    device: str = "auto",
) -> Work[NDArray[np.uint8]]:
    """Find right lung, left lung and, but for R231, airways.

    Parameters
    ----------
    volume : Volume
        Canonical, so that the right lung has the lower x.
    method : {"threshold", "network", "r231"}
        One of `LUNG_METHODS`. Both networks take in dense lung and fluid, which thresholds lose;
        the edges of lung that holds air are the threshold's with "network" as well.
    weights : Path or None
        For the network another one than the shipped one; for R231 its file, which must be given.
    device : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    (z, y, x) uint8
        See `data.labels`.

    Raises
    ------
    NoLungs
        When none are seen.
    ValueError
        If there is no such method, or R231's file is not given or another file.
    FileNotFoundError
        If there are no such weights.
    """
    from napari_vaemed.segmentation.lungs import NoLungs, segment_lungs

    _check(method, weights)
    if method == THRESHOLD:
        return (yield from segment_lungs(volume))
    yield Progress("Reading the lung network")
    model = lung_model(method, weights, device)
    if method == R231:
        from napari_vaemed.segmentation.r231_lungs import find_lungs_by_r231

        return (yield from find_lungs_by_r231(model.module, volume))
    from napari_vaemed.segmentation.learned_lungs import find_lungs_by_network

    try:
        aerated = yield from segment_lungs(volume)
    except NoLungs:  # too little air in them
        aerated = None
    return (yield from find_lungs_by_network(model.module, volume, aerated))


@lru_cache(maxsize=2)
def lung_model(method: str, weights: Path | None = None, device: str = "auto") -> Model:
    """The network behind a method of `LUNG_METHODS`; read once.

    Raises
    ------
    ValueError
        If the method has none, or the file is no such network.
    FileNotFoundError
        If there is no such file.
    """
    _check(method, weights)
    if method == R231 and weights is not None:
        from napari_vaemed.io.lungmask import read_r231

        return read_r231(weights, device)
    if method != NETWORK:
        raise ValueError("Lungs by threshold need no network.")
    from napari_vaemed.io.checkpoints import read_model
    from napari_vaemed.io.weights import shipped_lung_net_path
    from napari_vaemed.models import LUNG_SEGMENTERS

    model = read_model(weights or shipped_lung_net_path(), device)
    if not isinstance(model.module, LUNG_SEGMENTERS):
        raise ValueError(f"{model.name} is no lung network. Give one made by vaemed train-lungs.")
    return model


def told_of(method: str, weights: Path | None = None, device: str = "auto") -> str:
    """Where a mask found by a method comes from: which network, trained on what, how much."""
    if method == THRESHOLD:
        return TOLD[method]
    model = lung_model(method, weights, device)
    counts = ", ".join(f"{n} {what}" for what, n in model.card.get("counts", {}).items() if n)
    return TOLD[method].format(sha=model.sha256[:8], counts=counts, data=model.card["data"])


def _check(method: str, weights: Path | None) -> None:
    if method not in LUNG_METHODS:
        raise ValueError(f"Lungs are found by one of {', '.join(LUNG_METHODS)}; got {method!r}.")
    if method == R231 and weights is None:
        raise ValueError(
            "R231's weights do not come with the package. Get unet_r231-*.pth from the lungmask "
            "project's releases and give the file."
        )
