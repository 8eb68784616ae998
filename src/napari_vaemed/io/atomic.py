"""Write a file whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str], suffix: str | None = None) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it takes the place of ``path`` on leaving.

    If the block raises, whatever stood at ``path`` before still stands there.

    Parameters
    ----------
    path : path
        The file to be written; its folder must exist.
    suffix : str or None
        Ending of the temporary name, for writers that choose a format by it
        (default: all of ``path``'s, so ``.nii.gz`` stays ``.nii.gz``).

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {target.parent} to write {target.name} into. Make it first."
        )
    ending = "".join(target.suffixes[-2:]) if suffix is None else suffix
    beside = target.parent / f".{uuid.uuid4().hex}{ending}"
    try:
        yield beside
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
