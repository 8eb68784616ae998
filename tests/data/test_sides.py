import numpy as np
import pytest

from napari_vaemed.data.sides import edges_of, side_of


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 2, 0), "P"),
        ((0, -0.1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0, -1), "F"),
    ],
)
def test_a_direction_along_an_axis_has_one_letter(direction, letters):
    assert side_of(direction) == letters


def test_the_nearest_side_of_a_slanting_direction_comes_first():
    assert side_of((0.9, -0.4, 0.1)) == "LA"
    assert side_of((-0.4, 0.0, -0.9)) == "FR"
    assert side_of((-1, 1, -1)) == "RPF"


def test_a_side_is_named_from_a_cosine_of_0_3():
    for degrees, letters in ((72, "LP"), (73, "L")):
        angle = np.radians(90 - degrees)
        assert side_of((np.cos(angle), np.sin(angle), 0)) == letters


def test_halfway_between_two_sides_noise_does_not_swap_the_letters():
    noise = np.random.default_rng(0).normal(scale=1e-6, size=(50, 3))
    assert {side_of(np.array([1, -1, 0]) + n) for n in noise} == {"LA"}


def test_no_direction_has_no_letters():
    assert side_of((0, 0, 0)) == ""
    assert side_of((np.nan, 0, 0)) == ""


def test_opposite_edges_have_opposite_letters():
    edges = edges_of(right=(1, 0, 0), up=(0, -0.8, 0.6))
    assert edges == ("AH", "PF", "R", "L")
