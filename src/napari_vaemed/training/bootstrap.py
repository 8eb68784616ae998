"""What a figure would have been with other patients: whole patients drawn with replacement.

A draw is a weight for every row, how often its patient was drawn, so every score is judged on the
same draws and differences between scores are paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.interval import Interval

Weights = NDArray[np.float64]


def patient_draws(groups: Sequence[str], *, draws: int = 2000, seed: int = 0) -> Weights:
    """Weights (draws + 1, n) of the rows; the first draw is the rows as they are."""
    names, where = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(names), size=(draws, len(names)))
    counts = np.zeros((draws, len(names)))
    np.add.at(counts, (np.arange(draws)[:, None], drawn), 1.0)
    return np.concatenate([np.ones((1, len(where))), counts[:, where]])


def weighted_auc(positive: NDArray[np.bool_], score: NDArray, weights: Weights) -> Weights:
    """Area under the ROC curve, (draws,), for each row of ``weights`` (draws, n).

    The weighted share of pairs in the right order, ties half; NaN where a class is missing.
    """
    above, below = score[positive], score[~positive]
    order = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    of_above, of_below = weights[:, positive], weights[:, ~positive]
    right = np.einsum("dn,dn->d", of_above @ order, of_below)
    return _share(right, of_above.sum(1) * of_below.sum(1))


def weighted_mean(values: NDArray, weights: Weights) -> Weights:
    """Mean of ``values`` (n,), (draws,), for each row of ``weights`` (draws, n)."""
    return _share(weights @ np.asarray(values, float), weights.sum(1))


def interval(drawn: Weights) -> Interval | None:
    """A figure, the first of its draws, with their 2.5th and 97.5th percentile.

    Draws without a value are left out; None where the figure itself has none. The ends are no
    nearer to each other than the figure: draws of an error are larger than it in the mean.
    """
    value = float(drawn[0])
    if np.isnan(value):
        return None
    low, high = np.percentile(drawn[~np.isnan(drawn)], (2.5, 97.5)).tolist()
    return Interval(value, min(low, value), max(high, value))


def two_sided_p(differences: Weights) -> float:
    """How often draws of a difference fall on the other side of 0, twice; never below 2 / (n + 1).

    The first, which is the difference itself, is no draw.
    """
    there = differences[1:][~np.isnan(differences[1:])]
    fewer = min((there <= 0).sum(), (there >= 0).sum())
    return float(min(1.0, 2 * (1 + fewer) / (1 + len(there))))


def _share(part: Weights, whole: Weights) -> Weights:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
