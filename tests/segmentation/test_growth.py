import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.segmentation.growth import growth_of


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
