"""Look through labelled nodules for what is wrong with them: one queue, each entry with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.anomaly import Anomalies
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.decision import evidence
from napari_vaemed.decision.duplicates import equal_voxels, lattice_of, likeness, same_lattice
from napari_vaemed.decision.label_errors import (
    LabelDoubts,
    label_doubts,
    outlyingness,
    queue_score,
)
from napari_vaemed.io.label_tables import read_diagnoses
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.workflow.fold_places import (
    Places,
    mask_feature_rows,
    patches_of,
    places_by_codes,
    places_by_index,
    places_by_pictures,
    sides_of,
)

PICTURES = "PCA"
"""Comparing by principal components needs no bench."""


@dataclass(frozen=True, eq=False)
class Searched:
    """A set that was looked through.

    Parameters
    ----------
    anomalies : Anomalies
    nodules : NoduleSet or None
        The crops; None of an index.
    patches : (n, 32, 32, 32) int16 or None
        Around each nodule's centre, in HU.
    places : Places
        Where the nodules lie.
    """

    anomalies: Anomalies
    nodules: NoduleSet | None
    patches: NDArray[np.int16] | None
    places: Places


def search_folder(
    folder: Path, codes: Path | None = None, model: str = PICTURES, *, seed: int = 0
) -> Work[Searched]:
    """Look through a folder laid out as LIDC-IDRI's crops are.

    Parameters
    ----------
    folder : Path
        With ``nodules.csv``, ``image/`` and ``mask/``.
    codes : Path or None
        Output of a ``vaemed bench`` of this folder; by default nodules are compared by their
        masks' features and the principal components of their patches, which know no label.
    model : str
        Which of the bench's entrants.
    seed : int
        Of the bench.

    Raises
    ------
    FileNotFoundError
        The table, a crop or the codes are missing.
    ValueError
        All nodules are of one patient, or the codes are of other nodules.
    """
    nodules = yield from read_nodule_set(folder)
    patches = yield from patches_of(nodules)
    yield Progress("Measuring masks")
    features, patients = mask_feature_rows(nodules), [r.patient for r in nodules.records]
    if codes is None:
        places = yield from places_by_pictures(patients, features, patches)
    else:
        places = places_by_codes(patients, features, codes, model, seed=seed)
    yield Progress("Looking for contradictions")
    volumes = nodules.volumes
    lattices = [lattice_of(volume.spacing, volume.origin) for volume in volumes]
    on_one_grid = {
        (a, b): equal_voxels(volumes[a], volumes[b]) for a, b in same_lattice(lattices, patients)
    }
    found = [
        evidence.scan_evidence(nodules.records, on_one_grid, likeness(patches)),
        evidence.reader_evidence(
            nodules.records, agreement_of(nodules), read_diagnoses(folder, nodules.records)
        ),
    ]
    anomalies = _judged(nodules.records, places, found, nodules.source)
    return Searched(anomalies, nodules, patches, places)


def search_index(index: NoduleIndex) -> Work[Searched]:
    """Look through an index: by its codes alone, and in sample where its encoder saw the labels."""
    yield Progress("Looking for contradictions")
    places = places_by_index(index)
    return Searched(_judged(index.records, places, [], index.source), None, None, places)


def agreement_of(nodules: NoduleSet) -> NDArray[np.float64]:
    """What most readers marked as a share of what any marked, (n,); NaN where not known."""
    pairs = zip(nodules.majorities, nodules.masks, strict=True)
    return np.array(
        [np.nan if most is any_ else most.sum() / any_.sum() for most, any_ in pairs], float
    )


def anomaly_rows(anomalies: Anomalies, kind: str = "") -> list[dict[str, Any]]:
    """One row an entry, for a table or JSON, best first; of one kind, or of all."""
    rows = []
    for place, entry in enumerate(anomalies.of_kind(kind), 1):
        record = anomalies.records[entry.row]
        other = None if entry.other is None else anomalies.records[entry.other]
        rows.append(
            {
                "place": place,
                "id": record.id,
                "patient": record.patient,
                "malignancy": _plain(record.malignancy),
                "doubt": round(entry.score, 4),
                "kinds": "; ".join(entry.kinds),
                "other": other and other.id,
                "other_malignancy": other and _plain(other.malignancy),
                "why": " ".join(each.text for each in entry.evidence),
                "asked": max(each.n for each in entry.evidence),
                "by": anomalies.by,
            }
        )
    return rows


def _plain(score: float) -> float | None:
    return None if np.isnan(score) else float(score)


def _judged(
    records: tuple[NoduleRecord, ...],
    places: Places,
    found: list[evidence.Found],
    source: str,
) -> Anomalies:
    positive, clear = sides_of(records)
    doubts: LabelDoubts = label_doubts(places.folds, positive, clear)
    far = outlyingness(places.folds, len(records))
    found = [
        *found,
        evidence.neighbour_evidence(records, doubts, positive, places.by),
        evidence.confident_evidence(doubts, positive, places.by),
        evidence.twin_evidence(records, doubts, positive, places.by),
        evidence.outlier_evidence(records, far, places.folds, places.by),
    ]
    queue = evidence.queue_of(found, queue_score(doubts, positive))
    return Anomalies(records, queue, source, places.by, places.notes)
