"""What a sweep's trials scored, each with the interval that the same patients give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.sweep import Choice, Space, SweepRow, best_of
from napari_vaemed.io.sweep_store import Kept
from napari_vaemed.workflow.bench_cases import SMALL, BenchSet
from napari_vaemed.workflow.bench_codes import Rows
from napari_vaemed.workflow.bench_votes import Floats, Way, ruler_votes

RULERS: tuple[Way, ...] = (("log volume", "itself"), ("mask features", "20-NN"))


class Judge:
    """Judges scores of some nodules, all on the same draws of patients.

    Parameters
    ----------
    data : BenchSet
    rows : (n,) int
        The nodules, all with a clear score.
    """

    def __init__(self, data: BenchSet, rows: Rows) -> None:
        from napari_vaemed.training.bootstrap import patient_draws

        cases = data.cases
        at = np.searchsorted(cases.rows, rows)
        self.rows, self.positive, self.small = rows, cases.positive[at], cases.strata[SMALL][at]
        self.patients = cases.patients[at]
        self._weights = patient_draws(self.patients.tolist())

    def area(self, scores: Floats) -> float:
        """AUC of scores (seeds, n), mean over the seeds; half where a class is missing."""
        from napari_vaemed.training.metrics import auc

        found = [auc(self.positive, score) for score in scores]
        return 0.5 if np.isnan(found).any() else float(np.mean(found))

    def drawn(self, scores: Floats, *, small: bool = False) -> Floats:
        """AUC of scores (seeds, n) for every draw, mean over the seeds."""
        from napari_vaemed.training.bootstrap import weighted_auc

        part = self.small if small else np.ones(len(self.positive), bool)
        each = [weighted_auc(self.positive[part], s[part], self._weights[:, part]) for s in scores]
        found: Floats = np.mean(each, axis=0)
        return found

    def about(self) -> dict[str, int]:
        """How many nodules, malignant ones, small ones and patients."""
        return {
            "n": len(self.rows),
            "malignant": int(self.positive.sum()),
            "n_6_to_10_mm": int(self.small.sum()),
            "patients": len(set(self.patients.tolist())),
        }


def table(kept: Sequence[Kept], judge: Judge) -> tuple[SweepRow, ...]:
    """A row a trial, the highest AUC first, those stopped early after the whole ones."""
    from napari_vaemed.training.bootstrap import interval

    drawn = {trial.number: judge.drawn(_scores(trial)) for trial in kept if _scored(trial)}
    rows = [_row(trial, judge, drawn.get(trial.number)) for trial in kept]
    best = best_of(rows)
    if best is not None:
        apart = {number: drawn[best.number] - some for number, some in drawn.items()}
        rows = [
            replace(row, below_best=interval(apart[row.number]))
            if row.state == "whole" and row.number in apart and row.number != best.number
            else row
            for row in rows
        ]
    order = ("whole", "stopped early", "under way", "waiting", "failed")
    return tuple(
        sorted(rows, key=lambda row: (order.index(row.state), -row.auc.value if row.auc else 0.0))
    )


def by_axis(
    kept: Sequence[Kept], judge: Judge, space: Space
) -> dict[str, dict[str, tuple[int, Interval | None]]]:
    """For each choice and each of its values: how many whole trials took it, and their mean AUC."""
    from napari_vaemed.training.bootstrap import interval

    whole = [(trial, judge.drawn(_scores(trial))) for trial in kept if trial.state == "whole"]
    found: dict[str, dict[str, tuple[int, Interval | None]]] = {}
    for axis in space.axes:
        if isinstance(axis, Choice) and len(axis.values) > 1:
            found[axis.name] = {}
            for value in axis.values:
                some = [drawn for trial, drawn in whole if trial.values.get(axis.name) == value]
                mean = interval(np.mean(some, axis=0)) if some else None
                found[axis.name][str(value)] = len(some), mean
    return found


def ruler_intervals(
    data: BenchSet, judge: Judge, folds: Sequence[tuple[Rows, Rows]]
) -> dict[str, Floats]:
    """Draws of the AUC of what needs no encoder, on the same folds, by name."""
    from napari_vaemed.workflow.bench_votes import scored

    found = [ruler_votes(data, scored(data, known), scored(data, out)) for known, out in folds]
    return {
        f"{who}, {how}": judge.drawn(
            np.concatenate([votes[who, how].score for votes in found])[None]
        )
        for who, how in RULERS
    }


def held_out_figures(
    data: BenchSet, scores: Floats, fold: tuple[Rows, Rows], judge: Judge
) -> dict[str, Any]:
    """AUC of the winner on the outer fold beside the rulers', and paired differences; JSON-able."""
    from napari_vaemed.training.bootstrap import interval

    mine = judge.drawn(scores)
    figures: dict[str, Any] = {
        **judge.about(),
        "auc": ends(interval(mine)),
        "auc_6_to_10_mm": ends(interval(judge.drawn(scores, small=True))),
    }
    for name, drawn in ruler_intervals(data, judge, [fold]).items():
        figures[name] = ends(interval(drawn))
        figures[f"above {name}"] = ends(interval(mine - drawn))
    return figures


def ends(found: Interval | None) -> list[float] | None:
    """Value, low and high of an interval, rounded to four places."""
    return None if found is None else [round(x, 4) for x in (found.value, found.low, found.high)]


def _scored(trial: Kept) -> bool:
    return "scores" in trial.result


def _scores(trial: Kept) -> Floats:
    return np.array(trial.result["scores"], float)


def _row(trial: Kept, judge: Judge, drawn: Floats | None) -> SweepRow:
    from napari_vaemed.training.bootstrap import interval

    result: Mapping[str, Any] = trial.result
    return SweepRow(
        trial.number,
        trial.values,
        trial.state,
        epochs=int(result.get("epochs", max(trial.curve, default=0))),
        auc=None if drawn is None else interval(drawn),
        auc_small=None if drawn is None else interval(judge.drawn(_scores(trial), small=True)),
        seconds=float(result.get("seconds", 0.0)),
        curve=trial.curve,
        why=str(result.get("why", "")),
    )
