"""Walk along one latent dimension and name it by what goes with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_vaemed.data.index import NoduleIndex

DEAD_KL = 0.1
"""A dimension whose mean KL (nats) over the index is lower tells nothing of a nodule."""


@dataclass(frozen=True)
class LatentAxis:
    """One dimension of the latent space, as a slider wants it.

    Parameters
    ----------
    dim : int
        Its place in the code.
    kl : float
        Mean KL from the prior over the index, nats: how much it tells. Of an autoencoder's points
        half the variance of the codes, which is that KL at a deviation of 1.
    low, high : float
        Ends of the slider: mean of the index ∓ 3 standard deviations of its means.
    name : str
        What goes with it most, for example ``"volume +0.71"`` (Spearman).
    """

    dim: int
    kl: float
    low: float
    high: float
    name: str


def latent_axes(index: NoduleIndex) -> tuple[LatentAxis, ...]:
    """Give the informative dimensions, most informative first; dead ones are left out."""
    points = not index.posterior.sd.any()
    codes = index.posterior.mean
    kl = 0.5 * codes.var(axis=0) if points else index.posterior.kl().mean(axis=0)
    middle, reach = codes.mean(axis=0), 3.0 * codes.std(axis=0)
    factors = _factors(index)
    return tuple(
        LatentAxis(
            dim=dim,
            kl=float(kl[dim]),
            low=float(middle[dim] - reach[dim]),
            high=float(middle[dim] + reach[dim]),
            name=_name(codes[:, dim], factors),
        )
        for dim in np.argsort(-kl, kind="stable").tolist()
        if kl[dim] >= DEAD_KL
    )


def traverse(mean: NDArray[np.float32], axis: LatentAxis, steps: int = 11) -> NDArray[np.float32]:
    """Latents (steps, d) that equal ``mean`` (d,) but for one dimension, which runs low to high."""
    walk = np.repeat(np.asarray(mean, np.float32)[None], steps, axis=0)
    walk[:, axis.dim] = np.linspace(axis.low, axis.high, steps)
    return walk


def _factors(index: NoduleIndex) -> dict[str, NDArray[np.float64]]:
    factors = {"volume": np.array([record.diameter_mm for record in index.records])}
    shared = set.intersection(*(set(record.ratings) for record in index.records))
    for name in sorted(shared):
        factors[name] = np.array([record.ratings[name] for record in index.records])
    return {name: values for name, values in factors.items() if np.ptp(values) > 0}


def _name(values: NDArray[np.float32], factors: dict[str, NDArray[np.float64]]) -> str:
    strength = {
        name: float(stats.spearmanr(values, factor).statistic) for name, factor in factors.items()
    }
    if not strength:
        return "unnamed"
    best = max(strength, key=lambda name: abs(strength[name]))
    if abs(strength[best]) < 0.2:
        return "unnamed"
    return f"{best.replace('_', ' ')} {strength[best]:+.2f}"
