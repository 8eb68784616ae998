"""Labels of a folder of nodules: what its table says of the readers, and a cleaned copy of it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_vaemed.data.anomaly import EXCLUDE, FLIP, Decision
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.nodules import COLUMNS, SAME_AS, name_of, read_nodule_table

MALIGNANCY, DIAGNOSIS = COLUMNS["malignancy"], "Diagnosis_value"
WORDS = {
    "1": "Highly Unlikely",
    "2": "Moderately Unlikely",
    "3": "Indeterminate",
    "4": "Moderately Suspicious",
    "5": "Highly Suspicious",
}
"""How LIDC-IDRI puts its malignancy scores."""
DIAGNOSES = {"0": "Benign", "1": "Malign"}
ADDED = ("decision", "comment", "original_malignancy", SAME_AS)
ORIGINAL = "nodules.original.csv"


def read_diagnoses(folder: Path, records: Sequence[NoduleRecord]) -> tuple[bool | None, ...]:
    """Whether at least half of the readers scored above 3; None where the table is silent."""
    table = {
        name_of(row): row.get(DIAGNOSIS) or "" for row in read_nodule_table(folder / "nodules.csv")
    }
    said = {"0": False, "1": True}
    return tuple(said.get(table.get(record.id, "").strip()) for record in records)


def write_cleaned_labels(
    path: Path, folder: Path, decisions: Mapping[str, Decision]
) -> tuple[int, int]:
    """Write a folder's table with decisions applied; how many labels were flipped, rows left out.

    Flipping mirrors the malignancy score at 3 and turns the diagnosis; an excluded nodule has no
    row; the id of a patient who is another's too stands in ``same_patient_as`` of both rows, since
    crops are named by patient. Where ``path`` is the folder's own table, it is kept beside as
    ``nodules.original.csv``, and decisions apply to that from then on.

    Parameters
    ----------
    decisions : mapping
        By the nodule's id.

    Raises
    ------
    ValueError
        A decision is of no nodule in the table, or a score to be flipped is none of 1, 2, 4, 5.
    """
    source = folder / "nodules.csv"
    kept = folder / ORIGINAL
    own = path.resolve() == source.resolve()
    rows = read_nodule_table(kept if kept.is_file() else source)
    ids = {name_of(row) for row in rows}
    if missing := sorted(set(decisions) - ids):
        raise ValueError(f"{source} has no nodule {missing[0]}. Decide on this folder's nodules.")
    cleaned = [_cleaned(row, decisions.get(name_of(row))) for row in rows]
    there = [row for row in cleaned if row is not None]
    names = [*(name for name in rows[0] if name not in ADDED), *ADDED]
    if own and not kept.is_file():
        with replacing(kept) as beside:
            shutil.copyfile(source, beside)
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(there)
    flipped = sum(row["decision"] == FLIP for row in there)
    return flipped, len(rows) - len(there)


def _cleaned(row: dict[str, str], decision: Decision | None) -> dict[str, str] | None:
    score = row[MALIGNANCY]
    cleaned = {**row, "decision": "", "comment": "", "original_malignancy": score,
               SAME_AS: ""}  # fmt: skip
    if decision is None:
        return cleaned
    cleaned["decision"], cleaned["comment"] = decision.verdict, decision.comment
    cleaned[SAME_AS] = decision.same_patient_as
    if decision.verdict == EXCLUDE:
        return None
    return cleaned | _flipped(row) if decision.verdict == FLIP else cleaned


def _flipped(row: dict[str, str]) -> dict[str, str]:
    try:
        score = float(row[MALIGNANCY])
    except ValueError:
        score = 3.0
    if score not in (1, 2, 4, 5):
        raise ValueError(
            f"{name_of(row)} has the malignancy {row[MALIGNANCY]!r}, which takes no side: there is "
            "nothing to flip. Take the decision back."
        )
    mirrored = f"{6 - score:g}"
    changed = {MALIGNANCY: mirrored}
    if "Malignancy" in row:
        changed["Malignancy"] = WORDS[mirrored]
    if row.get(DIAGNOSIS) in DIAGNOSES:
        changed[DIAGNOSIS] = "1" if float(mirrored) > 3 else "0"
        if "Diagnosis" in row:
            changed["Diagnosis"] = DIAGNOSES[changed[DIAGNOSIS]]
    return changed
