"""How well a ranking separates, and the score that neighbours vote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Measure = Callable[[NDArray[np.bool_], NDArray], float]


def auc(positive: NDArray[np.bool_], score: NDArray) -> float:
    """Area under the ROC curve; NaN where only one class is there.

    By ranks (Mann and Whitney, 1947), in a twentieth of scikit-learn's time for a few hundred.
    """
    n = int(positive.sum())
    if n in (0, len(positive)):
        return float("nan")
    above = rankdata(score)[positive].sum() - n * (n + 1) / 2
    return float(above / (n * (len(positive) - n)))


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


def precision_at(
    apart: NDArray, wanted: NDArray[np.bool_], known: NDArray[np.bool_], *, k: int = 10
) -> NDArray[np.float64]:
    """Share, (n,), of the k nearest that are of the query's class.

    Parameters
    ----------
    apart : (n, m)
        Distance of each of n queries to m known ones.
    wanted, known : (n,) and (m,) bool
        Their classes.
    """
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :k]
    share: NDArray[np.float64] = (known[nearest] == wanted[:, None]).mean(axis=1)
    return share


def f1(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall; 0 where nothing is called positive."""
    both = positive.sum() + called.sum()
    return float(2 * (positive & called).sum() / both) if both else 0.0


def best_threshold(positive: NDArray[np.bool_], score: NDArray) -> float:
    """The score from which on to call positive for the highest sensitivity plus specificity."""
    from sklearn.metrics import roc_curve

    false_share, true_share, threshold = roc_curve(positive, score)
    return float(threshold[np.argmax(true_share - false_share)])


def bootstrap_interval(
    measure: Measure,
    positive: NDArray[np.bool_],
    score: NDArray,
    groups: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """2.5th and 97.5th percentile of a measure when whole groups are drawn with replacement.

    Draws in which one class is missing are left out.
    """
    names, where = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(where == i) for i in range(len(names))]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        rows = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        if positive[rows].any() and not positive[rows].all():
            values.append(measure(positive[rows], score[rows]))
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
