"""How alike two nodules are beside others: similarity as a percentile, and distance by distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.posterior import AnyPosterior
from napari_vaemed.distances.families import distances_of, overlap
from napari_vaemed.distances.properties import Distance

SAMPLE = 200
"""Nodules drawn on either side, to compare a similarity with those of their pairs."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """What one distance makes of the nodules allowed.

    Parameters
    ----------
    name : str
        Of the function.
    rows : tuple of int
        Its nearest, nearest first.
    ranks : mapping
        By row of the index, 1 for the nearest; of the nearest of every distance.
    """

    name: str
    rows: tuple[int, ...]
    ranks: Mapping[int, int]


def similarity_percentile(index: NoduleIndex, similarity: float) -> float:
    """Share of random pairs, nodules of different patients, that are less alike; 0 to 100."""
    less = np.searchsorted(_pair_similarities(index), similarity, side="left")
    return 100.0 * float(less) / max(len(_pair_similarities(index)), 1)


def rankings(
    index: NoduleIndex, query: AnyPosterior, allowed: NDArray[np.bool_], k: int
) -> tuple[Ranking, ...]:
    """The ``k`` nearest of the nodules allowed by each distance that can be asked of them.

    Parameters
    ----------
    query : Posterior or DirichletPosterior of shape (d,)
    allowed : (n,) bool
    """
    rows = np.flatnonzero(allowed)
    orders = {
        distance.__name__: rows[
            np.argsort(distance(query, index.posterior[rows])[0], kind="stable")
        ]
        for distance in askable(index.posterior)
    }
    asked = sorted({row for order in orders.values() for row in order[:k].tolist()})
    found = []
    for name, order in orders.items():
        rank = np.zeros(len(index), int)
        rank[order] = np.arange(1, len(order) + 1)
        ranks = {row: int(rank[row]) for row in asked}
        found.append(Ranking(name, tuple(order[:k].tolist()), ranks))
    return tuple(found)


def askable(known: AnyPosterior) -> tuple[Distance[Any], ...]:
    """The distances of its family; of an autoencoder's points only those between points."""
    points = not known.sd.any()
    every = distances_of(known)
    return tuple(d for d in every if not points or d.__module__.endswith(".points"))


def only_named_by(rankings: Sequence[Ranking]) -> dict[str, tuple[int, ...]]:
    """Rows that one distance alone has among its nearest, by its name; nearest first."""
    named: dict[str, tuple[int, ...]] = {}
    for one in rankings:
        others = {row for other in rankings if other is not one for row in other.rows}
        named[one.name] = tuple(row for row in one.rows if row not in others)
    return named


def shared_by_all(rankings: Sequence[Ranking]) -> tuple[int, ...]:
    """Rows that every distance has among its nearest, in the order of the first."""
    common = set.intersection(*(set(one.rows) for one in rankings))
    return tuple(row for row in rankings[0].rows if row in common)


@lru_cache(maxsize=2)
def _pair_similarities(index: NoduleIndex) -> NDArray[np.float64]:
    """Of random pairs of different patients, rising."""
    rng, n = np.random.default_rng(0), len(index)
    owner = np.unique([record.patient for record in index.records], return_inverse=True)[1]
    one, other = (rng.choice(n, min(SAMPLE, n), replace=False) for _ in range(2))
    alike = overlap(index.posterior[one], index.posterior[other])
    return np.sort(alike[owner[one][:, None] != owner[other]])
