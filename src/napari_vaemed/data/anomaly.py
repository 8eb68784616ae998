"""What looks wrong with labelled nodules: the queue of the disagreement desk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from napari_vaemed.data.nodule import UNDECIDED, NoduleRecord

SAME_SCAN = "same scan"
NEIGHBOURS = "neighbours"
CONFIDENT = "confident learning"
TWINS = "opposite twins"
READERS = "readers apart"
OUTLIER = "outlier"

KINDS = (SAME_SCAN, NEIGHBOURS, CONFIDENT, TWINS, READERS, OUTLIER)
"""Kinds of evidence, in the order in which an entry shows them."""

BENIGN, MALIGNANT, NOT_CLEAR = "benign", "malignant", "undecided"
"""What a malignancy score comes to."""

KEEP, FLIP, EXCLUDE, SAME_PATIENT, UNSURE = "keep", "flip", "exclude", "same patient", "unsure"
DECISIONS = (KEEP, FLIP, EXCLUDE, SAME_PATIENT, UNSURE)
"""What may be decided of a nodule in doubt."""


@dataclass(frozen=True)
class Evidence:
    """One reason to look at a nodule again.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    score : float
        The higher, the worse; entries of one kind can be ordered by it.
    text : str
        What contradicts, and by which number.
    others : tuple of int
        Rows of the nodules that contradict, the most telling first.
    n : int
        How many nodules were asked.
    by : str
        By which model, features or rule.
    """

    kind: str
    score: float
    text: str
    others: tuple[int, ...] = ()
    n: int = 0
    by: str = ""


@dataclass(frozen=True)
class Anomaly:
    """A nodule to be looked at again, and why.

    Parameters
    ----------
    row : int
        Its place in `Anomalies.records`.
    score : float
        Doubt about its label, 0 to 1: mean of its ranks by all that doubts labels; 0 where its
        label is not clear.
    evidence : tuple of Evidence
        At least one, in the order of `KINDS`.
    """

    row: int
    score: float
    evidence: tuple[Evidence, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What kinds of evidence there are."""
        return tuple(each.kind for each in self.evidence)

    @property
    def other(self) -> int | None:
        """Row of the nodule to see it beside: the first that contradicts."""
        return next((each.others[0] for each in self.evidence if each.others), None)

    def of_kind(self, kind: str) -> Evidence | None:
        """Its evidence of one kind."""
        return next((each for each in self.evidence if each.kind == kind), None)


@dataclass(frozen=True, eq=False)
class Anomalies:
    """All that looks wrong in a set of nodules.

    Parameters
    ----------
    records : tuple of NoduleRecord, length n
        All nodules of the set.
    queue : tuple of Anomaly
        Whom to look at first: same scans, then by doubt about the label.
    source : str
        Where the nodules come from.
    by : str
        What the nodules were compared by.
    notes : tuple of str
        What must be known to read the queue, as that its encoder has seen the labels.
    """

    records: tuple[NoduleRecord, ...]
    queue: tuple[Anomaly, ...]
    source: str
    by: str
    notes: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> tuple[Anomaly, ...]:
        """Entries with evidence of one kind, by its score; all for an empty kind."""
        if not kind:
            return self.queue
        having = [(entry.of_kind(kind), entry) for entry in self.queue]
        found = [(evidence.score, entry) for evidence, entry in having if evidence is not None]
        return tuple(entry for _, entry in sorted(found, key=lambda pair: -pair[0]))

    def counts(self) -> Counter[str]:
        """How many entries have evidence of each kind."""
        return Counter(kind for entry in self.queue for kind in entry.kinds)


def label_of(record: NoduleRecord) -> str:
    """The label that a malignancy score comes to: above 3 malignant, below 3 benign."""
    score = record.malignancy
    if score > UNDECIDED:
        return MALIGNANT
    return BENIGN if score < UNDECIDED else NOT_CLEAR


@dataclass(frozen=True)
class Decision:
    """What was decided of one nodule.

    Parameters
    ----------
    verdict : str
        One of `DECISIONS`.
    comment : str
    same_patient_as : str
        The other patient's id, of `SAME_PATIENT`.
    """

    verdict: str
    comment: str = ""
    same_patient_as: str = ""
