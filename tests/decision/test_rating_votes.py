from __future__ import annotations

import pytest

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.decision.rating_votes import called_malignant, commonest, majority_ratings


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((3, 5, 3, 1), 3), ((4, 5, 3, 2), 2), ((5, 5, 4, 4), 4), ((3, 1, 2), 1), ((5,), 5)],
)
def test_the_commonest_score_wins_and_a_tie_goes_to_the_lowest(scores, expected):
    assert commonest(scores) == expected
    readings = [dict.fromkeys(ATTRIBUTES, score) for score in scores]
    assert majority_ratings(readings) == dict.fromkeys(ATTRIBUTES, expected)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((4, 5, 3, 2), True), ((2, 3, 3, 2), False), ((5, 3, 3), False), ((5, 4, 1), True)],
)
def test_half_of_the_readers_above_three_call_it_malignant(scores, expected):
    assert called_malignant([{"malignancy": score} for score in scores]) is expected
