"""What a vote of known nodules was worth on nodules held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_vaemed.data.interval import Interval


@dataclass(frozen=True)
class VoteBin:
    """Held-out votes between two scores: how many, and how many of them of malignant nodules."""

    low: float
    high: float
    votes: int
    malignant: int


@dataclass(frozen=True)
class VoteCurve:
    """From a vote's score, 0 to 1, to the chance that readers score the nodule malignant.

    Parameters
    ----------
    scores, chances : tuple of float
        Knots of the curve, rising; between two of them it is straight, beyond them flat.
    bins : tuple of VoteBin
        Ten of equal mass, lowest first, over all held-out votes.
    error : Interval
        Expected calibration error in ten bins of equal mass, each nodule's chance from a curve that
        its fold had no part in.
    same_class : Interval
        Share of the ten nearest that are of the nodule's class.
    """

    scores: tuple[float, ...]
    chances: tuple[float, ...]
    bins: tuple[VoteBin, ...]
    error: Interval
    same_class: Interval

    def chance(self, score: float) -> float:
        """Probability that readers score a nodule with such a vote 4 or 5, if not 3."""
        return float(np.interp(score, self.scores, self.chances))

    def like(self, score: float) -> VoteBin:
        """The held-out votes most like one."""
        return next((one for one in self.bins if score <= one.high), self.bins[-1])


@dataclass(frozen=True)
class VoteCalibration:
    """Curves of the votes of one index.

    Parameters
    ----------
    model_sha256 : str
        Of the model whose index votes.
    k : int
        How many nodules with a clear score (not 3) vote.
    nodules, malignant, patients : int
        That were held out in turn.
    seeds : int
        How often, with other weights and folds each time.
    about : mapping
        Where model, data and votes come from, in words.
    curves : mapping
        By the name of the distance.
    ruler : VoteCurve
        Of the vote by volume alone, on the same folds.
    above_ruler : mapping
        By the name of the distance: how far its share of the same class is above the ruler's.
    """

    model_sha256: str
    k: int
    nodules: int
    malignant: int
    patients: int
    seeds: int
    about: Mapping[str, Any]
    curves: Mapping[str, VoteCurve]
    ruler: VoteCurve
    above_ruler: Mapping[str, Interval]
