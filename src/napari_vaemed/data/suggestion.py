"""A place where a nodule may be, and how often such places are right."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from napari_vaemed.data.interval import Interval


@dataclass(frozen=True)
class Suggestion:
    """A place that looks like a nodule and that nobody has checked.

    Parameters
    ----------
    centre_mm : (x, y, z)
        Patient position, LPS mm.
    voxel : (z, y, x)
        The same as a fractional voxel index.
    score : float
        The network's logit: above 0 it holds a nodule for likelier than not. No chance: what a
        score is worth, `Figures` tell.
    diameter_mm : float
        Of the ball as large as what the network marks there.
    """

    centre_mm: tuple[float, float, float]
    voxel: tuple[float, float, float]
    score: float
    diameter_mm: float


@dataclass(frozen=True)
class Tried:
    """What came of suggestions on some scans, at several least scores.

    Parameters
    ----------
    name, note : str
        Which scans, and what must be known of them.
    scans, nodules : int
        0 nodules where none are known.
    sensitivity, wrong : tuple of Interval
        For each of ``Figures.scores``: the share of the nodules suggested, and the suggestions a
        scan that are none of them. Empty where they cannot be told.
    """

    name: str
    note: str
    scans: int
    nodules: int
    sensitivity: tuple[Interval, ...] = ()
    wrong: tuple[Interval, ...] = ()

    def said(self, step: int) -> str:
        """What came of it at one of the least scores, in words, with 95 % intervals."""
        parts = []
        if self.sensitivity:
            parts.append(f"{_span(self.sensitivity[step], 100, 0)} % of {self.nodules} found")
        if self.wrong:
            parts.append(f"{_span(self.wrong[step], 1, 1)} wrong a scan, n = {self.scans}")
        return f"{self.name}: {'; '.join(parts)}"


@dataclass(frozen=True)
class Figures:
    """How often suggestions are right, by the least score shown; measured, never typed.

    Parameters
    ----------
    scores : tuple of float
        Rising.
    usual : int
        Which of them is shown unless another is asked for.
    tried : tuple of Tried
    model : str
        SHA-256 of the network they were measured with.
    """

    scores: tuple[float, ...]
    usual: int
    tried: tuple[Tried, ...]
    model: str

    def step_of(self, score: float) -> int:
        """Place of the highest of the scores that is no higher than this; 0 below all."""
        return max(bisect_right(self.scores, score) - 1, 0)


def at_least(found: Sequence[Suggestion], score: float) -> tuple[Suggestion, ...]:
    """The suggestions with this score or more."""
    return tuple(each for each in found if each.score >= score)


def _span(number: Interval, times: float, digits: int) -> str:
    value, low, high = (f"{times * v:.{digits}f}" for v in (number.value, number.low, number.high))
    return f"{value} ({low} to {high})"
