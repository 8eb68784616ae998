"""The vote of the nearest nodules with a clear score, as it was calibrated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import UNDECIDED
from napari_vaemed.retrieval.neighbours import Neighbour
from napari_vaemed.training.metrics import knn_score

VOTERS = 20
"""How many vote."""


def clear_rows(index: NoduleIndex) -> NDArray[np.int_]:
    """Places of the nodules that readers took a side on, in their order."""
    return np.flatnonzero([record.malignancy != UNDECIDED for record in index.records])


def is_malignant(index: NoduleIndex) -> NDArray[np.bool_]:
    """Which nodules, (n,), readers scored above 3."""
    return np.array([record.malignancy > UNDECIDED for record in index.records], bool)


def vote_score(voters: Sequence[Neighbour]) -> float:
    """Share of malignant ones among neighbours, nearest first; near ones count more.

    See `napari_vaemed.training.metrics.knn_score`.
    """
    apart = np.array([[voter.distance for voter in voters]])
    malignant = np.array([voter.record.malignancy > UNDECIDED for voter in voters])
    return float(knn_score(apart, malignant, k=len(voters))[0])
