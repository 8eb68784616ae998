from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.retrieval.neighbours import Neighbour
from napari_vaemed.retrieval.votes import clear_rows, is_malignant, vote_score


def record(number, malignancy):
    return NoduleRecord(
        f"N{number}", f"P{number}", "1.2", (0.0, 0.0, 0.0), 8.0, {"malignancy": malignancy}
    )


def test_the_undecided_do_not_vote():
    records = tuple(record(number, score) for number, score in enumerate((1.0, 3.0, 4.0, 3.0, 5.0)))
    index = NoduleIndex(records, Posterior(np.zeros((5, 2)), np.ones((5, 2))), "0", "here")
    assert clear_rows(index).tolist() == [0, 2, 4]
    assert is_malignant(index).tolist() == [False, False, True, False, True]


def test_the_nearest_weighs_most():
    def vote(*scores):
        return vote_score([
            Neighbour(record(n, s), float(n), False, n) for n, s in enumerate(scores)
        ])  # fmt: skip

    weights = 1 / np.array([6.0, 7.0, 8.0])
    assert vote(5.0, 1.0, 1.0) == pytest.approx(weights[0] / weights.sum())
    assert vote(1.0, 1.0, 5.0) == pytest.approx(weights[2] / weights.sum())
    assert vote(5.0, 4.0, 5.0) == pytest.approx(1.0)
