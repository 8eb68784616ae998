"""Votes into the rows of a table: every figure with the interval that the same patients give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.bench import BenchRow
from napari_vaemed.data.interval import Interval
from napari_vaemed.workflow.bench_cases import SMALL, Cases
from napari_vaemed.workflow.bench_votes import JOINED_LOGISTIC, LOGISTIC, NEIGHBOURS, Votes, Way

Floats = NDArray[np.float64]
Facts = Mapping[str, float | None]

VOLUME: Way = ("log volume", "itself")


def ruler_of(method: str) -> Way:
    """What a way is compared with: the mask features alone, by neighbours as most are."""
    return "mask features", LOGISTIC if method == JOINED_LOGISTIC else NEIGHBOURS


def table(
    votes: Mapping[Way, Sequence[Votes]],
    cases: Cases,
    folds: Sequence[NDArray[np.int_]],
    facts: Mapping[str, Facts],
    *,
    draws: int = 2000,
) -> tuple[BenchRow, ...]:
    """One row a way, the highest AUC first.

    Parameters
    ----------
    votes : mapping
        Of each way, for each seed, the votes on all cases.
    folds : sequence of (m,) int
        For each seed, in which fold each case was held out.
    facts : mapping
        By entrant.
    draws : int
        Of patients, with replacement; the same for every row.
    """
    from napari_vaemed.training.bootstrap import patient_draws

    weights = patient_draws(cases.patients.tolist(), draws=draws)
    drawn = {way: _auc_draws(some, cases, weights) for way, some in votes.items()}
    rows = [
        _row(way, some, cases, folds, weights, drawn, facts.get(way[0], {}))
        for way, some in votes.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.auc.value if row.auc else 0.0))


def _auc_draws(some: Sequence[Votes], cases: Cases, weights: Floats) -> Floats:
    """AUC of each seed and draw, (seeds, draws)."""
    from napari_vaemed.training.bootstrap import weighted_auc

    return np.array([weighted_auc(cases.positive, votes.score, weights) for votes in some])


def _row(
    way: Way,
    some: Sequence[Votes],
    cases: Cases,
    folds: Sequence[NDArray[np.int_]],
    weights: Floats,
    drawn: Mapping[Way, Floats],
    facts: Facts,
) -> BenchRow:
    from napari_vaemed.training.bootstrap import interval, two_sided_p, weighted_mean

    def over(rival: Way) -> Floats | None:
        same = way == rival or rival not in drawn
        return None if same else (drawn[way] - drawn[rival][: len(some)]).mean(axis=0)

    def gain(rival: Way) -> Interval | None:
        apart = over(rival)
        return None if apart is None else interval(apart)

    by_seed = drawn[way][:, 0]
    strata = {name: _within(some, cases, weights, inside) for name, inside in cases.strata.items()}
    same = np.mean([votes.same for votes in some], axis=0)
    ruler = ruler_of(way[1])
    over_mask = over(ruler)
    accuracy, brier, error = _calibration(some, cases, folds, weights)
    return BenchRow(
        *way,
        seeds=len(some),
        auc=interval(drawn[way].mean(axis=0)),
        auc_small=strata[SMALL],
        auc_sd=float(by_seed.std(ddof=1)) if len(some) > 1 else None,
        over_volume=gain(VOLUME),
        over_mask=gain(ruler),
        p_mask=None if over_mask is None else two_sided_p(over_mask),
        strata=strata,
        precision_at_10=interval(weighted_mean(same, weights)),
        accuracy=accuracy,
        brier=brier,
        calibration_error=error,
        facts=facts,
    )


def _within(
    some: Sequence[Votes], cases: Cases, weights: Floats, inside: NDArray[np.bool_]
) -> Interval | None:
    """AUC of the cases in one stratum."""
    from napari_vaemed.training.bootstrap import interval, weighted_auc

    positive, some_weights = cases.positive[inside], weights[:, inside]
    drawn = [weighted_auc(positive, votes.score[inside], some_weights) for votes in some]
    return interval(np.mean(drawn, axis=0))


def _calibration(
    some: Sequence[Votes], cases: Cases, folds: Sequence[NDArray[np.int_]], weights: Floats
) -> tuple[Interval | None, ...]:
    """Accuracy, Brier score and calibration error of calibrated votes, means over the seeds."""
    from napari_vaemed.training.bootstrap import interval, weighted_mean
    from napari_vaemed.training.calibration import calibrated, expected_error

    right, squares, errors = [], [], []
    for votes, fold in zip(some, folds, strict=False):
        chance = calibrated(cases.positive, votes.score, fold)
        right.append(weighted_mean((chance >= 0.5) == cases.positive, weights))
        squares.append(weighted_mean(np.square(chance - cases.positive), weights))
        errors.append(expected_error(cases.positive, chance, weights))
    return tuple(interval(np.mean(drawn, axis=0)) for drawn in (right, squares, errors))
