"""Numbers of doubt into a queue of nodules to look at again, each with its evidence in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.anomaly import (
    BENIGN,
    CONFIDENT,
    KINDS,
    MALIGNANT,
    NEIGHBOURS,
    OUTLIER,
    READERS,
    SAME_SCAN,
    TWINS,
    Anomaly,
    Evidence,
    label_of,
)
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.decision.duplicates import alike_pairs
from napari_vaemed.decision.label_errors import (
    FoldSpace,
    LabelDoubts,
    confident_learning,
    squared_distances,
    z_by_class,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Found = dict[int, Evidence]
"""Evidence of one kind, by row."""

CONTRADICTED = 0.5
"""Share of the neighbours' weight from which on they contradict."""
NEAR_SHARE = 0.1
"""Opposite twins: as near as this share of nodules is to its nearest."""
LITTLE_AGREEMENT = 0.5
"""Readers are apart when most of them mark less than this share of what any marked."""
FAR_OUT = 3.0
"""Robust deviations from which on a nodule is an outlier."""
PLACE_MM = 15.0
"""How far apart the centres of one nodule may lie under two ids."""
EQUAL = 0.9
"""Share of equal voxels from which on two crops of one grid are of one scan."""
ALIKE = 0.98
"""Correlation of two patches from which on they are taken for one picture; small round nodules of
two patients reach 0.966 in LIDC-IDRI."""


def neighbour_evidence(
    records: Sequence[NoduleRecord], doubts: LabelDoubts, positive: Bools, by: str
) -> Found:
    """Labels that the neighbours contradict."""
    z, found = z_by_class(doubts.contradiction, positive), {}
    for row in _above(doubts.contradiction, CONTRADICTED):
        voters = doubts.voters[row][doubts.voters[row] >= 0]
        against = [int(v) for v in voters if positive[v] != positive[row]]
        share, other = doubts.contradiction[row], _label(not positive[row])
        text = (
            f"{len(against)} of its {len(voters)} nearest nodules of other patients are {other} "
            f"({100 * share:.0f} % of their weight, {z[row]:+.1f} deviations from what "
            f"{_label(positive[row])} nodules have); the nearest of them is "
            f"{records[against[0]].id}."
        )
        n = int(doubts.asked[row])
        found[row] = Evidence(NEIGHBOURS, float(share), text, tuple(against), n, by)
    return found


def confident_evidence(doubts: LabelDoubts, positive: Bools, by: str) -> Found:
    """Labels that confident learning counts as wrong."""
    rows = np.flatnonzero(~np.isnan(doubts.probability))
    given = positive[rows].astype(int)
    if len(np.unique(given)) < 2:
        return {}
    chance = doubts.probability[rows]
    learned = confident_learning(np.column_stack([1.0 - chance, chance]), given)
    found: Found = {}
    for place in np.flatnonzero(learned.suspected).tolist():
        row, own = int(rows[place]), given[place]
        voters = doubts.voters[row][doubts.voters[row] >= 0]
        against = tuple(int(v) for v in voters if positive[v] != positive[row])
        text = (
            f"Judged {_label(not own)} with {100 * (1 - learned.self_confidence[place]):.0f} % "
            f"by a classifier of other patients; from "
            f"{100 * learned.thresholds[1 - own]:.0f} % on that is confident."
        )
        n = int(doubts.asked[row])
        found[row] = Evidence(CONFIDENT, float(learned.margin[place]), text, against, n, by)
    return found


def twin_evidence(
    records: Sequence[NoduleRecord], doubts: LabelDoubts, positive: Bools, by: str
) -> Found:
    """Nodules whose nearest of another patient is unusually near and has the opposite label."""
    there = ~np.isnan(doubts.nearest)
    if not there.any():
        return {}
    limit, found = float(np.quantile(doubts.nearest[there], NEAR_SHARE)), {}
    for row in np.flatnonzero(there & (doubts.nearest <= limit)).tolist():
        twin = int(doubts.voters[row, 0])
        if positive[twin] != positive[row]:
            nearer = float(np.mean(doubts.nearest[there] < doubts.nearest[row]))
            text = (
                f"Its twin {records[twin].id} is {_label(positive[twin])}: "
                f"{doubts.nearest[row]:.2f} away; {100 * (1 - nearer):.0f} % of nodules have none "
                "as near."
            )
            n = int(doubts.asked[row])
            found[row] = Evidence(TWINS, 1.0 - nearer, text, (twin,), n, by)
    return found


def scan_evidence(
    records: Sequence[NoduleRecord],
    on_one_grid: Mapping[tuple[int, int], float | None],
    alike: NDArray[np.floating],
) -> Found:
    """Nodules that two patient ids seem to share: one grid and place, or one picture.

    Parameters
    ----------
    on_one_grid : mapping
        Pairs of rows of two patients whose voxels lie on one grid, and the share of the voxels
        common to both crops that are equal; None where the crops do not meet.
    alike : (n, n)
        Correlation of the nodules' patches.
    """
    one_grid = {
        pair: equal
        for pair, equal in on_one_grid.items()
        if _apart_mm(records, pair) <= PLACE_MM and (equal is None or equal >= EQUAL)
    }
    patients = [record.patient for record in records]
    pairs = {*one_grid, *alike_pairs(alike, patients, least=ALIKE)}
    found: Found = {}
    for pair in sorted(pairs):
        like, equal = float(alike[pair]), one_grid.get(pair)
        score = float(pair in one_grid) + like + (equal or 0.0)
        for row, twin in (pair, pair[::-1]):
            if row not in found or found[row].score < score:
                text = _scan_text(records, row, twin, pair in one_grid, equal, like)
                found[row] = Evidence(
                    SAME_SCAN, score, text, (twin,), len(records), "grid and voxels"
                )
    return found


def reader_evidence(
    records: Sequence[NoduleRecord], agreement: Floats, called_malignant: Sequence[bool | None]
) -> Found:
    """Nodules on which readers are far apart.

    Parameters
    ----------
    agreement : (n,)
        What most readers marked as a share of what any marked; NaN where not known.
    called_malignant : sequence of bool or None
        Whether at least half of the readers scored above 3; None where not known.
    """
    found: Found = {}
    for row, (record, malignant) in enumerate(zip(records, called_malignant, strict=True)):
        said, score = [], 0.0
        label = label_of(record)
        if (
            malignant is not None
            and label in (BENIGN, MALIGNANT)
            and malignant != (label == MALIGNANT)
        ):
            verb = "at least" if malignant else "fewer than"
            said.append(
                f"The commonest malignancy score is {record.malignancy:g}, yet {verb} half of "
                "the readers scored above 3."
            )
            score += 1.0
        if agreement[row] < LITTLE_AGREEMENT:
            said.append(
                f"Most readers marked {100 * agreement[row]:.0f} % of what any of them marked."
            )
            score += 1.0 - float(agreement[row])
        if said:
            found[row] = Evidence(READERS, score, " ".join(said), (), len(records), "readers")
    return found


def outlier_evidence(
    records: Sequence[NoduleRecord], far: Floats, folds: Sequence[FoldSpace], by: str
) -> Found:
    """Nodules unlike all others, whatever their label."""
    found: Found = {}
    for fold in folds:
        rows = fold.held_out[np.nan_to_num(far[fold.held_out], nan=-np.inf) > FAR_OUT]
        if not len(rows):
            continue
        near = fold.known[
            squared_distances(fold.place[rows], fold.place[fold.known]).argmin(axis=1)
        ]
        for row, nearest in zip(rows.tolist(), near.tolist(), strict=True):
            text = (
                f"Unlike all {len(fold.known)} nodules of other patients: {far[row]:.1f} robust "
                f"deviations farther from its neighbours than is usual. The nearest is "
                f"{records[nearest].id}."
            )
            found[row] = Evidence(OUTLIER, float(far[row]), text, (nearest,), len(fold.known), by)
    return found


def queue_of(found: Iterable[Found], score: Floats) -> tuple[Anomaly, ...]:
    """Join all evidence into one queue.

    Nodules that two patients seem to share come first, then by doubt about the label: outliers
    and readers apart do not move a nodule, since they say nothing of its label.

    Parameters
    ----------
    score : (n,)
        Doubt about each label, 0 to 1; NaN where it is not clear.
    """
    by_row: dict[int, list[Evidence]] = defaultdict(list)
    for kind in found:
        for row, evidence in kind.items():
            by_row[row].append(evidence)
    doubt = np.nan_to_num(score)
    queue = [
        Anomaly(row, float(doubt[row]), tuple(sorted(some, key=lambda e: KINDS.index(e.kind))))
        for row, some in by_row.items()
    ]
    queue.sort(key=lambda entry: (SAME_SCAN not in entry.kinds, -entry.score, entry.row))
    return tuple(queue)


def _label(positive: bool | np.bool_) -> str:
    return MALIGNANT if positive else BENIGN


def _above(values: Floats, limit: float) -> list[int]:
    rows: list[int] = np.flatnonzero(np.nan_to_num(values, nan=-np.inf) > limit).tolist()
    return rows


def _apart_mm(records: Sequence[NoduleRecord], pair: tuple[int, int]) -> float:
    one, other = (np.array(records[row].centre_mm) for row in pair)
    return float(np.linalg.norm(one - other))


def _scan_text(
    records: Sequence[NoduleRecord],
    row: int,
    twin: int,
    on_grid: bool,
    equal: float | None,
    like: float,
) -> str:
    said = []
    if on_grid:
        apart = _apart_mm(records, (row, twin))
        said.append(f"its voxels lie on the grid of this scan, {apart:.1f} mm away")
    if equal is not None:
        said.append(f"{100 * equal:.0f} % of the voxels common to both crops are equal")
    said.append(f"their patches correlate by {like:.2f}")
    labels = label_of(records[row]), label_of(records[twin])
    verdict = "labels agree" if labels[0] == labels[1] else f"{labels[0]} here, {labels[1]} there"
    told = "; ".join(said)
    return f"{records[twin].id} of another patient may be this nodule: {told}; {verdict}."
