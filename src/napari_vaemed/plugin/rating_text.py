"""Readers' ratings where there is little room."""

from __future__ import annotations

from collections.abc import Mapping

from napari_vaemed.data.nodule import ATTRIBUTES

SHORT = dict(
    zip(ATTRIBUTES, ("sub", "int", "cal", "sph", "mar", "lob", "spi", "tex", "mal"), strict=True)
)
RATINGS = ("malignancy", *ATTRIBUTES[:-1])
"""The one that is asked for first, then the others in the readers' order."""


def ratings_text(ratings: Mapping[str, float], between: str = ", ") -> str:
    """What is known of them, in short."""
    return between.join(f"{SHORT[name]} {ratings[name]:.3g}" for name in RATINGS if name in ratings)
