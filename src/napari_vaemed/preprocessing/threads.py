"""Threads for work on planes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 4
"""The window wants to go on, and memory is shared."""


def working_threads() -> ThreadPoolExecutor:
    """As many threads as there are processors, up to `MOST_THREADS`."""
    return ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))
