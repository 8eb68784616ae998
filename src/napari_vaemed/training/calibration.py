"""Scores into probabilities, and how far those are off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from napari_vaemed.training.bootstrap import Weights


def calibrated(
    positive: NDArray[np.bool_], score: NDArray, fold: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Probability of each row, (n,), by isotonic regression on the rows of the other folds.

    No row's own label, nor one of its fold, goes into its `curve`.
    """
    chance = np.full(len(score), positive.mean())
    for number in np.unique(fold):
        inside = fold == number
        known = positive[~inside]
        if not known.any() or known.all():
            continue
        chance[inside] = np.interp(score[inside], *curve(known, score[~inside]))
    return chance


def curve(
    positive: NDArray[np.bool_], score: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots of the isotonic regression, scores and probabilities, rising; straight between them.

    The ends are drawn in by Laplace's rule, as no finite number of rows shows a probability of 0
    or 1. Both classes must be there.
    """
    edge = 1.0 / (positive.sum() + 2.0), 1.0 / ((~positive).sum() + 2.0)
    fitted = IsotonicRegression(out_of_bounds="clip").fit(score, positive)
    low, high = edge[1], 1.0 - edge[0]
    return fitted.X_thresholds_, np.clip(fitted.y_thresholds_, low, high)


def expected_error(
    positive: NDArray[np.bool_], chance: NDArray, weights: Weights, *, bins: int = 10
) -> Weights:
    """Expected calibration error, (draws,), in bins of equal mass, for each row of ``weights``.

    The weighted mean over the bins of how far the mean probability lies from the share of
    positives.
    """
    order = np.argsort(chance, kind="stable")
    off = np.where(positive, chance - 1.0, chance)
    parts = np.array_split(order, min(bins, len(order)))
    gaps = sum(np.abs(weights[:, part] @ off[part]) for part in parts)
    return np.asarray(gaps / weights.sum(1))
