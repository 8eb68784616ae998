"""What a bench judges by: which nodules count, how they are grouped, and what needs no encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule import UNDECIDED
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.io.bench_results import read_clicks, write_clicks
from napari_vaemed.segmentation.mask_features import mask_features
from napari_vaemed.training.folds import SAME_SCAN, patient_folds
from napari_vaemed.workflow.index import click_all

if TYPE_CHECKING:
    from napari_vaemed.training.samples import NoduleSamples

SMALL = "6–10 mm"
"""The stratum in which size helps least."""


@dataclass(frozen=True, eq=False)
class Cases:
    """The nodules of a set that readers were sure of (1–2 or 4–5).

    Parameters
    ----------
    rows : (m,) int
        Their places in the set.
    positive : (m,) bool
        Scores of 4 or 5.
    patients : (m,) str
        Ids of one and the same scan are one patient.
    strata : mapping
        Which of them, (m,) bool, belong to each stratum.
    """

    rows: NDArray[np.int_]
    positive: NDArray[np.bool_]
    patients: NDArray[np.str_]
    strata: dict[str, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class BenchSet:
    """A set of nodules made ready to be judged.

    Parameters
    ----------
    nodules : NoduleSet of n
    cases : Cases
    patches : (n, 32, 32, 32) int16
        In HU, as a click at the record's centre cuts them.
    centred : NoduleSamples
        Patch, measured voxels and mask around each record's centre.
    log_volumes : (n,) float
    features : (n, 11) float
        See `segmentation.mask_features`.
    """

    nodules: NoduleSet
    cases: Cases
    patches: NDArray[np.int16]
    centred: NoduleSamples
    log_volumes: NDArray[np.float64]
    features: NDArray[np.float64]

    def folds(self, folds: int, seed: int) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
        """Rows to learn from and rows held out, fold by fold; no patient is in both."""
        patients = [record.patient for record in self.nodules.records]
        return list(patient_folds(patients, folds=folds, seed=seed))


def bench_set(nodules: NoduleSet, kept: Path | None = None) -> Work[BenchSet]:
    """Click every nodule and measure its mask.

    Clicking takes longest; ``kept`` is a file that holds what it gave the last time, or will.
    """
    from napari_vaemed.training.samples import nodule_samples

    ids = [record.id for record in nodules.records]
    patches = read_clicks(kept, ids) if kept is not None else None
    if patches is None:
        patches = (yield from click_all(nodules)).patches
        if kept is not None:
            write_clicks(kept, ids, patches)
    centred = yield from nodule_samples(nodules, views=1)
    yield Progress("Measuring masks")
    pairs = zip(nodules.volumes, nodules.masks, strict=True)
    features = np.array([mask_features(volume, mask) for volume, mask in pairs])
    log_volumes = np.log(nodules.volumes_mm3())
    return BenchSet(nodules, cases_of(nodules), patches, centred, log_volumes, features)


def cases_of(nodules: NoduleSet) -> Cases:
    """The nodules with a clear score, and the strata they fall into."""
    records, volumes = nodules.records, nodules.volumes
    score = np.array([record.malignancy for record in records])
    rows = np.flatnonzero(score != UNDECIDED)
    diameter = np.array([records[row].diameter_mm for row in rows])
    texture = np.array([records[row].ratings.get("texture", np.nan) for row in rows])
    thickness = np.array([volumes[row].spacing[0] for row in rows])
    strata = {
        SMALL: (diameter >= 6) & (diameter <= 10),
        "over 10 mm": diameter > 10,
        "solid": texture == 5,
        "not wholly solid": texture < 5,
        "slices to 1.25 mm": thickness <= 1.25,
        "slices over 1.25 mm": thickness > 1.25,
    }
    patients = [records[row].patient for row in rows]
    merged = np.array([SAME_SCAN.get(patient, patient) for patient in patients])
    return Cases(rows, score[rows] > UNDECIDED, merged, strata)
