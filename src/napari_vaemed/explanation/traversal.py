"""Walk along one latent dimension and name it by what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.posterior import AnyPosterior, DirichletPosterior

DEAD_KL = 0.1
"""A dimension that tells less (nats, see `LatentAxis.kl`) tells nothing of a nodule."""
UNNAMED = "unnamed"
"""Name of a dimension that goes with nothing."""


@dataclass(frozen=True)
class LatentAxis:
    """One dimension of the latent space, as a slider wants it.

    Parameters
    ----------
    dim : int
        Its place in the code.
    kl : float
        Mean KL from the prior over the index, nats: how much it tells. Of an autoencoder's points
        half the variance of the codes, which is that KL at a deviation of 1. Of a Dirichlet's
        share or a class's chance ½ ln (1 + s²/σ²), what a Gaussian channel with these variances
        would tell: s² of the means over the index, σ² of a posterior on average.
    low, high : float
        Ends of the slider: mean of the index ∓ 3 standard deviations of its means; of a share
        from 0 to 1 at most, of a chance from 0 to 1.
    name : str
        What goes with it most, for example ``"volume +0.71"`` (Spearman); or whose chance it is.
    corner : bool
        Whether this latent is a share, and the axis the way to a corner of a simplex.
    among : tuple of int
        The chances of all classes, where this is one of them: these share a simplex. Else empty,
        and shares are of all latents.
    """

    dim: int
    kl: float
    low: float
    high: float
    name: str
    corner: bool = False
    among: tuple[int, ...] = ()

    @property
    def named(self) -> bool:
        """Whether it goes with anything that is known of nodules, or is a class's chance."""
        return self.name != UNNAMED

    def moved(self, latents: NDArray[np.float32], value: float) -> NDArray[np.float32]:
        """The same latents (d,) with this one at ``value``.

        The others stay, or where they share a simplex with it keep their proportions: the way
        leads along (1 − t) z + t e from or to the corner e, and never leaves the simplex.
        """
        moved = np.array(latents, np.float32)
        if self.corner:
            value = float(np.clip(value, 0.0, 1.0))
            others = np.setdiff1d(self.among or np.arange(len(moved)), [self.dim])
            rest = float(moved[others].sum())
            if rest <= 0:  # from the corner itself all ways are alike
                moved[others], rest = 1.0, float(len(others))
            moved[others] *= (1.0 - value) / rest
        moved[self.dim] = value
        return moved


def latent_axes(
    index: NoduleIndex, chances: Mapping[int, str] | None = None
) -> tuple[LatentAxis, ...]:
    """Give the informative dimensions, most informative first; dead ones are left out.

    ``chances`` names the classes whose chances the model puts into its code, by dimension.
    """
    chances = chances or {}
    codes, told = index.posterior.mean, _told(index.posterior)
    corner, among = isinstance(index.posterior, DirichletPosterior), sorted(chances)
    middle, reach = codes.mean(axis=0), 3.0 * codes.std(axis=0)
    low, high = middle - reach, middle + reach
    if corner:
        low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
    low[among], high[among] = 0.0, 1.0
    told[among] = _told_of_shares(codes[:, among], index.posterior.sd[:, among])
    factors = _factors(index)
    return tuple(
        LatentAxis(
            dim=dim,
            kl=float(told[dim]),
            low=float(low[dim]),
            high=float(high[dim]),
            name=f"chance of {chances[dim]}" if dim in chances else _name(codes[:, dim], factors),
            corner=corner or dim in chances,
            among=tuple(among) if dim in chances else (),
        )
        for dim in np.argsort(-told, kind="stable").tolist()
        if told[dim] >= DEAD_KL
    )


def traverse(mean: NDArray[np.float32], axis: LatentAxis, steps: int = 11) -> NDArray[np.float32]:
    """Latents (steps, d): ``mean`` (d,) `LatentAxis.moved` along one dimension from low to high."""
    return np.stack([axis.moved(mean, at) for at in np.linspace(axis.low, axis.high, steps)])


def _told(posterior: AnyPosterior) -> NDArray[np.floating]:
    """How much each dimension tells, (d,), see `LatentAxis`."""
    if isinstance(posterior, DirichletPosterior):
        return _told_of_shares(posterior.mean, posterior.sd)
    points = not posterior.sd.any()
    return 0.5 * posterior.mean.var(axis=0) if points else posterior.kl().mean(axis=0)


def _told_of_shares(mean: NDArray[np.floating], sd: NDArray[np.floating]) -> NDArray[np.floating]:
    noise = np.square(sd).mean(axis=0)
    return 0.5 * np.log1p(mean.var(axis=0) / np.maximum(noise, np.finfo(noise.dtype).tiny))


def _factors(index: NoduleIndex) -> dict[str, NDArray[np.float64]]:
    """The ranks of what is known of every nodule, by name."""
    factors = {"volume": np.array([record.diameter_mm for record in index.records])}
    shared = set.intersection(*(set(record.ratings) for record in index.records))
    for name in sorted(shared):
        factors[name] = np.array([record.ratings[name] for record in index.records])
    return {name: stats.rankdata(values) for name, values in factors.items() if np.ptp(values) > 0}


def _name(values: NDArray[np.float32], factors: dict[str, NDArray[np.float64]]) -> str:
    ranks = stats.rankdata(values)
    strength = {  # Spearman's, each ranked once: there may be many nodules
        name: float(np.corrcoef(ranks, factor)[0, 1]) for name, factor in factors.items()
    }
    if not strength:
        return UNNAMED
    best = max(strength, key=lambda name: abs(strength[name]))
    if abs(strength[best]) < 0.2:
        return UNNAMED
    return f"{best.replace('_', ' ')} {strength[best]:+.2f}"
