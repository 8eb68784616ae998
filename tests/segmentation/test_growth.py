import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.pairing import Sized
from napari_vaemed.segmentation.growth import (
    GROWN,
    SAME,
    SHRUNK,
    UNKNOWN,
    UNMEASURED,
    change_of,
    growth_of,
)


def test_twice_the_volume_has_doubled_once():
    found = growth_of(Interval.exact(400), Interval.exact(200), 90)
    assert found.doubling_days == pytest.approx(90)
    assert found.certain


def test_a_diameter_up_by_a_quarter_doubles_the_volume():
    found = growth_of(Interval.exact(1.26**3), Interval.exact(1), 100)
    assert found.doubling_days == pytest.approx(100, rel=0.01)


def test_the_interval_holds_the_errors_of_both_scans():
    found = growth_of(Interval(400, 360, 440), Interval(200, 180, 220), 90)
    assert found.shortest_days < 90 < found.longest_days
    assert found.ratio.low == pytest.approx(2 / (1.1**2 + 0) ** 0.5, rel=0.08)


def test_growth_inside_the_error_bars_is_not_certain_and_has_no_longest_time():
    found = growth_of(Interval(220, 180, 260), Interval(200, 170, 230), 90)
    assert not found.certain
    assert found.doubling_days > 0
    assert found.longest_days is None


def test_a_shrinking_nodule_does_not_double():
    found = growth_of(Interval.exact(100), Interval.exact(200), 90)
    assert found.doubling_days is None
    assert found.shortest_days is None
    assert found.certain


@pytest.mark.parametrize(("volume", "days"), [(100, 0), (100, -3), (0, 90)])
def test_what_has_no_doubling_time_is_refused(volume, days):
    with pytest.raises(ValueError, match=r"days|doubling"):
        growth_of(Interval.exact(200), Interval.exact(volume), days)


def sized(mean, volume, refused=None):
    return Sized(1, (0.0, 0.0, 0.0), Interval(*mean), Interval(*volume), refused=refused)


SMALL = sized((8, 7.5, 8.5), (270, 240, 300))


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (sized((10, 9.5, 10.5), (520, 470, 570)), GROWN),
        (sized((6, 5.5, 6.5), (110, 95, 130)), SHRUNK),
        (sized((8.3, 7.8, 8.8), (295, 260, 330)), SAME),
        (sized((10, 10, 10), (520, 520, 520)), UNKNOWN),
        (sized((10, 9.5, 10.5), (520, 470, 570), refused="It leaks."), UNMEASURED),
    ],
)
def test_a_change_is_one_only_beyond_the_error_bars_of_both_scans(now, verdict):
    assert change_of(now, SMALL).verdict == verdict


def test_without_days_there_is_a_ratio_but_no_doubling_time():
    change = change_of(sized((10, 9.5, 10.5), (540, 500, 580)), SMALL)
    assert change.ratio.value == pytest.approx(2)
    assert change.growth is None
    assert change_of(SMALL, SMALL, 30).growth.doubling_days is None


def test_where_a_volume_may_be_nothing_the_diameter_decides():
    change = change_of(sized((10, 9.5, 10.5), (500, 400, 600)), sized((4, 3, 5), (30, 0, 60)), 90)
    assert change.ratio is None
    assert change.growth is None
    assert change.verdict == GROWN


def test_the_errors_of_two_diameters_add_in_squares():
    change = change_of(sized((10, 9, 11), (500, 400, 600)), SMALL)
    assert change.mean_mm.value == pytest.approx(2)
    assert change.mean_mm.half_width == pytest.approx((1**2 + 0.5**2) ** 0.5)
