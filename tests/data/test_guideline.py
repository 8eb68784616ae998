from dataclasses import fields

import pytest

from napari_vaemed.data.guideline import QUESTIONS, Context, NoduleFacts
from napari_vaemed.data.interval import Interval


def test_every_answer_has_its_question():
    assert [each.name for each in fields(Context)] == list(QUESTIONS)


def test_a_wrong_answer_is_refused_with_the_right_ones():
    with pytest.raises(ValueError, match="'low', 'high'"):
        Context(risk="medium")
    with pytest.raises(ValueError, match="shoe_size"):
        Context.of({"shoe_size": 43})
    assert Context.of({"risk": "low", "several": None}).risk == "low"


def test_a_nodule_has_a_known_density_and_an_earlier_size_with_its_time():
    with pytest.raises(ValueError, match="solid, part-solid"):
        NoduleFacts("soft", Interval.exact(7))
    with pytest.raises(ValueError, match="months"):
        NoduleFacts("solid", Interval.exact(7), before_mm=Interval.exact(6))
    with pytest.raises(ValueError, match="positive"):
        NoduleFacts("solid", Interval.exact(7), before_mm=Interval.exact(6), months=0)


def test_an_interval_is_told_with_half_its_width():
    assert Interval(8.4, 7.5, 9.3).text() == "8.4 ± 0.9"
    assert Interval.exact(8.42).text() == "8.4"
    assert Interval(250.4, 200, 300).text(0) == "250 ± 50"
    with pytest.raises(ValueError, match="between its ends"):
        Interval(1, 2, 3)
