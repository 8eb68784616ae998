"""What twins somebody wants to see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TwinWish:
    """Which twins are to be shown.

    Parameters
    ----------
    k : int
    distance : str or None
        Name of one of the family's distances; None for its default.
    others_only : bool
        Only nodules of other patients.
    size_within : float or None
        Only nodules whose diameter is off by this share at most.
    same_texture : bool
        Only nodules of the query's density.
    """

    k: int = 10
    distance: str | None = None
    others_only: bool = True
    size_within: float | None = None
    same_texture: bool = False
