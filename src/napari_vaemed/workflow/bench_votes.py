"""What held-out nodules' neighbours say of them, by each distance and each ruler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.bench import Codes
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.training.folds import standardised
from napari_vaemed.workflow.bench_cases import BenchSet
from napari_vaemed.workflow.bench_codes import Rows

Floats = NDArray[np.float64]

K = 20
"""How many neighbours vote."""

NEAREST = 10
"""Among how many the share of the query's class is told."""

NEIGHBOURS = f"{K}-NN"


LOGISTIC = "logistic"
JOINED, JOINED_LOGISTIC = f"{NEIGHBOURS} with mask features", f"{LOGISTIC} with mask features"

WEIGHTS = (0.1, 0.25, 0.5, 1.0)
"""What a code may weigh beside the mask features."""


@dataclass(frozen=True, eq=False)
class Votes:
    """Scores of some nodules by one way.

    Parameters
    ----------
    score : (n,) float
        The higher, the more malignant.
    same : (n,) float
        Share of the ten nearest that are of the nodule's class; nan without neighbours.
    """

    score: Floats
    same: Floats


Way = tuple[str, str]
"""Who scores, and by what distance or method."""


def scored(data: BenchSet, rows: Rows) -> Rows:
    """Those of the rows whose malignancy is clear."""
    return np.intersect1d(rows, data.cases.rows)


def neighbour_votes(
    codes: Codes, data: BenchSet, known: Rows, held_out: Rows, distances: Sequence[Any]
) -> dict[str, Votes]:
    """Votes of the known scored rows on the held-out ones, by the title of each distance.

    Of the distances those of the same names are asked that go with the codes: points have no
    spread, and Dirichlets have distances of their own.
    """
    from napari_vaemed.distances.properties import properties_of
    from napari_vaemed.retrieval.comparison import askable

    query, others = codes.clicked[held_out], codes.clicked[known]
    names = {distance.__name__ for distance in distances}
    return {
        properties_of(distance).title: votes_of(distance(query, others), data, known, held_out)
        for distance in askable(codes.clicked)
        if distance.__name__ in names
    }


def ruler_votes(data: BenchSet, known: Rows, held_out: Rows) -> dict[Way, Votes]:
    """What log volume and the mask features say, without any encoder."""
    volume = data.log_volumes[:, None]
    nothing = np.full(len(held_out), np.nan)
    features = standardised(data.features, known)
    return {
        ("log volume", "itself"): Votes(data.log_volumes[held_out], nothing),
        ("log volume", NEIGHBOURS): votes_of(_gaps(volume, known, held_out), data, known, held_out),
        ("mask features", NEIGHBOURS): votes_of(
            _gaps(features, known, held_out), data, known, held_out
        ),
        ("mask features", LOGISTIC): Votes(_logistic(features, data, known, held_out), nothing),
    }


def joined_votes(
    codes: Codes, data: BenchSet, known: Rows, held_out: Rows
) -> dict[str, dict[float, Votes]]:
    """Mask features and code together, by method and by each of `WEIGHTS`.

    Neighbours in both, and a logistic regression of both. Of a posterior its means and deviations
    count, as they do in the 2-Wasserstein distance. At weight 1 the code counts as much as the
    features. It is to weigh less: its encoder has seen the known nodules, and makes more of them
    than of new ones.
    """
    features = standardised(data.features, known)
    posterior = codes.clicked
    spread = [posterior.sd] if posterior.sd.any() else []
    code = standardised(np.concatenate([posterior.mean, *spread], axis=1), known)
    code *= np.sqrt(features.shape[1] / code.shape[1])
    found: dict[str, dict[float, Votes]] = {JOINED: {}, JOINED_LOGISTIC: {}}
    nothing = np.full(len(held_out), np.nan)
    for weight in WEIGHTS:
        both = np.concatenate([features, weight * code], axis=1)
        near = votes_of(_gaps(both, known, held_out), data, known, held_out)
        found[JOINED][weight] = near
        score = _logistic(both, data, known, held_out)
        found[JOINED_LOGISTIC][weight] = Votes(score, nothing)
    return found


def mask_probe(codes: NDArray[np.floating], data: BenchSet, known: Rows, held_out: Rows) -> float:
    """Mean Dice of held-out masks that a ridge regression draws from frozen codes.

    The second task: the codes were made without it being asked for. The threshold is the one of
    0.3, 0.4 and 0.5 that suits the known masks best.
    """
    values = np.concatenate([standardised(codes, known), np.ones((len(codes), 1))], axis=1)
    masks = data.centred.mask.flatten(1).numpy()
    x = values[known].astype(np.float32)
    weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1], dtype=np.float32), x.T @ masks[known])

    def dice(rows: Rows, threshold: float) -> float:
        drawn = values[rows].astype(np.float32) @ weights > threshold
        both = (drawn & masks[rows]).sum(1)
        return float((2 * both / np.maximum(drawn.sum(1) + masks[rows].sum(1), 1)).mean())

    best = max((0.3, 0.4, 0.5), key=lambda threshold: dice(known, threshold))
    return dice(held_out, best)


def _gaps(values: Floats, known: Rows, held_out: Rows) -> Floats:
    from napari_vaemed.distances import euclidean

    def points(rows: Rows) -> Posterior:
        return Posterior(values[rows], np.zeros_like(values[rows]))

    distance: Callable[[Posterior, Posterior], Floats] = euclidean
    return distance(points(held_out), points(known))


def votes_of(apart: Floats, data: BenchSet, known: Rows, held_out: Rows) -> Votes:
    """Votes of the known scored rows on held-out ones that lie so far ``apart``, (n, m)."""
    from napari_vaemed.training.metrics import knn_score, precision_at

    malignant = _malignant(data)
    score = knn_score(apart, malignant[known], k=K)
    same = precision_at(apart, malignant[held_out], malignant[known], k=NEAREST)
    return Votes(score, same)


def _logistic(values: Floats, data: BenchSet, known: Rows, held_out: Rows) -> Floats:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.1, max_iter=2000).fit(values[known], _malignant(data)[known])
    score: Floats = model.decision_function(values[held_out])
    return score


def _malignant(data: BenchSet) -> NDArray[np.bool_]:
    malignant = np.zeros(len(data.nodules), bool)
    malignant[data.cases.rows] = data.cases.positive
    return malignant
