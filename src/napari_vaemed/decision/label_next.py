"""What to annotate next: what is uncertain, what is unlike all labelled, or both.

No rule is best for every task, model and pool (Settles, 2009; Lüth et al., NeurIPS 2023): choosing
by uncertainty can be worse than chance where the first labels mislead, by coverage where outliers
are many. `simulate` says what each would have been worth on labels that are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from napari_vaemed.decision.label_errors import K, squared_distances
from napari_vaemed.training.metrics import auc, knn_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int_]

UNCERTAINTY, COVERAGE, MIX, CHANCE = "uncertainty", "coverage", "mix", "chance"
WAYS = (UNCERTAINTY, COVERAGE, MIX)
"""How nodules are chosen; chance is what they are measured against."""


def vote_entropy(place: Floats, positive: Bools, labelled: Rows, pool: Rows) -> Floats:
    """Entropy in bits, (len(pool),), of the votes of each one's nearest labelled nodules.

    A third of the labelled vote, at least three and at most 20. Without a label all are as
    uncertain as can be.

    Parameters
    ----------
    place : (n, d)
        Where nodules lie; Euclidean distances count.
    positive : (n,) bool
        Read only where ``labelled``.
    labelled, pool : ints
        Rows with a label, and those to be chosen from.
    """
    if not len(labelled):
        return np.ones(len(pool))
    apart = squared_distances(place[pool], place[labelled])
    share = knn_score(apart, positive[labelled], k=int(np.clip(len(labelled) // 3, 3, K)))
    share = np.clip(share, 1e-12, 1 - 1e-12)
    entropy: Floats = -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    return entropy


def choose_next(
    place: Floats,
    positive: Bools,
    labelled: Rows,
    pool: Rows,
    n: int,
    *,
    by: str = MIX,
    rng: np.random.Generator | None = None,
) -> Rows:
    """The ``n`` rows of the pool to be labelled next, the most wanted first.

    Parameters
    ----------
    by : str
        ``"uncertainty"``: highest vote entropy. ``"coverage"``: greedy k-centre (Sener and
        Savarese, 2018), each the farthest from all labelled and chosen. ``"mix"``: highest sum
        of its ranks by both, so that one batch is uncertain and yet spread. ``"chance"``.
    rng : Generator or None
        For chance.

    Raises
    ------
    ValueError
        There is no such way.
    """
    if by not in (*WAYS, CHANCE):
        raise ValueError(f"Choose by {', '.join(WAYS)} or {CHANCE}; got {by!r}.")
    n = min(n, len(pool))
    if by == CHANCE:
        return (rng or np.random.default_rng()).permutation(pool)[:n]
    entropy = vote_entropy(place, positive, labelled, pool)
    if by == UNCERTAINTY:
        return pool[np.argsort(-entropy, kind="stable")[:n]]
    weight = rankdata(entropy) if by == MIX else np.zeros(len(pool))
    return _spread(place, labelled, pool, n, weight)


def simulate(
    place: Floats,
    positive: Bools,
    pool: Rows,
    held_out: Rows,
    counts: Sequence[int],
    *,
    by: str,
    seed: int = 0,
) -> Floats:
    """AUC on held-out rows after so many labels of the pool were asked for, (len(counts),).

    The first ``counts[0]`` are drawn at random with both classes among them, the same for every
    way with one seed; the classifier is a logistic regression of the place.

    Raises
    ------
    ValueError
        The pool is too small or of one class, or the counts do not grow.
    """
    from sklearn.linear_model import LogisticRegression

    if len(pool) < counts[-1] or len(np.unique(positive[pool])) < 2 or counts[0] < 2:
        raise ValueError(
            f"{counts[-1]} labels of two classes are needed to learn from; the pool has "
            f"{len(pool)} with {int(positive[pool].sum())} positive. Ask for fewer, or add nodules."
        )
    if list(counts) != sorted(set(counts)):
        raise ValueError(f"The numbers of labels must grow; got {list(counts)}.")
    rng = np.random.default_rng(seed)
    labelled = _first(positive, pool, counts[0], rng)
    areas = []
    for count in counts:
        left = np.setdiff1d(pool, labelled)
        more = choose_next(place, positive, labelled, left, count - len(labelled), by=by, rng=rng)
        labelled = np.concatenate([labelled, more])
        model = LogisticRegression(C=0.1, max_iter=2000).fit(place[labelled], positive[labelled])
        areas.append(auc(positive[held_out], model.decision_function(place[held_out])))
    return np.array(areas)


def _spread(place: Floats, labelled: Rows, pool: Rows, n: int, weight: Floats) -> Rows:
    """Greedily the farthest from all labelled and chosen, by rank, with another rank added."""
    if len(labelled):
        far = squared_distances(place[pool], place[labelled]).min(axis=1)
    else:
        far = squared_distances(place[pool], place[pool].mean(axis=0, keepdims=True))[:, 0]
    left, chosen = np.ones(len(pool), bool), []
    for _ in range(n):
        wanted = np.where(left, rankdata(far) + weight, -np.inf)
        pick = int(wanted.argmax())
        chosen.append(pick)
        left[pick] = False
        far = np.minimum(far, squared_distances(place[pool], place[pool[pick : pick + 1]])[:, 0])
    return pool[np.array(chosen, int)]


def _first(positive: Bools, pool: Rows, count: int, rng: np.random.Generator) -> Rows:
    drawn = rng.permutation(pool)
    both = [drawn[positive[drawn]][0], drawn[~positive[drawn]][0]]
    rest = drawn[~np.isin(drawn, both)]
    return np.concatenate([both, rest[: count - 2]]).astype(int)
