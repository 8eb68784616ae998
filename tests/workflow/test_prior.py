"""Two scans of one chest: what stayed, grew, came and went is told apart."""

import numpy as np
import pytest

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.pairing import Sized
from napari_vaemed.data.phantom_prior import chest_scanned_twice
from napari_vaemed.data.progress import finish
from napari_vaemed.data.rigid import RigidTransform
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.growth import GROWN, SAME
from napari_vaemed.workflow.prior import (
    GONE,
    NEW,
    compare_scans,
    doubts,
    follow,
    followed_values,
)


@pytest.fixture(scope="module")
def twice():
    return chest_scanned_twice()


@pytest.fixture(scope="module")
def compared(twice):
    at = [twice.same, twice.grown, twice.new]
    return finish(compare_scans(twice.current, twice.prior, at, [twice.transform(twice.gone)],
                                days=90))  # fmt: skip


def test_the_scans_lie_on_each_other_to_two_millimetres_at_the_nodules(twice, compared):
    places = np.array([twice.same, twice.grown, twice.new, twice.gone])
    off = compared.transform(places) - twice.transform(places)
    assert np.linalg.norm(off, axis=1).max() < 2.0


def test_what_stayed_grew_came_and_went_is_told_apart(compared):
    said = {each.pair.current: each.verdict for each in compared.followed}
    assert said == {1: SAME, 2: GROWN, 3: NEW, None: GONE}
    grown = compared.followed[1]
    assert grown.change.ratio.low < (14 / 10) ** 3 < grown.change.ratio.high
    truth = 90 * np.log(2) / np.log(1.4**3)
    assert grown.change.growth.shortest_days < truth < grown.change.growth.longest_days
    assert grown.pair.apart_mm < 3


def test_the_values_are_plain_and_without_nan(compared):
    rows = [followed_values(each) for each in compared.followed]
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert rows[1]["volume_ratio"] == pytest.approx(1.4**3, rel=0.25)
    assert rows[3]["current"] is None
    assert all(not isinstance(v, float) or np.isfinite(v) for row in rows for v in row.values())


VOLUME = Interval(270, 240, 300)


def sized(label, centre, volume=VOLUME):
    return Sized(label, centre, Interval(8, 7.5, 8.5), volume)


def test_a_link_by_hand_goes_before_the_place():
    now = [sized(1, (0.0, 0.0, 0.0))]
    before = [sized(4, (2.0, 0.0, 0.0)), sized(9, (90.0, 0.0, 0.0), Interval(100, 90, 110))]
    free = follow(now, before, RigidTransform.none())
    assert [(e.pair.current, e.pair.prior) for e in free] == [(1, 4), (None, 9)]
    linked = follow(now, before, RigidTransform.none(), days=30, by_hand={1: 9})
    assert [(e.pair.current, e.pair.prior) for e in linked] == [(1, 9), (None, 4)]
    assert linked[0].verdict == GROWN
    assert linked[0].pair.by_hand


def test_days_that_cannot_be_leave_the_doubling_time_out():
    pair = [sized(1, (0.0, 0.0, 0.0))], [sized(1, (0.0, 0.0, 0.0))]
    (each,) = follow(*pair, RigidTransform.none(), days=-3)
    assert each.change.growth is None


def test_different_patients_are_warned_of_without_naming_them():
    hu = np.zeros((2, 2, 2), np.int16)
    one, other = (Volume(hu, (1.0, 1.0, 1.0), patient=p) for p in ("Murnau", "Lang"))
    (said,) = doubts(one, other)
    assert "different patients" in said
    assert "Murnau" not in said
    assert "Lang" not in said
    assert doubts(one, one) == ()
    assert doubts(one, Volume(hu, (1.0, 1.0, 1.0))) == ()
    same = Volume(hu, (1.0, 1.0, 1.0), series_uid="1.2")
    assert doubts(same, same, days=0) == (
        "Both are the same series.",
        "The prior is not older than the CT.",
    )
