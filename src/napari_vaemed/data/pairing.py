"""Which finding of a scan is which of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_vaemed.data.finding import ErrorBars, Measurement
from napari_vaemed.data.interval import Interval

WITHIN_MM = 15.0
"""Breath moves a nodule against its lungs' rigid frame by up to this; two nodules lie apart by
more, mostly."""


@dataclass(frozen=True)
class Sized:
    """A finding as far as a comparison of two scans needs it.

    Parameters
    ----------
    label : int
        Its number on its own scan.
    centre_mm : (x, y, z)
        In the patient coordinates of its own scan, LPS.
    mean_mm, volume_mm3 : Interval
        With no width where the error is not known.
    name : str
        What a person calls it.
    refused : str or None
        Why it cannot be measured.
    """

    label: int
    centre_mm: tuple[float, float, float]
    mean_mm: Interval
    volume_mm3: Interval
    name: str = ""
    refused: str | None = None

    @classmethod
    def of(
        cls, label: int, measured: Measurement, bars: ErrorBars | None = None, name: str = ""
    ) -> Sized:
        """A measured finding, with its error bars once there are some."""
        shown = bars or ErrorBars()
        return cls(
            label,
            measured.centre_mm,
            shown.mean_mm or Interval.exact(measured.mean_mm),
            shown.volume_mm3 or Interval.exact(measured.partial_volume_mm3),
            name or f"Finding {label}",
            shown.refused,
        )


@dataclass(frozen=True)
class Pair:
    """Numbers of one nodule's findings on the two scans; None where it is on one alone.

    Parameters
    ----------
    current, prior : int or None
    apart_mm : float or None
        Between the two places once the scans lie on each other.
    by_hand : bool
        Whether a person said so.
    """

    current: int | None
    prior: int | None
    apart_mm: float | None = None
    by_hand: bool = False


def pair_by_place(
    current: Mapping[int, ArrayLike],
    prior: Mapping[int, ArrayLike],
    within_mm: float = WITHIN_MM,
    by_hand: Mapping[int, int | None] | None = None,
) -> tuple[Pair, ...]:
    """Pair findings that lie nearest to each other, both ways.

    The two that are each other's nearest are paired and taken out, until no two lie within
    ``within_mm``; what is left is on one scan alone.

    Parameters
    ----------
    current, prior : mapping of number to (x, y, z)
        All in one frame, mm.
    by_hand : mapping of a current number to a prior one or None, optional
        What a person said goes before any distance; None: it was not there before.

    Returns
    -------
    tuple of Pair
        By current number; those of the prior alone last.

    Raises
    ------
    LookupError
        ``by_hand`` names a finding that there is not, or one of the prior's twice.
    """
    said = _checked(dict(by_hand or {}), current, prior)
    numbers = [n for n in current if n not in said], [n for n in prior if n not in said.values()]
    apart = _distances([current[n] for n in numbers[0]], [prior[n] for n in numbers[1]])
    found: dict[int, Pair] = {}
    for one, other in said.items():
        distance = (
            None if other is None else float(_distances([current[one]], [prior[other]])[0, 0])
        )
        found[one] = Pair(one, other, distance, by_hand=True)
    while apart.size and apart.min() <= within_mm:
        i, j = np.unravel_index(apart.argmin(), apart.shape)
        found[numbers[0][i]] = Pair(numbers[0][i], numbers[1][j], float(apart[i, j]))
        apart[i], apart[:, j] = np.inf, np.inf
    known = {pair.prior for pair in found.values()}
    both = [found.get(n, Pair(n, None)) for n in sorted(current)]
    return (*both, *(Pair(None, n) for n in sorted(prior) if n not in known))


def _checked(
    said: dict[int, int | None], current: Mapping[int, ArrayLike], prior: Mapping[int, ArrayLike]
) -> dict[int, int | None]:
    linked = [n for n in said.values() if n is not None]
    unknown = [n for n in said if n not in current], [n for n in linked if n not in prior]
    if any(unknown) or len(set(linked)) < len(linked):
        raise LookupError(
            f"Cannot link {said}: the current findings are {sorted(current)}, the prior's "
            f"{sorted(prior)}, and each of the prior's can be linked once."
        )
    return said


def _distances(one: Sequence[ArrayLike], other: Sequence[ArrayLike]) -> np.ndarray:
    """Millimetres between each of one and each of the other, (n, m)."""
    a, b = (np.asarray(list(points), float).reshape(-1, 3) for points in (one, other))
    return np.linalg.norm(a[:, None] - b[None], axis=-1)
