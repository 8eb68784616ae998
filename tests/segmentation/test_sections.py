import numpy as np
import pytest

from napari_vaemed.data import diameters as calipers
from napari_vaemed.segmentation.partial_volume import Filled
from napari_vaemed.segmentation.sections import outlines

SPACING = np.array([0.7, 0.7])
START = (3, 10, 20)


def filled(inside, vessels=lambda y, x: np.zeros(np.broadcast(y, x).shape, bool)):
    """One slice, 45 mm wide, of a shape around its middle, and what runs into it."""
    fine = 4
    axis = ((np.arange(64 * fine) + 0.5) / fine - 32) * 0.7
    shape = inside(axis[:, None], axis).astype(np.float32)
    share = shape.reshape(64, fine, 64, fine).mean((1, 3))
    middles = (np.arange(64) + 0.5 - 32) * 0.7
    beside = vessels(middles[:, None], middles) & (share < 0.5)
    return Filled(share[None], beside[None], START)


def longest(fill):
    found = outlines(fill, SPACING)
    assert list(found) == [0]
    return calipers.reach(found[0])


@pytest.mark.parametrize("diameter", [5.0, 9.0, 16.0])
def test_a_disc_is_as_long_as_it_is(diameter):
    disc = filled(lambda y, x: y**2 + x**2 < diameter**2 / 4)
    assert longest(disc) == pytest.approx(diameter, abs=0.25)


def test_an_outline_stands_where_the_nodule_is():
    outline = outlines(filled(lambda y, x: y**2 + x**2 < 64), SPACING)[0]
    middle = (np.array(START[1:]) + 31.5) * 0.7
    assert outline.min(axis=0) == pytest.approx(middle - 8, abs=0.2)
    assert outline.max(axis=0) == pytest.approx(middle + 8, abs=0.2)


def test_spicules_thin_beside_the_body_are_left_out_and_bumps_are_not():
    def body(y, x):
        return y**2 + x**2 < 36

    spiculated = filled(lambda y, x: body(y, x) | ((abs(y) < 1.1) & (abs(x) < 11)))
    lobed = filled(lambda y, x: body(y, x) | (y**2 + (x - 6) ** 2 < 16))
    assert longest(spiculated) == pytest.approx(12, abs=0.5)
    assert longest(lobed) == pytest.approx(16, abs=0.3)


def test_a_vessel_is_cut_off_where_it_runs_into_the_nodule_but_a_bump_as_thick_is_not():
    def shape(y, x):
        return (y**2 + x**2 < 36) | ((abs(y) < 4) & (x > 0) & (x < 9))

    def goes_on(y, x):
        return (abs(y) < 4) & (x > 0)

    assert longest(filled(shape, goes_on)) == pytest.approx(12, abs=1.0)
    assert longest(filled(shape)) > 14


def test_all_of_what_is_thin_everywhere_is_measured():
    thread = filled(lambda y, x: (abs(y) < 0.5) & (abs(x) < 6))
    assert longest(thread) == pytest.approx(12, abs=0.6)


def test_nothing_half_filled_has_no_outline():
    fill = filled(lambda y, x: y**2 + x**2 < 4)
    faint = Filled(fill.share * np.float32(0.4), fill.vessels, fill.start)
    assert outlines(faint, SPACING) == {}
