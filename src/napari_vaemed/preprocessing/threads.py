"""Threads for work on planes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 4
"""The window wants to go on, and memory is shared."""


def working_threads() -> ThreadPoolExecutor:
    """As many threads as there are processors, up to `MOST_THREADS`."""
    return ThreadPoolExecutor(_count())


def in_slabs(work: Callable[[int, int], object], depth: int) -> None:
    """Do work on runs of layers (first, one past the last) at once, one run a thread."""
    run = max(1, -(-depth // _count()))
    starts = range(0, depth, run)
    with working_threads() as pool:
        list(pool.map(work, starts, (min(start + run, depth) for start in starts)))


def _count() -> int:
    return min(MOST_THREADS, os.cpu_count() or 1)
