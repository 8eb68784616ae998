"""Folds by patient, so that no one is trained and tested on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

SAME_SCAN = {"LIDC-IDRI-0138": "LIDC-IDRI-0029"}
"""Patient ids that LIDC-IDRI gives to one and the same scan."""


def patient_folds(
    patients: Sequence[str], *, folds: int = 5, seed: int = 0
) -> Iterator[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """Rows to train on and rows to test on, fold by fold; a patient is never in both.

    Patients are shuffled once and dealt out, so folds differ in size by little.
    """
    names = [SAME_SCAN.get(patient, patient) for patient in patients]
    unique, group = np.unique(names, return_inverse=True)
    if len(unique) < folds:
        raise ValueError(f"{folds} folds need at least {folds} patients; got {len(unique)}.")
    fold_of = np.empty(len(unique), int)
    fold_of[np.random.default_rng(seed).permutation(len(unique))] = np.arange(len(unique)) % folds
    for fold in range(folds):
        held_out = fold_of[group] == fold
        yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


def inner_fold(
    patients: Sequence[str],
    rows: NDArray[np.int_] | None = None,
    *,
    folds: int = 8,
    seed: int = 0,
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Rows to learn from and rows to stop early by, of other patients; one fold of ``folds``.

    Parameters
    ----------
    patients : sequence of str
        Of all rows.
    rows : ints or None
        The only ones to divide, as the training rows of an outer fold; default: all.
    """
    rows = np.arange(len(patients)) if rows is None else rows
    learn, kept = next(patient_folds([patients[row] for row in rows], folds=folds, seed=seed))
    return rows[learn], rows[kept]


def told_rows(
    patients: Sequence[str], classes: NDArray[np.int_], share: float, seed: int = 0
) -> NDArray[np.bool_]:
    """Which rows (n,) keep their labels: all of a patient or none.

    A patient is of the highest class (n,) that one of the own rows has; of the rows of each such
    class the same share is kept, as near as whole patients go.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"The share of rows with labels lies from 0 to 1; got {share}.")
    names = [SAME_SCAN.get(patient, patient) for patient in patients]
    _, group = np.unique(names, return_inverse=True)
    rows = np.bincount(group)
    highest = np.full(len(rows), classes.min())
    np.maximum.at(highest, group, classes)
    told = np.zeros(len(rows), bool)
    rng = np.random.default_rng(seed)
    for one in np.unique(highest):
        order = rng.permutation(np.flatnonzero(highest == one))
        middles = np.cumsum(rows[order]) - rows[order] / 2
        told[order] = middles < share * rows[order].sum()
    return told[group]


def standardised(values: NDArray[np.floating], known: NDArray[np.int_]) -> NDArray[np.float64]:
    """Columns of mean 0 and deviation 1 over the known rows."""
    spread = values[known].std(axis=0, dtype=float)
    return (values - values[known].mean(axis=0, dtype=float)) / np.where(spread > 1e-6, spread, 1.0)
