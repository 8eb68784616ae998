"""How well neighbours by each distance tell malignant nodules from benign ones.

    python benchmarks/distances_auc.py

Of the shipped index (or ``--index``), nodules that readers score at most 2 or at least 4 each ask
their 20 nearest among the others of other patients; the r-th (from 0) votes with weight 1/(r+5).
Prints the table of docs/distances.md: area under the ROC curve of the vote, of all nodules and of
those of 6 to 10 mm, and the share of the nearest 10 that are of the query's class. The model may
have been trained on these nodules: rows can be compared with each other, not with held-out figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from napari_vaemed.distances import DISTANCES
from napari_vaemed.distances.properties import properties_of
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.weights import shipped_index_path
from napari_vaemed.retrieval.search import prepare, search

VOTERS = 20
SAME = 10


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--index", type=Path, default=shipped_index_path())
    given = ask.parse_args()
    index = read_index(given.index)
    score = np.array([record.malignancy for record in index.records])
    sure = np.flatnonzero((score <= 2) | (score >= 4))
    malignant = score[sure] >= 4
    patient = np.array([index.records[row].patient for row in sure])
    others = patient[:, None] != patient
    diameter = np.array([index.records[row].diameter_mm for row in sure])
    middle = (diameter >= 6) & (diameter <= 10)
    known = index.posterior[sure]
    print(
        f"{len(sure)} nodules, {malignant.sum()} malignant; {middle.sum()} of 6–10 mm, "
        f"{malignant[middle].sum()} malignant; {len(set(patient))} patients\n"
    )
    print("| distance | AUC | AUC, 6–10 mm | same class among 10 |\n|---|---|---|---|")
    rows = []
    for distance in DISTANCES:
        near = search(prepare(known, distance), known, VOTERS, allowed=others).rows
        rows.append((properties_of(distance).title, *figures(near, malignant, middle)))
    for title, *numbers in sorted(rows, key=lambda row: -row[1]):
        print(f"| {title} | " + " | ".join(f"{n:.3f}".lstrip("0") for n in numbers) + " |")


def figures(
    near: NDArray[np.int64], malignant: NDArray[np.bool_], middle: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """AUC, AUC of the middle-sized, share of the same class."""
    weights = 1.0 / (np.arange(VOTERS) + 5.0)
    vote = malignant[near] @ weights / weights.sum()
    same = (malignant[near[:, :SAME]] == malignant[:, None]).mean()
    return (
        float(roc_auc_score(malignant, vote)),
        float(roc_auc_score(malignant[middle], vote[middle])),
        float(same),
    )


if __name__ == "__main__":
    main()
