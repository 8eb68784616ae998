"""The prior lies beside the CT, and its findings are paired with the CT's."""

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.phantom_prior import chest_scanned_twice
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.prior import OUTLINES, PICTURE


@pytest.fixture(scope="module")
def twice():
    return chest_scanned_twice(
        shape=(90, 140, 140), spacing=(3.0, 2.4, 2.4),
        prior_shape=(100, 130, 130), prior_spacing=(2.8, 2.6, 2.6),
    )  # fmt: skip


@pytest.fixture
def beside(window, idle, twice):
    """A window with the CT and its prior laid on it; two findings on the CT, none on the prior."""
    window.add(volume_to_layer(twice.prior))
    prior = window.case
    window.add(volume_to_layer(twice.current))
    for place in (twice.grown, twice.new):
        window.click(twice.current.to_voxel(place))
        idle(window)
    window.prior.choose(prior)
    idle(window, timeout=60_000)
    return window


@pytest.mark.filterwarnings("ignore:Contours are not displayed")
def test_the_prior_is_shown_right_of_the_ct_on_its_slices_until_it_is_put_away(beside, twice, idle):
    case = beside.case
    picture = case.made[PICTURE]
    assert picture.data.shape == twice.current.shape
    assert tuple(picture.scale) == tuple(case.layer.scale)
    assert picture.extent.world[0][2] > case.layer.extent.world[1][2]
    assert picture.extent.world[:, 0] == pytest.approx(case.layer.extent.world[:, 0])
    assert not beside.prior.link.prior.layer.visible
    case.layer.contrast_limits = (-160, 240)
    assert tuple(picture.contrast_limits) == (-160, 240)
    body = case.volume.hu > -300
    assert (picture.data[body] > -300).mean() > 0.85
    beside.viewer.dims.ndisplay = 3
    idle(beside)
    assert not beside.case.made[PICTURE].visible
    beside.viewer.dims.ndisplay = 2
    assert beside.case.made[PICTURE].visible
    beside.prior.put_away()
    assert beside.prior.link is None
    assert beside.prior.followed == ()
    assert not [what for what in beside.case.made if what.startswith(PICTURE)]
    assert len(beside.case.findings) == 2


def test_nodules_are_looked_for_on_the_prior_and_paired_by_place_or_by_hand(
    beside, twice, idle, qtbot
):
    assert [e.verdict for e in beside.prior.followed] == ["new", "new"]
    beside.prior.say_days(90.0)
    beside.prior.look_for_all()
    idle(beside, timeout=60_000)
    grown, new = beside.prior.followed
    assert (grown.verdict, new.verdict) == ("grown", "new")
    assert grown.change.growth.shortest_days < grown.change.growth.doubling_days
    place = beside.prior.link.prior.finding.marked.measurement.centre_mm
    assert place == pytest.approx(twice.transform(twice.grown), abs=3)
    outline = beside.case.made[f"{OUTLINES} 1"]
    middle = outline.data_to_world(np.argwhere(outline.data).mean(0))
    beside_it = beside.case.world(twice.current.to_voxel(twice.grown))
    assert middle[:2] == pytest.approx(beside_it[:2], abs=3)
    assert middle[2] - beside_it[2] == pytest.approx(140 * 2.4 * 1.04, abs=3)
    assert [row.followed.verdict for row in beside.finding_list.rows] == ["grown", "new"]
    measured, _, months = beside.prior.before(1)
    assert months == pytest.approx(3, abs=0.1)
    assert measured is beside.prior.link.prior.findings[0].marked.measurement
    assert beside.case.volume is twice.current  # it is still the CT that is spoken of
    beside.prior.pair(2, 1)
    assert [(e.pair.current, e.pair.prior) for e in beside.prior.followed] == [(1, None), (2, 1)]
    beside.prior.pair(1, 1)
    assert [(e.pair.current, e.pair.prior) for e in beside.prior.followed] == [(1, 1), (2, None)]
    beside.prior.pair(1, None)
    assert beside.prior.followed[0].verdict == "new"
    beside.prior.unpair(1)
    assert beside.prior.followed[0].pair.prior == 1
    beside.findings.remove(1)
    gone = next(e for e in beside.prior.followed if e.pair.current is None)
    assert gone.verdict == "not there any more"
    beside.prior.go_to(gone)
    assert beside.viewer.dims.point[0] == pytest.approx(twice.grown[2], abs=3)
    beside.viewer.layers.remove(beside.prior.link.prior.layer)
    assert beside.prior.link is None
    assert beside.prior.followed == ()
    qtbot.waitUntil(lambda: PICTURE not in beside.case.made, timeout=2000)


def test_a_scan_without_lungs_is_refused_and_the_ct_stays(window, idle, twice):
    water = replace(twice.prior, hu=np.zeros((30, 40, 40), np.int16))
    window.add(volume_to_layer(water))
    prior = window.case
    window.add(volume_to_layer(twice.current))
    window.prior.choose(prior)
    idle(window, timeout=60_000)
    assert window.prior.link is None
    assert "300 ml of lung" in window.messages["findings"].text


def test_different_patients_are_warned_of(window, idle, twice):
    window.add(volume_to_layer(replace(twice.prior, patient="Lang^Fritz")))
    prior = window.case
    window.add(volume_to_layer(replace(twice.current, patient="Murnau^F")))
    window.prior.choose(prior)
    idle(window, timeout=60_000)
    said = window.messages["findings"]
    assert "different patients" in said.text
    assert said.level == "warning"
    assert "Lang" not in said.text
