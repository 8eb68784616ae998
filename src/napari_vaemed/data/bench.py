"""What a bench keeps of each trained encoder, and a row of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.posterior import AnyPosterior


@dataclass(frozen=True, eq=False)
class Codes:
    """What an encoder that was trained on some nodules says of all.

    Parameters
    ----------
    clicked : Posterior or DirichletPosterior of shape (n, d)
        Of each nodule as a click in its crop cuts it.
    centred : (n, d) float32
        Means of the patches around the records' centres.
    facts : mapping
        Figures of the encoder and its decoder (see `workflow.bench_codes`); None where it has none.
    """

    clicked: AnyPosterior
    centred: NDArray[np.float32]
    facts: Mapping[str, float | None]


@dataclass(frozen=True)
class BenchRow:
    """How well one way of scoring a nodule does, over all folds and the mean of all seeds.

    Parameters
    ----------
    entrant, distance : str
        Who scores and by what; the distance is empty where there is none.
    seeds : int
    auc, auc_small : Interval or None
        Area under the ROC curve of all scored nodules, and of those of 6 to 10 mm; None where a
        class is missing.
    auc_sd : float or None
        Deviation of the AUC between seeds; None of one.
    over_volume, over_mask : Interval or None
        By how much the AUC is above that of log volume, and of the mask features alone: by their
        neighbours, or by logistic regression where the row is one.
    p_mask : float or None
        Two-sided p of the latter.
    strata : mapping
        AUC inside each stratum.
    accuracy, brier, calibration_error : Interval or None
        Of the calibrated probability; the accuracy at one half.
    precision_at_10 : Interval or None
        Share of the ten nearest that are of the nodule's class.
    facts : mapping
        Means over folds and seeds of the facts of `Codes` and of the second task.
    """

    entrant: str
    distance: str
    seeds: int
    auc: Interval | None
    auc_small: Interval | None
    auc_sd: float | None = None
    over_volume: Interval | None = None
    over_mask: Interval | None = None
    p_mask: float | None = None
    strata: Mapping[str, Interval | None] = field(default_factory=dict)
    accuracy: Interval | None = None
    brier: Interval | None = None
    calibration_error: Interval | None = None
    precision_at_10: Interval | None = None
    facts: Mapping[str, float | None] = field(default_factory=dict)
