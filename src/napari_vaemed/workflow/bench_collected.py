"""Votes and facts of a bench as its folds come in, and the table they make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.bench import BenchRow, Codes
from napari_vaemed.workflow.bench_cases import BenchSet
from napari_vaemed.workflow.bench_table import table
from napari_vaemed.workflow.bench_votes import (
    Votes,
    Way,
    joined_votes,
    mask_probe,
    neighbour_votes,
    ruler_votes,
    scored,
)


class Collected:
    """Votes of every way, seed by seed, as folds come in."""

    def __init__(self, data: BenchSet) -> None:
        self.data = data
        self._votes: dict[Way, dict[int, dict[float, Votes]]] = defaultdict(dict)
        self._folds: dict[int, NDArray[np.int_]] = {}
        self._facts: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._place = np.full(len(data.nodules), -1)
        self._place[data.cases.rows] = np.arange(len(data.cases.rows))

    def add_rulers(
        self, seed: int, fold: int, known: NDArray[np.int_], held_out: NDArray[np.int_]
    ) -> None:
        """Take in what needs no encoder."""
        self._folds.setdefault(seed, np.full(len(self.data.cases.rows), -1))
        asked = scored(self.data, held_out)
        self._folds[seed][self._place[asked]] = fold
        for way, votes in ruler_votes(self.data, scored(self.data, known), asked).items():
            self._put(way, seed, asked, votes)
        volume = self.data.log_volumes[:, None]
        self._note(
            "log volume", {"probe_mask_dice": mask_probe(volume, self.data, known, held_out)}
        )

    def add(
        self,
        name: str,
        codes: Codes,
        seed: int,
        fold: int,
        known: NDArray[np.int_],
        held_out: NDArray[np.int_],
        distances: Sequence[Any],
    ) -> None:
        """Take in an encoder's fold."""
        data = self.data
        asked, others = scored(data, held_out), scored(data, known)
        for title, votes in neighbour_votes(codes, data, others, asked, distances).items():
            self._put((name, title), seed, asked, votes)
        for title, by_weight in joined_votes(codes, data, others, asked).items():
            for weight, votes in by_weight.items():
                self._put((name, title), seed, asked, votes, weight)
        probe = {"probe_mask_dice": mask_probe(codes.centred, data, known, held_out)}
        self._note(name, {**codes.facts, **probe})

    def add_score(self, name: str, seed: int, score: NDArray[np.float64]) -> None:
        """Take in a number of every nodule, (n,), as a score by itself."""
        rows = self.data.cases.rows
        self._put((name, "itself"), seed, rows, Votes(score[rows], np.full(len(rows), np.nan)))

    def rows(self) -> tuple[BenchRow, ...]:
        """The table of all that was taken in."""
        seeds = sorted(self._folds)
        votes = {
            way: [self._chosen(some[seed], self._folds[seed]) for seed in seeds]
            for way, some in self._votes.items()
        }
        facts = {
            name: {fact: float(np.mean(values)) for fact, values in each.items()}
            for name, each in self._facts.items()
        }
        return table(votes, self.data.cases, [self._folds[seed] for seed in seeds], facts)

    def _chosen(self, by_weight: Mapping[float, Votes], fold: NDArray[np.int_]) -> Votes:
        """Each fold's votes by the weight that does best on the other folds."""
        from napari_vaemed.training.metrics import auc

        first = next(iter(by_weight.values()))
        if len(by_weight) == 1:
            return first
        positive = self.data.cases.positive
        whole = Votes(np.empty_like(first.score), np.empty_like(first.same))
        for number in np.unique(fold):
            inside = fold == number
            best = max(
                by_weight.values(),
                key=lambda votes: np.nan_to_num(auc(positive[~inside], votes.score[~inside])),
            )
            whole.score[inside], whole.same[inside] = best.score[inside], best.same[inside]
        return whole

    def _put(
        self, way: Way, seed: int, asked: NDArray[np.int_], votes: Votes, weight: float = 1.0
    ) -> None:
        m = len(self.data.cases.rows)
        by_weight = self._votes[way].setdefault(seed, {})
        whole = by_weight.setdefault(weight, Votes(np.full(m, np.nan), np.full(m, np.nan)))
        at = self._place[asked]
        whole.score[at], whole.same[at] = votes.score, votes.same

    def _note(self, name: str, facts: Mapping[str, float | None]) -> None:
        for fact, value in facts.items():
            if value is not None:
                self._facts[name][fact].append(value)
