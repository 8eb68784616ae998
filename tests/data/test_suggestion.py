import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.suggestion import Figures, Suggestion, Tried, at_least


def of_score(score):
    return Suggestion((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), score, 6.0)


def test_those_sure_enough_stay_the_limit_among_them():
    found = tuple(map(of_score, (0.9, 0.5, 0.3)))
    assert at_least(found, 0.5) == found[:2]
    assert at_least(found, 0.95) == ()


@pytest.mark.parametrize(("score", "step"), [(0.1, 0), (0.3, 0), (0.4, 0), (0.5, 1), (1.0, 2)])
def test_a_score_is_told_by_the_step_at_or_below_it(score, step):
    assert Figures((0.3, 0.5, 0.9), 1, (), "").step_of(score) == step


def test_what_was_measured_is_said_with_its_interval_and_its_number():
    both = Tried("phantoms", "", 12, 288, (Interval(0.912, 0.87, 0.94),), (Interval(1.5, 1, 2),))
    assert both.said(0) == "phantoms: 91 (87 to 94) % of 288 found; 1.5 (1.0 to 2.0) wrong a scan, n = 12"  # noqa: E501  # fmt: skip
    crops = Tried("crops", "", 160, 160, (Interval(0.8, 0.7, 0.9),))
    assert crops.said(0) == "crops: 80 (70 to 90) % of 160 found"
