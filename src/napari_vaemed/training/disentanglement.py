"""How well single latents stand for single known factors, and how few of them hold the mass.

After Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of Disentangled
Representations, 2019, whose ``disentanglement_lib`` fixes the details: 20 bins of equal width,
importances of boosted trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import mutual_info_score

Floats = NDArray[np.float64]

BINS = 20


@dataclass(frozen=True)
class Dci:
    """Eastwood and Williams, A Framework for the Quantitative Evaluation of Disentangled
    Representations, 2018.

    Parameters
    ----------
    disentanglement : float
        Whether each latent matters to one factor only; 0 to 1.
    completeness : float
        Whether each factor is found in one latent only; 0 to 1.
    informativeness : float
        Share of the factors' variance that is predicted on the half held out, on average; 1 is
        all.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def mutual_information_gap(codes: ArrayLike, factors: ArrayLike, *, bins: int = BINS) -> float:
    """By how much the latent that tells most of a factor tells more of it than the second; 0 to 1.

    Shares of the factor's entropy, mean of the factors (Chen et al., Isolating Sources of
    Disentanglement in VAEs, 2018). With few samples in 20 × 20 bins both are too high by about the
    same.

    Parameters
    ----------
    codes : (n, d)
    factors : (n, f)

    Raises
    ------
    ValueError
        If a factor is the same everywhere.
    """
    latents, known = _binned(codes, bins), _binned(_varying(factors), bins)
    gaps = []
    for factor in known.T:
        told = np.sort([mutual_info_score(factor, latent) for latent in latents.T])
        gaps.append((told[-1] - (told[-2] if len(told) > 1 else 0.0)) / _entropy(factor))
    return float(np.mean(gaps))


def dci(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    by: Literal["boosting", "lasso"] = "boosting",
    seed: int = 0,
) -> Dci:
    """Disentanglement, completeness and informativeness of codes (n, d) about factors (n, f).

    The first half of the rows is learned from. Importances are those of gradient-boosted trees, or
    the sizes of a cross-validated lasso's coefficients of standardised latents.

    Raises
    ------
    ValueError
        If a factor is the same everywhere, or there are no such importances.
    """
    latents, known = np.asarray(codes, float), _varying(factors)
    half = len(latents) // 2
    weight = np.empty((latents.shape[1], known.shape[1]))
    predicted = []
    for place, factor in enumerate(known.T):
        model, importance = _regression(latents[:half], factor[:half], by, seed)
        weight[:, place] = importance
        off = np.square(model.predict(latents[half:]) - factor[half:]).mean()
        predicted.append(1.0 - off / factor[half:].var())
    return Dci(
        disentanglement=_sureness(weight),
        completeness=_sureness(weight.T),
        informativeness=float(np.mean(predicted)),
    )


def hoyer(shares: ArrayLike) -> Floats:
    """Sparsity (n,) of codes (n, d): 0 where all are of one size, 1 where one alone is not 0.

    (√d − ‖z‖₁/‖z‖₂) / (√d − 1), Hoyer 2004.
    """
    values = np.abs(np.asarray(shares, float))
    root = np.sqrt(values.shape[1])
    sparse: Floats = (root - values.sum(1) / np.linalg.norm(values, axis=1)) / (root - 1.0)
    return sparse


def gini(shares: ArrayLike) -> Floats:
    """Gini coefficient (n,) of the sizes in codes (n, d): 0 all alike, 1 − 1/d one alone."""
    values = np.sort(np.abs(np.asarray(shares, float)), axis=1)
    d = values.shape[1]
    rank = 2.0 * np.arange(1, d + 1) - d - 1.0
    unequal: Floats = values @ rank / (d * values.sum(1))
    return unequal


def _varying(factors: ArrayLike) -> Floats:
    """The same (n, f) as an array, if every column varies."""
    columns = np.asarray(factors, float)
    if not np.ptp(columns, axis=0).all():
        raise ValueError("A factor that is the same everywhere cannot be told by codes; drop it.")
    return columns


def _binned(values: ArrayLike, bins: int) -> NDArray[np.int_]:
    """Columns (n, d) as numbers of bins of equal width."""
    columns = np.asarray(values, float)
    low, wide = columns.min(axis=0), np.ptp(columns, axis=0)
    at = (columns - low) / np.where(wide > 0, wide, 1.0) * bins
    return np.minimum(at.astype(int), bins - 1)


def _entropy(labels: NDArray[np.int_]) -> float:
    share = np.bincount(labels) / len(labels)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _regression(latents: Floats, factor: Floats, by: str, seed: int):  # type: ignore[no-untyped-def]
    """A fitted model, and how much each latent matters to it (d,)."""
    if by == "boosting":
        from sklearn.ensemble import GradientBoostingRegressor

        trees = GradientBoostingRegressor(random_state=seed).fit(latents, factor)
        return trees, trees.feature_importances_
    if by != "lasso":
        raise ValueError(f"Importances come by boosting or lasso; got {by!r}.")
    from sklearn.linear_model import LassoCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    lasso = make_pipeline(StandardScaler(), LassoCV(cv=5, random_state=seed)).fit(latents, factor)
    return lasso, np.abs(lasso[-1].coef_)


def _sureness(weight: Floats) -> float:
    """Mean of 1 − entropy (to the base of the columns) of the rows, each counted by its sum."""
    total = weight.sum(axis=1)
    if not total.any():
        return 0.0
    if weight.shape[1] == 1:  # nothing to choose between
        return 1.0
    share = weight / np.where(total > 0, total, 1.0)[:, None]
    logs = np.log(np.where(share > 0, share, 1.0)) / np.log(weight.shape[1])
    return float((1.0 + (share * logs).sum(axis=1)) @ (total / total.sum()))
