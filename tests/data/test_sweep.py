from __future__ import annotations

import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.sweep import (
    FREE,
    GRID,
    Choice,
    Range,
    Space,
    SweepRow,
    best_of,
    choice_of,
    range_of,
    space_of,
)


def test_a_grid_is_every_combination_of_its_choices():
    space = Space("own", "GaussianVAE", (Choice("a", (1, 2, 3)), Choice("b", ("x", "y"))))
    cells = space.cells()
    assert len(cells) == 6
    assert cells[0] == {"a": 1, "b": "x"}
    assert len({tuple(cell.values()) for cell in cells}) == 6


def test_a_range_has_no_cells():
    with pytest.raises(ValueError, match="a range, which a grid cannot exhaust"):
        FREE.cells()


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("beta=1.0,4", Choice("beta", (1.0, 4))),
        ("likelihood=tempered,sigma", Choice("likelihood", ("tempered", "sigma"))),
        ("slices = 4", Choice("slices", (4,))),
        ("flat=true,false", Choice("flat", (True, False))),
    ],
)
def test_a_choice_is_read_from_a_line(text, axis):
    assert choice_of(text) == axis


def test_a_range_is_read_from_a_line():
    assert range_of("lr=1e-4:1e-2:log") == Range("lr", 1e-4, 1e-2, log=True)
    assert range_of("latent_dims=8:48").whole
    assert not range_of("beta=0.5:8").whole


@pytest.mark.parametrize("text", ["beta", "=1,2", "beta="])
def test_what_is_no_choice_is_refused(text):
    with pytest.raises(ValueError, match="An axis is name=a,b,c"):
        choice_of(text)


@pytest.mark.parametrize("text", ["lr=1", "lr=a:b", "lr=1:2:linear", "lr=2:1", "lr=0:1:log"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match=r"name=low:high|two rising numbers"):
        range_of(text)


def test_a_value_or_an_axis_named_twice_is_refused():
    with pytest.raises(ValueError, match="names a value twice"):
        Choice("beta", (1.0, 1))
    with pytest.raises(ValueError, match="each once"):
        Space("own", "GaussianVAE", (Choice("a", (1,)), Range("a", 1, 2)))


@pytest.mark.parametrize("space", [GRID, FREE])
def test_a_space_comes_back_from_what_it_tells(space):
    assert space_of(space.told()) == space


def test_an_unknown_word_in_a_space_is_refused():
    with pytest.raises(ValueError, match="got axes, modle"):
        space_of({"modle": "GaussianVAE", "axes": {"a": [1]}})
    with pytest.raises(ValueError, match="needs low and high"):
        space_of({"axes": {"a": {"low": 1}}})


def test_only_whole_trials_can_be_the_best():
    rows = [
        SweepRow(0, {}, "stopped early", auc=Interval.exact(0.99)),
        SweepRow(1, {}, "whole", auc=Interval.exact(0.8)),
        SweepRow(2, {}, "whole", auc=Interval.exact(0.9)),
        SweepRow(3, {}, "failed"),
    ]
    assert best_of(rows) == rows[2]
    assert best_of(rows[:1]) is None
