"""Which nodules to annotate next for a task, and what choosing them is worth beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.decision.label_next import (
    CHANCE,
    MIX,
    WAYS,
    choose_next,
    simulate,
    vote_entropy,
)
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.workflow.fold_places import (
    Places,
    mask_feature_rows,
    patches_of,
    places_by_pictures,
    sides_of,
)

COUNTS = (10, 20, 30, 40, 60, 80, 100, 150, 200, 300)
"""Numbers of labels at which a learning curve is measured, as far as the pool reaches."""


@dataclass(frozen=True)
class LearningCurve:
    """What labels chosen one way were worth.

    Parameters
    ----------
    by : str
    counts : tuple of int
        Numbers of labels.
    auc, over_chance : tuple of Interval
        On held-out patients, mean over seeds with its 95 % interval (Student's t); and by how
        much it was above chance with the same first labels.
    """

    by: str
    counts: tuple[int, ...]
    auc: tuple[Interval, ...]
    over_chance: tuple[Interval, ...]


def label_next(
    folder: Path, *, task: str = "malignancy", by: str = MIX, n: int = 20
) -> Work[list[dict[str, Any]]]:
    """Name the nodules of a folder to annotate next; see `next_of`."""
    records, places = yield from _laid_out(folder)
    return next_of(records, places, task=task, by=by, n=n)


def learning_curves(
    folder: Path, *, task: str = "malignancy", seeds: int = 10
) -> Work[tuple[LearningCurve, ...]]:
    """Learning curves on the labels that a folder has; see `curves_of`."""
    records, places = yield from _laid_out(folder)
    return (yield from curves_of(records, places, task=task, seeds=seeds))


def next_of(
    records: Sequence[NoduleRecord],
    places: Places,
    *,
    task: str = "malignancy",
    by: str = MIX,
    n: int = 20,
) -> list[dict[str, Any]]:
    """The nodules without a clear score to be looked at next, the most wanted first.

    Parameters
    ----------
    task : str
        One of `data.nodule.ATTRIBUTES`: told apart is above 3 from below; 3, and what was not
        rated (NaN), waits for a label.

    Raises
    ------
    ValueError
        An unknown task or way, or nothing waits for a label.
    """
    positive, clear = sides_of(records, task)
    pool, labelled = np.flatnonzero(~clear), np.flatnonzero(clear)
    if not len(pool):
        raise ValueError(
            f"All {len(records)} nodules have a clear score of {task}: nothing waits for a label."
        )
    place = places.folds[0].place
    chosen = choose_next(place, positive, labelled, pool, n, by=by)
    entropy = vote_entropy(place, positive, labelled, chosen)
    return [
        {
            "place": number,
            "id": records[row].id,
            task: None if np.isnan(records[row].ratings[task]) else records[row].ratings[task],
            "vote_entropy": round(float(uncertain), 3),
            "by": by,
            "row": int(row),
        }
        for number, (row, uncertain) in enumerate(zip(chosen, entropy, strict=True), 1)
    ]


def curves_of(
    records: Sequence[NoduleRecord], places: Places, *, task: str = "malignancy", seeds: int = 10
) -> Work[tuple[LearningCurve, ...]]:
    """Play the annotation of a labelled set again, by chance and by each way.

    Each seed holds out one fold of patients and draws other first labels.

    Raises
    ------
    ValueError
        An unknown task, or too few labels.
    """
    positive, clear = sides_of(records, task)
    smallest = min(int(clear[fold.known].sum()) for fold in places.folds)
    counts = [count for count in COUNTS if count <= smallest]
    if not counts:
        raise ValueError(f"Learning curves need {COUNTS[0]} labels of {task}; got {smallest}.")
    areas: dict[str, list[NDArray[np.float64]]] = {way: [] for way in (CHANCE, *WAYS)}
    for seed in range(seeds):
        fold = places.folds[seed % len(places.folds)]
        pool, held_out = fold.known[clear[fold.known]], fold.held_out[clear[fold.held_out]]
        for number, way in enumerate(areas):
            yield Progress(f"Learning with labels by {way}", seed * len(areas) + number,
                           seeds * len(areas))  # fmt: skip
            areas[way].append(
                simulate(fold.place, positive, pool, held_out, counts, by=way, seed=seed)
            )
    chance = np.array(areas[CHANCE])
    return tuple(
        LearningCurve(way, tuple(counts), _means(np.array(some)), _means(np.array(some) - chance))
        for way, some in areas.items()
    )


def curve_rows(curves: Sequence[LearningCurve]) -> list[dict[str, Any]]:
    """One row a number of labels and way, for a table or JSON."""
    return [
        {
            "labels": count,
            "by": curve.by,
            "auc": round(area.value, 4),
            "auc_low": round(area.low, 4),
            "auc_high": round(area.high, 4),
            "over_chance": round(over.value, 4),
            "over_chance_low": round(over.low, 4),
            "over_chance_high": round(over.high, 4),
        }
        for curve in curves
        for count, area, over in zip(curve.counts, curve.auc, curve.over_chance, strict=True)
    ]


def _laid_out(folder: Path) -> Work[tuple[tuple[NoduleRecord, ...], Places]]:
    nodules = yield from read_nodule_set(folder)
    patches = yield from patches_of(nodules)
    patients = [record.patient for record in nodules.records]
    places = yield from places_by_pictures(patients, mask_feature_rows(nodules), patches)
    return nodules.records, places


def _means(values: NDArray[np.float64]) -> tuple[Interval, ...]:
    """Mean over seeds (first axis) with its 95 % interval, number by number of labels."""
    mean, n = values.mean(axis=0), len(values)
    wide = t.ppf(0.975, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else 0.0 * mean
    return tuple(
        Interval(float(m), float(m - w), float(m + w)) for m, w in zip(mean, wide, strict=True)
    )
