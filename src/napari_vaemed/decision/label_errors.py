"""Which labels are contradicted, and how much: by neighbours, by confident learning, by ranks.

A label is judged only by what has not seen it: neighbours and classifier come from the other folds
of patients. Every score is the higher, the more doubtful the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int_]

K = 20
"""How many neighbours are asked."""


@dataclass(frozen=True, eq=False)
class FoldSpace:
    """Where all nodules lie, by what has learned from some of the patients alone.

    Parameters
    ----------
    known, held_out : ints
        Rows of the patients learned from, and of those who are judged; no patient is in both.
    place : (n, d) float
        Of all rows; Euclidean distances count.
    """

    known: Rows
    held_out: Rows
    place: Floats


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """What held-out nodules' labels are up against; NaN and −1 where a label is not clear.

    Parameters
    ----------
    contradiction : (n,) float
        Share of the neighbours' weight that has the other label, 0 to 1.
    voters : (n, k) int
        The neighbours, nearest first.
    nearest : (n,) float
        Distance of the first of them.
    probability : (n,) float
        That the label is positive, by the classifier of the other folds.
    asked : (n,) int
        Of how many known nodules the neighbours are the nearest.
    """

    contradiction: Floats
    voters: Rows
    nearest: Floats
    probability: Floats
    asked: Rows


def label_doubts(
    folds: Sequence[FoldSpace], positive: Bools, clear: Bools, *, k: int = K
) -> LabelDoubts:
    """Judge each clear label by neighbours and a logistic regression of the other folds.

    Parameters
    ----------
    positive : (n,) bool
        The labels as given.
    clear : (n,) bool
        Which rows have one; the others neither vote nor are judged.
    k : int
        Neighbours asked, at most as many as there are of the rarer label: more could not agree.
        The r-th nearest weighs 1 / (r + 5).
    """
    n = len(positive)
    contradiction, probability, nearest = (np.full(n, np.nan) for _ in range(3))
    voters, asked = np.full((n, k), -1), np.zeros(n, int)
    for fold in folds:
        known, judged = fold.known[clear[fold.known]], fold.held_out[clear[fold.held_out]]
        if not len(known) or not len(judged):
            continue
        apart = squared_distances(fold.place[judged], fold.place[known])
        rarer = int(min(positive[known].sum(), (~positive[known]).sum()))
        near = known[np.argsort(apart, axis=1, kind="stable")[:, : min(k, max(rarer, 1))]]
        nearest[judged] = np.sqrt(apart.min(axis=1))
        weight = 1.0 / (np.arange(1, near.shape[1] + 1) + 5.0)
        against = positive[near] != positive[judged][:, None]
        contradiction[judged] = against @ weight / weight.sum()
        voters[judged, : near.shape[1]], asked[judged] = near, len(known)
        probability[judged] = _probability(fold.place, positive, known, judged)
    return LabelDoubts(contradiction, voters, nearest, probability, asked)


def squared_distances(some: Floats, others: Floats) -> Floats:
    """Squared Euclidean distances, (n, m), of points (n, d) and (m, d)."""
    apart = np.square(some).sum(1)[:, None] + np.square(others).sum(1) - 2.0 * (some @ others.T)
    return np.maximum(apart, 0.0)


def z_by_class(score: Floats, positive: Bools) -> Floats:
    """A score, (n,), in standard deviations above the mean of its class; NaN stays NaN.

    A rarer class is contradicted more often; this says what is unusual within the class.
    """
    z = np.full(len(score), np.nan)
    for label in (False, True):
        rows = (positive == label) & ~np.isnan(score)
        if rows.any():
            spread = score[rows].std()
            z[rows] = (score[rows] - score[rows].mean()) / (spread if spread > 0 else 1.0)
    return z


@dataclass(frozen=True, eq=False)
class ConfidentLearning:
    """What confident learning says of given labels (Northcutt et al., JAIR 70, 2021).

    Parameters
    ----------
    thresholds : (classes,) float
        Mean probability of a class over the rows that were given it.
    joint : (classes, classes) float
        Share of rows given a label (first) whose true one is estimated to be another (second).
    self_confidence : (n,) float
        Probability of the given label.
    margin : (n,) float
        By how much the likeliest other label is more probable than the given one, −1 to 1.
    suspected : (n,) bool
        Counted off the diagonal: confidently another label.
    """

    thresholds: Floats
    joint: Floats
    self_confidence: Floats
    margin: Floats
    suspected: Bools


def confident_learning(probability: Floats, given: Rows) -> ConfidentLearning:
    """Estimate which given labels (n,) are wrong from out-of-sample probabilities (n, classes).

    Raises
    ------
    ValueError
        Shapes do not fit, or a class was given to no row.
    """
    n, classes = probability.shape
    if given.shape != (n,) or n == 0 or given.min() < 0 or given.max() >= classes:
        raise ValueError(
            f"Probabilities of shape {probability.shape} need {n} labels from 0 to {classes - 1}; "
            f"got shape {given.shape}."
        )
    if (np.bincount(given, minlength=classes) == 0).any():
        raise ValueError("Every class needs at least one row that was given it.")
    rows = np.arange(n)
    thresholds = np.array([probability[given == c, c].mean() for c in range(classes)])
    sure = np.where(probability >= thresholds, probability, -np.inf)
    confident, taken = np.isfinite(sure).any(axis=1), sure.argmax(axis=1)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (given[confident], taken[confident]), 1.0)
    by_given = np.bincount(given, minlength=classes)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.eye(classes), where=total > 0)
    joint = share * (by_given / n)[:, None]
    own = probability[rows, given]
    rest = probability.copy()
    rest[rows, given] = -np.inf
    return ConfidentLearning(
        thresholds, joint, own, rest.max(axis=1) - own, confident & (taken != given)
    )


def mean_rank(*scores: Floats) -> Floats:
    """Join scores (n,) by Borda's count: mean of their ranks, 0 to 1; NaN where all are.

    Ties share their rank, and a score that a row lacks does not count for it.
    """
    ranks = np.full((len(scores), len(scores[0])), np.nan)
    for rank, score in zip(ranks, scores, strict=True):
        there = ~np.isnan(score)
        rank[there] = (rankdata(score[there]) - 0.5) / max(int(there.sum()), 1)
    some = ~np.isnan(ranks).all(axis=0)
    joined = np.full(len(scores[0]), np.nan)
    joined[some] = np.nanmean(ranks[:, some], axis=0)
    return joined


def queue_score(doubts: LabelDoubts, positive: Bools) -> Floats:
    """How doubtful each label is, (n,), 0 to 1: mean rank of neighbours and confident learning.

    The raw contradiction, not that within its class: measured on planted errors the latter finds
    fewer (``benchmarks/planted_errors.py``).
    """
    wrong = np.where(positive, 1.0 - doubts.probability, doubts.probability)
    return mean_rank(doubts.contradiction, wrong)


def outlyingness(folds: Sequence[FoldSpace], n: int, *, k: int = 5) -> Floats:
    """How far each of n nodules lies from all known ones, without any label.

    The distance to its k-th neighbour among the other folds' patients, in robust deviations above
    the median of its fold (median absolute deviation × 1.4826).
    """
    far = np.full(n, np.nan)
    for fold in folds:
        if not len(fold.held_out):
            continue
        apart = squared_distances(fold.place[fold.held_out], fold.place[fold.known])
        kth = min(k, apart.shape[1]) - 1
        distance = np.sqrt(np.partition(apart, kth, axis=1)[:, kth])
        middle = np.median(distance)
        spread = 1.4826 * np.median(np.abs(distance - middle))
        far[fold.held_out] = (distance - middle) / (spread if spread > 0 else 1.0)
    return far


def _probability(place: Floats, positive: Bools, known: Rows, judged: Rows) -> Floats:
    from sklearn.linear_model import LogisticRegression

    share = positive[known].mean()
    if share in (0.0, 1.0):
        return np.full(len(judged), share)
    model = LogisticRegression(C=0.1, max_iter=2000).fit(place[known], positive[known])
    chance: Floats = model.predict_proba(place[judged])[:, 1]
    return chance
