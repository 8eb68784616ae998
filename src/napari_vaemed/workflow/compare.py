"""A nodule against the known ones, by a distance of choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_vaemed.data.posterior import AnyPosterior
from napari_vaemed.distances.families import distance_named
from napari_vaemed.retrieval.neighbours import Neighbour, nearest, patient_of, row_of_record
from napari_vaemed.workflow.examine import Expert
from napari_vaemed.workflow.report import Examination, near_values


@dataclass(frozen=True, eq=False)
class Query:
    """A nodule to be compared: its posterior (d,), and whose it is as far as is known."""

    posterior: AnyPosterior
    patient: str | None
    series_uid: str | None


def query_of_record(expert: Expert, record_id: str) -> Query:
    """A nodule of the index.

    Raises
    ------
    LookupError
        When the index holds no nodule of that id.
    """
    row = row_of_record(expert.index, record_id)
    record = expert.index.records[row]
    return Query(expert.index.posterior[row], record.patient, record.series_uid)


def query_of(found: Examination) -> Query:
    """The nodule of an examination.

    Raises
    ------
    LookupError
        When it found none; the reasons say why.
    """
    if found.described is None:
        raise LookupError(" ".join(found.reasons))
    return Query(found.described.posterior, found.volume.patient, found.volume.series_uid)


def neighbours(
    expert: Expert,
    query: Query,
    *,
    k: int = 10,
    distance: str | None = None,
    exclude_same_patient: bool = False,
) -> tuple[Neighbour, ...]:
    """Nearest known nodules of a nodule, by the distance of that name.

    By default it is the first of the posterior's family.

    Raises
    ------
    ValueError
        If there is no such distance, or if the query's patient is to be left out but is unknown.
    """
    patient = patient_of(expert.index, query.patient, query.series_uid)
    if exclude_same_patient and patient is None:
        raise ValueError(
            "The patient of this scan is not known, so its nodules cannot be told from the index's "
            "of the same patient. Leave --exclude-same-patient out."
        )
    return nearest(
        expert.index,
        query.posterior,
        k=k,
        distance=None if distance is None else distance_named(distance, query.posterior),
        patient=patient,
        series_uid=query.series_uid,
        exclude_patient=patient if exclude_same_patient else None,
        model_sha256=expert.model.sha256,
    )


def neighbour_values(neighbour: Neighbour) -> dict[str, Any]:
    """One neighbour as JSON-able values, with the overlap of the two posteriors."""
    overlap = neighbour.similarity
    return {
        **near_values(neighbour),
        "similarity": None if overlap is None else float(f"{overlap:.4g}"),
    }
