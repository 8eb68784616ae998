"""Exact nearest posteriors by any distance: sort out by a matrix product, then ask the distance.

First the known posteriors with the lowest scores (`napari_vaemed.retrieval.forms`) are asked in
float64. If no other can be nearer than the k-th of them, that is the answer; else all that can be
are asked as well, a block at a time, on all threads. So the answer is that of the distance itself,
to the last digit and in the same order, whatever the score was good for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import AnyPosterior, Posterior
from napari_vaemed.distances.properties import Distance
from napari_vaemed.retrieval.features import BLOCK, Features, OutOfRange, Singles, make_features
from napari_vaemed.retrieval.forms import FORMS
from napari_vaemed.retrieval.mapped import scattered
from napari_vaemed.retrieval.scores import below, lowest, part, share

QUERIES = 512
"""Queries that go through an index together."""

_SLACK = 1e-6  # of a limit: far above the error of float64, far below what it costs to ask more
_CROWD = 0.5  # of a block's rows: then all are asked together, without picking them out


@dataclass(frozen=True, eq=False)
class Searchable:
    """Known posteriors prepared for search by one distance.

    Parameters
    ----------
    posterior : Posterior or DirichletPosterior of shape (m, d)
    distance : function
    features : Features or None
        None if the distance has no form, the family is not Gaussian, or features would leave
        float32; then all is asked directly.
    """

    posterior: AnyPosterior
    distance: Distance[Any]
    features: Features | None


@dataclass(frozen=True, eq=False)
class Hits:
    """The nearest of each query.

    Parameters
    ----------
    rows : (n, k) int64
        Nearest first, of equals the first in the index; −1 where fewer than k were allowed.
    distances : (n, k) float64
        inf where the row is −1.
    asked : int
        How many pairs the distance itself was computed for.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    asked: int


def prepare(
    known: AnyPosterior, distance: Distance[Any], *, keep: bool = True, device: str = "cpu"
) -> Searchable:
    """Make known posteriors searchable.

    Parameters
    ----------
    keep : bool
        Hold the features in memory (two to seven times the size of the posteriors). False makes
        them anew, block by block, at each search: for one search, and for posteriors mapped from
        a file that is larger than memory.
    device : str
        "cpu", or a CUDA device for features and scores, or "faiss" to leave the scores to FAISS;
        distances are asked on the CPU.
    """
    form, features = FORMS.get(distance), None
    if form is not None and len(known) and isinstance(known, Posterior):
        with suppress(OutOfRange):
            features = make_features(form, known, keep=keep or device != "cpu", device=device)
    return Searchable(known, distance, features)


def search(
    known: Searchable,
    query: AnyPosterior,
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    shortlist: int | None = None,
) -> Hits:
    """Give the ``k`` nearest known posteriors of each query, exactly.

    Parameters
    ----------
    query : Posterior or DirichletPosterior of shape (n, d) or (d,)
        Of the family that is known.
    allowed : (m,) or (n, m) bool or None
        Which known posteriors may be given at all, for all queries or for each.
    shortlist : int or None
        How many are asked at first; default max(50, 4k).

    Raises
    ------
    ValueError
        If ``k`` is not positive or ``allowed`` does not fit.
    """
    query = query[:]
    _check(known, query, k, allowed)
    k = min(k, len(known.posterior))
    parts = []
    for start in range(0, len(query), QUERIES):
        some = slice(start, start + QUERIES)
        mask = allowed[some] if allowed is not None and allowed.ndim == 2 else allowed
        parts.append(_search(known, query[some], k, mask, shortlist or max(50, 4 * k)))
    rows = np.concatenate([part.rows for part in parts])
    distances = np.concatenate([part.distances for part in parts])
    return Hits(rows, distances, sum(part.asked for part in parts))


def search_parts(
    parts: Sequence[Searchable],
    query: AnyPosterior,
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> Hits:
    """`search` in an index that lies in several parts; rows are counted through."""
    starts = np.cumsum([0, *(len(part.posterior) for part in parts[:-1])])
    among = [
        None if allowed is None else allowed[..., start : start + len(part.posterior)]
        for start, part in zip(starts, parts, strict=True)
    ]
    found = [search(p, query, k, allowed=here) for p, here in zip(parts, among, strict=True)]
    distances = np.concatenate([hits.distances for hits in found], axis=1)
    rows = np.concatenate(
        [np.where(h.rows < 0, -1, h.rows + start) for h, start in zip(found, starts, strict=True)],
        axis=1,
    )
    order = np.lexsort((rows, distances), axis=1)[:, :k]
    return Hits(
        np.take_along_axis(rows, order, axis=1),
        np.take_along_axis(distances, order, axis=1),
        sum(hits.asked for hits in found),
    )


def _search(
    known: Searchable,
    query: AnyPosterior,
    k: int,
    allowed: NDArray[np.bool_] | None,
    shortlist: int,
) -> Hits:
    if known.features is not None:
        nearest = _Nearest(known, query, k)
        with suppress(OutOfRange):
            nearest.sort_out(known.features, allowed, min(shortlist, len(known.posterior)))
            return nearest.hits()
    nearest = _Nearest(known, query, k)
    nearest.ask_all(allowed)
    return nearest.hits()


class _Nearest:
    """The k nearest of each query among those asked so far; any thread may ask."""

    def __init__(self, known: Searchable, query: Any, k: int) -> None:
        self.known, self.query, self.asked = known, query, 0
        self.distances = np.full((len(query), k), np.inf)
        self.rows = np.full((len(query), k), -1, np.int64)
        self.lock = Lock()

    def hits(self) -> Hits:
        return Hits(self.rows, self.distances, self.asked)

    def sort_out(
        self, features: Features, allowed: NDArray[np.bool_] | None, shortlist: int
    ) -> None:
        """Ask the lowest scores, and then whatever they do not rule out."""
        vectors, offset = features.of_query(self.query)
        scores, rows = lowest(features, vectors, shortlist, allowed)
        self.ask_first(rows)
        if shortlist == len(self.known.posterior):
            return
        # Whoever is not on a full shortlist scores no less than all who are.
        limits = _limits(features, self.distances[:, -1], offset)
        full = rows.min(axis=1) >= 0
        unsure = np.flatnonzero(full & (scores.max(axis=1) <= limits))
        if len(unsure):
            among = allowed
            if allowed is not None and allowed.ndim == 2:
                among = allowed[unsure]
            self.ask_possible(features, unsure, vectors[unsure], offset[unsure], among)

    def ask_first(self, rows: NDArray[np.int64]) -> None:
        """Compute the distances of each query to rows of its own (n, some); −1 is none."""
        with scattered(self.known.posterior):
            few = self.known.posterior[rows]
        apart = self.known.distance(self.query, few)
        self.asked += rows.size
        apart = np.where(rows < 0, np.inf, apart)
        order = np.lexsort((rows, apart), axis=1)[:, : self.rows.shape[1]]
        self.distances = np.take_along_axis(apart, order, axis=1)
        found = np.take_along_axis(rows, order, axis=1)
        self.rows = np.where(self.distances < np.inf, found, -1)

    def ask_possible(
        self,
        features: Features,
        numbers: NDArray[np.int_],
        vectors: Singles,
        offset: NDArray[np.float64],
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        """Ask anew all rows that the scores do not rule out for some queries."""
        reached = self.distances[numbers, -1]
        self.distances[numbers], self.rows[numbers] = np.inf, -1

        def farthest() -> NDArray[np.float64]:
            return np.minimum(reached, self.distances[numbers, -1])

        def possible(place: slice) -> NDArray[np.bool_]:
            limits = _limits(features, farthest(), offset)
            return below(features, vectors, place, limits, part(allowed, place))

        def refine(mask: NDArray[np.bool_], start: int, place: slice) -> None:
            here = mask[:, place.start - start : place.stop - start]
            self.ask(numbers, place, here, farthest())

        if features.device == "cpu":
            share(lambda place: refine(possible(place), place.start, place), features.places())
            return
        for block in features.places():
            share(partial(refine, possible(block), block.start), _places(block))

    def ask(
        self,
        numbers: NDArray[np.int_],
        place: slice,
        possible: NDArray[np.bool_],
        farthest: NDArray[np.float64],
    ) -> None:
        """Compute the distances of some queries to what is possible (queries, rows) of a block."""
        assert self.known.features is not None
        bound = self.known.features.form.bound
        crowded = (possible.mean(axis=1) > _CROWD) & (bound is None)
        if crowded.any():
            some = numbers[crowded]
            apart = self.known.distance(self.query[some], self.known.posterior[place])
            self._keep_block(some, np.where(possible[crowded], apart, np.inf), place.start)
        for at in np.flatnonzero(~crowded & possible.any(axis=1)):
            rows = place.start + np.flatnonzero(possible[at])
            query = self.query[numbers[[at]]]
            if bound is not None:  # what is sure to be farther need not be asked
                least = bound(query, self.known.posterior[rows])[0]
                rows = rows[least <= farthest[at] * (1.0 + _SLACK)]
            if len(rows):
                apart = self.known.distance(query, self.known.posterior[rows])
                self._keep(numbers[at], apart[0], rows)

    def ask_all(self, allowed: NDArray[np.bool_] | None) -> None:
        """Compute all distances, block by block."""

        def ask(place: slice) -> None:
            apart = self.known.distance(self.query, self.known.posterior[place])
            if allowed is not None:
                apart = np.where(allowed[..., place], apart, np.inf)
            self._keep_block(np.arange(len(apart)), apart, place.start)

        share(ask, _places(slice(0, len(self.known.posterior))))

    def _keep_block(
        self, numbers: NDArray[np.int_], apart: NDArray[np.float64], start: int
    ) -> None:
        for number, one in zip(numbers, apart, strict=True):
            self._keep(number, one, np.arange(start, start + len(one)))

    def _keep(self, number: int, apart: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        k = self.distances.shape[1]
        near = np.flatnonzero((apart <= self.distances[number, -1]) & (apart < np.inf))
        if len(near) > 4 * k:
            farthest = np.partition(apart[near], k - 1)[k - 1]
            near = near[apart[near] <= farthest]
        with self.lock:
            self.asked += len(rows)
            both = np.concatenate([self.distances[number], apart[near]])
            names = np.concatenate([self.rows[number], rows[near]])
            order = np.lexsort((names, both))[:k]
            self.distances[number], self.rows[number] = both[order], names[order]


def _limits(
    features: Features, farthest: NDArray[np.float64], offset: NDArray[np.float64]
) -> Singles:
    """Scores above which nothing is as near as ``farthest``, less the offset."""
    reach = features.form.reach(farthest)
    slack = _SLACK * (np.abs(reach) + np.abs(offset))
    with np.errstate(over="ignore"):  # a limit beyond float32 is no limit
        limit = (reach - offset + slack).astype(np.float32)
    return np.nextafter(limit, np.float32(np.inf))


def _places(rows: slice) -> list[slice]:
    starts = range(rows.start, rows.stop, BLOCK)
    return [slice(s, min(s + BLOCK, rows.stop)) for s in starts]


def _check(
    known: Searchable, query: AnyPosterior, k: int, allowed: NDArray[np.bool_] | None
) -> None:
    if k < 1:
        raise ValueError(f"At least one neighbour must be asked for; got k={k}.")
    n, m = len(query), len(known.posterior)
    if query.dims != known.posterior.dims:
        raise ValueError(
            f"The index holds codes of {known.posterior.dims} numbers; this query has "
            f"{query.dims}. Use the model the index was built with."
        )
    if allowed is not None and (allowed.shape not in ((m,), (n, m)) or allowed.dtype != bool):
        raise ValueError(
            f"What is allowed must be true or false for {m} known posteriors, or for each of "
            f"{n} queries; got {allowed.dtype} of shape {allowed.shape}."
        )
