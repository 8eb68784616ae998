"""Scores of a whole index for many queries at once: one matrix product a block, float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import import_module
from threading import Lock, local
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.retrieval.features import Features, Singles
from napari_vaemed.retrieval.mapped import expect

Rows = NDArray[np.int64]
Task = TypeVar("Task")

_TOGETHER = 8  # blocks that are looked through at once for one query
_AHEAD = 1 << 18  # posteriors that are being read from a file before their turn comes
_alone = Lock()  # two searches that both limit BLAS would not agree on what to set it back to


def lowest(
    features: Features,
    vectors: Singles,
    count: int,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[Singles, Rows]:
    """The ``count`` lowest scores of each query (n, count), no order, and their rows.

    Where fewer are allowed the rest is inf and row −1. ``allowed`` is (m,) or (n, m).
    """
    if features.flat is not None and (allowed is None or allowed.ndim == 1):
        return _lowest_by_faiss(features.flat, vectors, count, allowed)
    kept = _Lowest(features, vectors, count, allowed)
    if not features.kept:
        expect(features.posterior, slice(0, _AHEAD))
    places = features.places()
    if features.device == "cpu":
        together = max(1, _TOGETHER // max(1, len(vectors)))
        share(kept.take, [places[i : i + together] for i in range(0, len(places), together)])
    else:
        for place in places:
            kept.take([place])
    return kept.scores, np.where(np.isfinite(kept.scores), kept.rows, -1)


class _Lowest:
    """The lowest scores of each query in the blocks taken so far; blocks come from any thread."""

    def __init__(
        self, features: Features, vectors: Singles, count: int, allowed: NDArray[np.bool_] | None
    ) -> None:
        self.features, self.vectors, self.allowed = features, vectors, allowed
        self.scores = np.full((len(vectors), count), np.inf, np.float32)
        self.rows = np.full((len(vectors), count), -1, np.int64)
        self.limit = np.full(len(vectors), np.inf, np.float32)
        self.space, self.lock = local(), Lock()

    def take(self, run: Sequence[slice]) -> None:
        """Look through some blocks that follow one another."""
        count, start = self.scores.shape[1], run[0].start
        allowed = part(self.allowed, slice(start, run[-1].stop))
        if allowed is not None and not allowed.any():
            return
        if not self.features.kept:
            expect(self.features.posterior, slice(start + _AHEAD, run[-1].stop + _AHEAD))
        if self.features.device == "cpu":
            found, columns = _candidates(self._product(run), count, self.limit, allowed)
        else:
            block = self.features.kept[start // self.features.block]
            found, columns = _candidates_on_device(self.vectors, block, count, allowed)
        if not found.shape[1]:
            return
        with self.lock:
            both = np.concatenate([self.scores, found], axis=1)
            names = np.concatenate([self.rows, columns + start], axis=1)
            keep = np.argpartition(both, count - 1, axis=1)[:, :count]
            self.scores = np.take_along_axis(both, keep, axis=1)
            self.rows = np.take_along_axis(names, keep, axis=1)
            self.limit = self.scores.max(axis=1)

    def _product(self, run: Sequence[slice]) -> Singles:
        """Scores (n, rows of the run), in memory that each thread uses again."""
        start, rows = run[0].start, run[-1].stop - run[0].start
        space: Singles | None = getattr(self.space, "scores", None)
        if space is None or space.shape[1] != rows:
            space = self.space.scores = np.empty((len(self.vectors), rows), np.float32)
        for place in run:
            here = slice(place.start - start, place.stop - start)
            self.features.product(self.vectors, place, space[:, here])
        return space


def below(
    features: Features,
    vectors: Singles,
    place: slice,
    limit: Singles,
    allowed: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    """Which rows of a block have a score of at most ``limit`` (n,), as (n, rows)."""
    mask: NDArray[np.bool_]
    if allowed is not None and not allowed.any():
        return np.zeros((len(vectors), place.stop - place.start), bool)
    if features.device == "cpu":
        scores = np.empty((len(vectors), place.stop - place.start), np.float32)
        features.product(vectors, place, scores)
        mask = scores <= limit[:, None]
    else:
        block = features.kept[place.start // features.block]
        mask = (_on_device(vectors, block) <= _like(limit, block)[:, None]).cpu().numpy()
    return mask if allowed is None else mask & allowed


def part(allowed: NDArray[np.bool_] | None, place: slice) -> NDArray[np.bool_] | None:
    """What of a block is allowed."""
    return None if allowed is None else allowed[..., place]


def share(work: Callable[[Task], None], tasks: Sequence[Task]) -> None:
    """Do all tasks on as many threads as matrix products may use."""
    threads = min(len(tasks), blas_threads())
    if threads <= 1:
        for task in tasks:
            work(task)
        return
    with _alone, _blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, tasks):
            pass


def blas_threads() -> int:
    """How many threads matrix products use."""
    return max((int(library["num_threads"]) for library in _blas().info()), default=1)


@lru_cache(maxsize=1)
def _blas() -> Any:
    return import_module("threadpoolctl").ThreadpoolController().select(user_api="blas")


def _candidates(
    scores: Singles, count: int, limit: Singles, allowed: NDArray[np.bool_] | None
) -> tuple[Singles, Rows]:
    """Scores (n, rows) that may be among the lowest, (n, most of any query), and columns."""
    if allowed is not None:
        np.copyto(scores, np.inf, where=~allowed)
    if not np.isfinite(limit).all():
        few = scores[:, : 16 * count]
        if few.shape[1] >= count:
            limit = np.minimum(limit, np.partition(few, count - 1, axis=1)[:, count - 1])
    query, column = _true(scores <= np.minimum(limit, np.finfo(np.float32).max)[:, None])
    if not len(query):
        return np.empty((len(scores), 0), np.float32), np.empty((len(scores), 0), np.int64)
    counts = np.bincount(query, minlength=len(scores))
    at = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((len(scores), counts.max()), np.inf, np.float32)
    columns = np.zeros(found.shape, np.int64)
    found[query, at], columns[query, at] = scores[query, column], column
    return found, columns


def _true(mask: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Row and column of what is true, in order; quick where that is little."""
    flat = mask.ravel()
    if len(flat) % 8:
        return np.divmod(np.flatnonzero(flat), mask.shape[1])
    eights = np.flatnonzero(flat.view(np.uint64) != 0)
    those = (8 * eights[:, None] + np.arange(8)).ravel()
    return np.divmod(those[flat[those]], mask.shape[1])


def _candidates_on_device(
    vectors: Singles, block: Any, count: int, allowed: NDArray[np.bool_] | None
) -> tuple[Singles, Rows]:
    """`_candidates` where the block lies."""
    scores = _on_device(vectors, block)
    if allowed is not None:
        scores.masked_fill_(~_like(allowed, block), np.inf)
    found, columns = scores.topk(min(count, scores.shape[1]), dim=1, largest=False, sorted=False)
    return found.cpu().numpy(), columns.cpu().numpy()


def _on_device(vectors: Singles, block: Any) -> Any:
    """Scores in full float32: the margin for rounding would not cover TF32."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        return _like(vectors, block) @ block.T
    finally:
        torch.set_float32_matmul_precision(before)


def _like(array: NDArray[Any], block: Any) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(block.device)


def _lowest_by_faiss(
    flat: Any, vectors: Singles, count: int, allowed: NDArray[np.bool_] | None
) -> tuple[Singles, Rows]:
    faiss, among = import_module("faiss"), None
    if allowed is not None:
        selector = faiss.IDSelectorBatch(np.flatnonzero(allowed))
        among = faiss.SearchParameters(sel=selector)
    found, rows = flat.search(np.ascontiguousarray(vectors), count, params=among)
    return np.where(rows >= 0, -found, np.float32(np.inf)), rows
