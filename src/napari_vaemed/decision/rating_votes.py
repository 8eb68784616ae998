"""What several readers' ratings of one nodule come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from napari_vaemed.data.nodule import ATTRIBUTES

SUSPICIOUS = 3
"""Malignancy scores above this one speak for cancer."""


def majority_ratings(readings: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The commonest score of each attribute; of scores equally common, the lowest.

    That is how the table of the published LIDC-IDRI crops was made: with the readers' own scores
    the rule gives 6489 of 6489 of its ratings, 928 ties among them. A tie therefore leans to the
    benign side: scores 5, 4, 3 and 2 come to 2.

    Parameters
    ----------
    readings : sequence of mapping
        Scores by attribute (see `ATTRIBUTES`), one mapping a reader; at least one.
    """
    return {name: commonest(reading[name] for reading in readings) for name in ATTRIBUTES}


def commonest(scores: Iterable[int]) -> int:
    """The commonest score; of scores equally common, the lowest."""
    counts = Counter(scores)
    return min(counts, key=lambda score: (-counts[score], score))


def called_malignant(readings: Sequence[Mapping[str, int]]) -> bool:
    """Whether at least half of the readers scored malignancy above `SUSPICIOUS`.

    The published table's ``Diagnosis``: 721 of 721 nodules whose readers were found. It is no
    threshold on the majority's score, and no pathology.
    """
    above = sum(reading["malignancy"] > SUSPICIOUS for reading in readings)
    return 2 * above >= len(readings)
