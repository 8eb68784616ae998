"""Posteriors mapped from a file: have the system read what comes next, and no more than is asked.

Where the system takes no such advice, and for posteriors in memory, nothing is done.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import AnyPosterior, Posterior


def expect(posterior: Posterior, rows: slice) -> None:
    """Begin to read some rows from disk, without waiting for them."""
    _advise(posterior[rows], "MADV_WILLNEED")


@contextmanager
def scattered(posterior: AnyPosterior) -> Iterator[None]:
    """While it lasts, a row that is asked for is read without megabytes around it."""
    _advise(posterior, "MADV_RANDOM")
    try:
        yield
    finally:
        _advise(posterior, "MADV_NORMAL")


def _advise(posterior: AnyPosterior, advice: str) -> None:
    option = getattr(mmap, advice, None)
    for array in vars(posterior).values():
        file = _file(array)
        if option is not None and file is not None and array.size:
            start = array.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
            page = start - start % mmap.PAGESIZE
            with suppress(OSError):  # advice that is not taken changes nothing but speed
                file.madvise(option, page, start + array.nbytes - page)


def _file(array: NDArray[np.floating]) -> mmap.mmap | None:
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
