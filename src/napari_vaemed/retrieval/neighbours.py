"""The known nodules most like one, and what they vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import AnyPosterior
from napari_vaemed.distances.families import distances_of, overlap
from napari_vaemed.distances.properties import Distance
from napari_vaemed.retrieval.search import Searchable, prepare, search


@dataclass(frozen=True)
class Neighbour:
    """One known nodule and how far it is from the query.

    Parameters
    ----------
    record : NoduleRecord
    distance : float
        In the unit of the distance that was asked for.
    same_patient : bool
        True if it is of the patient (or the series) that the query is of.
    row : int
        Its place in the index.
    similarity : float or None
        Overlap of the two posteriors, 0 to 1 (Bhattacharyya coefficient), whatever the distance;
        None where they were not compared.
    """

    record: NoduleRecord
    distance: float
    same_patient: bool
    row: int
    similarity: float | None = None


@dataclass(frozen=True)
class Vote:
    """What neighbours say of the malignancy.

    Parameters
    ----------
    malignant, benign, undecided : int
        Scores of at least 4, of at most 2, and between.
    """

    malignant: int
    benign: int
    undecided: int

    @property
    def counted(self) -> int:
        """How many have an opinion."""
        return self.malignant + self.benign

    @property
    def k(self) -> int:
        """How many were asked."""
        return self.counted + self.undecided

    def __str__(self) -> str:
        aside = f", {self.undecided} undecided" if self.undecided else ""
        return f"{self.malignant} of {self.k} malignant{aside}"


def nearest(
    index: NoduleIndex,
    query: AnyPosterior,
    *,
    k: int = 10,
    distance: Distance[Any] | None = None,
    patient: str | None = None,
    series_uid: str | None = None,
    exclude_patient: str | None = None,
    diameter_mm: tuple[float, float] | None = None,
    among: NDArray[np.bool_] | None = None,
    model_sha256: str | None = None,
) -> tuple[Neighbour, ...]:
    """Give the ``k`` known nodules nearest to one posterior, nearest first.

    Fewer only where fewer are left by the filters, which search heeds from the start.

    Parameters
    ----------
    query : Posterior or DirichletPosterior of shape (d,)
        Of the same family as the index's.
    distance : function or None
        One of `napari_vaemed.distances.families.distances_of` it, or another such function;
        default the first of them.
    patient, series_uid : str or None
        Of the query, only to mark neighbours of the same patient; where only the series is known,
        the patient that the index knows it of.
    exclude_patient : str or None
        Leave this patient's nodules out.
    diameter_mm : (lowest, highest) or None
        Only nodules of such a diameter.
    among : (n,) bool or None
        Only these nodules of the index.
    model_sha256 : str or None
        Of the model that made the query; refused if it is not the index's.

    Raises
    ------
    ValueError
        If query and index come from different models.
    """
    _same_model(index, query, model_sha256)
    patient = patient_of(index, patient, series_uid)
    allowed = np.ones(len(index), bool) if among is None else among.copy()
    if exclude_patient is not None:
        allowed &= [record.patient != exclude_patient for record in index.records]
    if diameter_mm is not None:
        low, high = diameter_mm
        allowed &= [low <= record.diameter_mm <= high for record in index.records]
    known = _prepared(index.posterior, distance or distances_of(index.posterior)[0])
    hits = search(known, query, k, allowed=allowed)
    rows = hits.rows[0][hits.rows[0] >= 0]
    apart, similarity = hits.distances[0].tolist(), _overlap(query, index.posterior[rows])
    return tuple(
        Neighbour(
            index.records[row],
            apart[place],
            _same_patient(index.records[row], patient, series_uid),
            row,
            similarity[place],
        )
        for place, row in enumerate(rows.tolist())
    )


def row_of_record(index: NoduleIndex, record_id: str) -> int:
    """The place of a nodule in an index.

    Raises
    ------
    LookupError
        When the index holds no nodule of that id.
    """
    for row, record in enumerate(index.records):
        if record.id == record_id:
            return row
    raise LookupError(
        f"The index holds no nodule {record_id!r}; its ids look like {index.records[0].id!r} "
        f"({len(index)} nodules)."
    )


def patient_of(index: NoduleIndex, patient: str | None, series_uid: str | None) -> str | None:
    """The patient as stated, else the one that the index knows the series of."""
    if patient is not None or series_uid is None:
        return patient
    return next((r.patient for r in index.records if r.series_uid == series_uid), None)


def nearest_by_volume(
    index: NoduleIndex,
    volume_mm3: float,
    *,
    k: int = 10,
    patient: str | None = None,
    series_uid: str | None = None,
    exclude_patient: str | None = None,
    among: NDArray[np.bool_] | None = None,
) -> tuple[Neighbour, ...]:
    """Give the ``k`` known nodules nearest in volume: the ruler's answer.

    The distance is the difference of natural logarithms of `known_volumes` and the query's; the
    other arguments are those of `nearest`.
    """
    if not volume_mm3 > 0:
        raise ValueError(f"The volume must be a positive number of mm³; got {volume_mm3}.")
    if k < 1:
        raise ValueError(f"At least one neighbour must be asked for; got k={k}.")
    patient = patient_of(index, patient, series_uid)
    apart = np.abs(np.log(known_volumes(index)) - np.log(volume_mm3))
    records = index.records
    rows = [
        row
        for row in np.argsort(apart, kind="stable")
        if records[row].patient != exclude_patient and (among is None or among[row])
    ]
    return tuple(
        Neighbour(
            records[row],
            float(apart[row]),
            _same_patient(records[row], patient, series_uid),
            int(row),
        )
        for row in rows[:k]
    )


def known_volumes(index: NoduleIndex) -> NDArray[np.float64]:
    """Volumes in mm³, (n,): what a click measures, as of a query, else the diameter's sphere."""
    return np.array([r.clicked_mm3 or np.pi / 6 * r.diameter_mm**3 for r in index.records], float)


def vote(neighbours: Sequence[Neighbour]) -> Vote:
    """Count malignancy scores of at least 4 and of at most 2."""
    scores = [neighbour.record.malignancy for neighbour in neighbours]
    malignant = sum(score >= 4 for score in scores)
    benign = sum(score <= 2 for score in scores)
    return Vote(malignant, benign, len(scores) - malignant - benign)


def _same_model(index: NoduleIndex, query: AnyPosterior, model_sha256: str | None) -> None:
    known = index.posterior
    if type(query) is not type(known):
        raise ValueError(
            f"The index holds a {type(known).__name__} of each nodule; this query is a "
            f"{type(query).__name__}. Use the model the index was built with."
        )
    if query.mean.shape != (known.dims,):
        raise ValueError(
            f"The index holds codes of {known.dims} numbers; this query has shape "
            f"{query.mean.shape}. Use the model the index was built with, or build the index again."
        )
    if model_sha256 is not None and model_sha256 != index.model_sha256:
        raise ValueError(
            f"The query was made by the model {model_sha256[:12]}, the index by "
            f"{index.model_sha256[:12]}; their codes cannot be compared. Build the index again."
        )


@lru_cache(maxsize=2)
def _prepared(known: AnyPosterior, distance: Distance[Any]) -> Searchable:
    """The index in use, prepared once."""
    return prepare(known, distance)


def _overlap(query: AnyPosterior, known: AnyPosterior) -> list[float] | list[None]:
    """Similarity of each of the known; of the points of an autoencoder there is none."""
    if not ((query.sd > 0).all() and (known.sd > 0).all()):
        return [None] * len(known)
    similarity: list[float] = overlap(query, known)[0].tolist()
    return similarity


def _same_patient(record: NoduleRecord, patient: str | None, series_uid: str | None) -> bool:
    return (patient is not None and record.patient == patient) or (
        series_uid is not None and record.series_uid == series_uid
    )
