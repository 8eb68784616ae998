"""Which known nodules may be given as neighbours of one: of other people, of its size, of its kind.

Each gives a mask (n,) bool over an index.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.retrieval.neighbours import known_volumes, patient_of
from napari_vaemed.training.folds import SAME_SCAN

Mask = NDArray[np.bool_]


def of_same_patient(index: NoduleIndex, patient: str | None, series_uid: str | None) -> Mask:
    """Nodules of the patient or series; two ids of one and the same scan are one patient."""
    patient = patient_of(index, patient, series_uid)
    owner = SAME_SCAN.get(patient, patient) if patient is not None else None
    return np.array(
        [
            (owner is not None and SAME_SCAN.get(r.patient, r.patient) == owner)
            or (series_uid is not None and r.series_uid == series_uid)
            for r in index.records
        ],
        bool,
    )


def of_size(index: NoduleIndex, volume_mm3: float, within: float) -> Mask:
    """Nodules whose diameter is off by a share of ``within`` at most.

    Diameters of balls of the same volume, so that what was clicked is compared with its like.
    """
    ratio = np.cbrt(known_volumes(index) / volume_mm3)
    inside: Mask = np.abs(ratio - 1.0) <= within
    return inside


def of_texture(index: NoduleIndex, density: str) -> Mask:
    """Nodules of one of `data.guideline.DENSITIES`, by their readers' ratings."""
    return np.array([rated_density(record) == density for record in index.records], bool)


def rated_density(record: NoduleRecord) -> str:
    """One of `data.guideline.DENSITIES` after the readers; "" where they did not say.

    Calcified unless calcification is 6, absent; else texture 1 and 2 are ground glass, 3 is
    part-solid, 4 and 5 are solid.
    """
    texture = record.ratings.get("texture")
    if record.ratings.get("calcification", 6.0) < 5.5:
        return "calcified"
    if texture is None:
        return ""
    return "ground-glass" if texture < 2.5 else "part-solid" if texture < 3.5 else "solid"
