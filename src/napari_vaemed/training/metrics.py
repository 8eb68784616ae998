"""How well a ranking separates, and the score that neighbours vote."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score


def auc(positive: NDArray[np.bool_], score: NDArray) -> float:
    """Area under the ROC curve; NaN where only one class is there."""
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, score))


def knn_score(apart: NDArray, positive: NDArray[np.bool_], *, k: int = 20) -> NDArray[np.float64]:
    """Share of positives among the k nearest, the r-th nearest weighing 1 / (r + 5).

    Ranks make distances of any scale alike.

    Parameters
    ----------
    apart : (n, m)
        Distance of each of n queries to m known ones.
    positive : (m,) bool
    """
    k = min(k, apart.shape[1])
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :k]
    weight = 1.0 / (np.arange(1, k + 1) + 5.0)
    return positive[nearest] @ weight / weight.sum()
