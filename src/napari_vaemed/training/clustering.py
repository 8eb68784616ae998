"""How well clusters that nobody named agree with classes that somebody did."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

Numbers = NDArray[np.integer]


def agreement_figures(cluster: Numbers, truth: Numbers) -> dict[str, float]:
    """Accuracy by majority and one to one, NMI and ARI of clusters (n,) and classes (n,)."""
    return {
        "majority": majority_accuracy(cluster, truth),
        "hungarian": hungarian_accuracy(cluster, truth),
        "nmi": float(normalized_mutual_info_score(truth, cluster)),
        "ari": float(adjusted_rand_score(truth, cluster)),
    }


def majority_accuracy(cluster: Numbers, truth: Numbers) -> float:
    """Share of samples of their cluster's most frequent class; several may share a class.

    The many-to-one accuracy of Su's program. It never falls when clusters are added.
    """
    return float(counts(cluster, truth).max(axis=1).sum() / len(truth))


def hungarian_accuracy(cluster: Numbers, truth: Numbers) -> float:
    """Share of samples that are right when every class is given to one cluster at most.

    The best such matching (Kuhn, The Hungarian Method for the Assignment Problem, 1955); what DEC,
    IDEC and VaDE report.
    """
    table = counts(cluster, truth)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(truth))


def counts(cluster: Numbers, truth: Numbers) -> NDArray[np.int_]:
    """Samples (clusters, classes) of each cluster that are of each class; empty ones left out."""
    _, row = np.unique(cluster, return_inverse=True)
    _, column = np.unique(truth, return_inverse=True)
    table = np.zeros((row.max() + 1, column.max() + 1), int)
    np.add.at(table, (row, column), 1)
    return table
