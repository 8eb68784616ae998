"""What the disagreement desk's jobs run, each in a job's thread; heavy imports happen here."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.anomaly import DECISIONS, SAME_PATIENT, Decision
from napari_vaemed.data.progress import Progress, Work

if TYPE_CHECKING:
    from napari_vaemed.io.journal import Entry
    from napari_vaemed.workflow.anomalies import Searched
    from napari_vaemed.workflow.label_next import LearningCurve

DESK = "disagreement"
JOURNAL = "disagreement.csv"


@dataclass(frozen=True, eq=False)
class Opened:
    """A set on the desk.

    Parameters
    ----------
    searched : Searched
    shas : tuple of str
        SHA-256 of each nodule's crop, or of its code where there is no crop: how the journal
        knows it. Of copies the second ends in ``:2``.
    pictures : mapping
        Patches (32, 32, 32) in HU, by row.
    true : bool
        Whether these are CT, and not decoded.
    journal : Path
    said : mapping
        What the journal says already, by row.
    folder : Path or None
        Where the crops lie.
    """

    searched: Searched
    shas: tuple[str, ...]
    pictures: Mapping[int, NDArray[np.int16]]
    true: bool
    journal: Path
    said: Mapping[int, Entry]
    folder: Path | None = None


def open_folder(folder: Path) -> Work[Opened]:
    """Look through a folder; a journal that is none of ours is refused before any work."""
    yield Progress("Reading the journal")
    from napari_vaemed.io.journal import file_sha256, read_journal
    from napari_vaemed.workflow.anomalies import search_folder

    journal = folder / JOURNAL
    read_journal(journal)
    searched = yield from search_folder(folder)
    records = searched.anomalies.records
    hashes = []
    for number, record in enumerate(records):
        if number % 50 == 0:
            yield Progress("Hashing crops", number, len(records))
        hashes.append(file_sha256(folder / "image" / f"{record.id}.nii.gz"))
    assert searched.patches is not None
    pictures = dict(enumerate(searched.patches))
    shas = _distinct(hashes)
    said = said_of(shas, read_journal(journal).standing)
    return Opened(searched, shas, pictures, True, journal, said, folder)


def open_index(device: str) -> Work[Opened]:
    """Look through the shipped index; its nodules are drawn by the decoder."""
    from napari_vaemed.io.journal import read_journal
    from napari_vaemed.io.user_data import user_data_folder
    from napari_vaemed.plugin import expert as experts
    from napari_vaemed.workflow.anomalies import search_index

    expert = yield from experts.load_expert(device)
    searched = yield from search_index(expert.index)
    mean = np.asarray(expert.index.posterior.mean)
    codes = np.ascontiguousarray(mean, "<f4")
    shas = _distinct([hashlib.sha256(row.tobytes()).hexdigest() for row in codes])
    rows = sorted(
        {row for a in searched.anomalies.queue for row in (a.row, a.other) if row is not None}
    )
    pictures = {}
    for number, row in enumerate(rows):
        if number % 10 == 0:
            yield Progress("Drawing nodules", number, len(rows))
        pictures[row] = experts.examine().decode(expert, mean[row : row + 1])[0]
    folder = user_data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / JOURNAL
    said = said_of(shas, read_journal(journal).standing)
    return Opened(searched, shas, pictures, False, journal, said)


def said_of(shas: Sequence[str], entries: Sequence[Entry]) -> dict[int, Entry]:
    """The last decision on each nodule, by its row."""
    rows = {sha: row for row, sha in enumerate(shas)}
    ours = [entry for entry in entries if entry.desk == DESK and verdict_of(entry) in DECISIONS]
    return {rows[entry.file_sha256]: entry for entry in ours if entry.file_sha256 in rows}


def _distinct(hashes: Sequence[str]) -> tuple[str, ...]:
    """Hashes with copies numbered: one scan under two ids may be one file twice."""
    seen: Counter[str] = Counter()
    shas = []
    for sha in hashes:
        seen[sha] += 1
        shas.append(sha if seen[sha] == 1 else f"{sha}:{seen[sha]}")
    return tuple(shas)


def write(journal: Path, entry: Entry) -> Entry:
    """Add a decision to the journal."""
    from napari_vaemed.io.journal import append_entry

    return append_entry(journal, entry)


def entry_of(verdict: str, comment: str, case: str, sha: str, other_sha: str) -> Entry:
    """A decision as the journal holds it; of one patient under two ids the other's crop too."""
    from napari_vaemed.io.journal import Entry

    told = f"{verdict} as {other_sha}" if verdict == SAME_PATIENT else verdict
    return Entry(DESK, told, comment, case=case, file_sha256=sha)


def verdict_of(entry: Entry) -> str:
    """What an entry decided, without the crop that `SAME_PATIENT` names."""
    return entry.verdict.partition(" as ")[0]


def withdraw(journal: Path, entry: Entry) -> Entry:
    """Take a decision, or its withdrawal, back."""
    from napari_vaemed.io import journal as journals

    return journals.withdraw(journal, entry)


def export(path: Path, opened: Opened) -> tuple[int, int]:
    """Write the folder's table with all decisions that stand in the journal applied."""
    from napari_vaemed.io.journal import read_journal
    from napari_vaemed.io.label_tables import write_cleaned_labels

    assert opened.folder is not None
    said = said_of(opened.shas, read_journal(opened.journal).standing)
    return write_cleaned_labels(path, opened.folder, decisions_of(opened, said))


def decisions_of(opened: Opened, said: Mapping[int, Entry]) -> dict[str, Decision]:
    """Decisions by nodule; the patient whose id is another's too is named on both nodules."""
    records = opened.searched.anomalies.records
    rows = {sha: row for row, sha in enumerate(opened.shas)}
    found = {}
    for row, entry in said.items():
        verdict, _, other_sha = entry.verdict.partition(" as ")
        other = rows.get(other_sha)
        patient = "" if other is None else records[other].patient
        found[records[row].id] = Decision(verdict, entry.comment, patient)
        if other is not None:
            found.setdefault(
                records[other].id, Decision(verdict, entry.comment, records[row].patient)
            )
    return found


def next_rows(searched: Searched, task: str, by: str, n: int) -> list[dict[str, Any]]:
    """The nodules to annotate next."""
    from napari_vaemed.workflow.label_next import next_of

    return next_of(searched.anomalies.records, searched.places, task=task, by=by, n=n)


def curves(searched: Searched, task: str) -> Work[tuple[LearningCurve, ...]]:
    """What choosing would have been worth."""
    yield Progress("Learning with few labels")
    from napari_vaemed.workflow.label_next import curves_of

    return (yield from curves_of(searched.anomalies.records, searched.places, task=task))
