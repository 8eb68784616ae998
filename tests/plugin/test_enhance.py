"""The preview of the slice looked at, and layers of the whole CT."""

from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.cases import ENHANCED, ENHANCED_SLICE
from napari_vaemed.plugin.enhance_work import Wanted
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.preprocessing.enhance import METHODS, Enhancement, enhance, region_where
from napari_vaemed.preprocessing.geometry import with_slices


@pytest.fixture
def live(chest, idle):
    """The chest with a preview, on slice 40."""
    chest.slice_view.go_to(40)
    chest.enhance.set_live(True)
    idle(chest)
    return chest


def preview(session):
    return session.case.made[ENHANCED_SLICE]


def expected(session, wanted=None):
    wanted = session.enhance.wanted if wanted is None else wanted
    case = session.case
    region = region_where(case.volume, wanted.where, case.lungs)
    return finish(enhance(case.volume, wanted.how, inside=region))


def test_every_method_is_a_layer_in_hu():
    assert set(METHODS.values()) < set(ENHANCED)


def test_the_preview_is_the_slice_of_the_whole_and_follows_the_scroll(live):
    whole = expected(live)
    for index in (40, 41, 12):
        live.slice_view.go_to(index)  # at once: nothing is waited for
        layer = preview(live)
        np.testing.assert_array_equal(layer.data[0], whole[index])
        assert layer.data_to_world((0, 0, 0))[0] == live.case.world((index, 0, 0))[0]
        shown = np.asarray(layer._slice.image.raw)
        np.testing.assert_array_equal(shown, whole[index])
    assert live.case.volume.hu[12].min() < -1000  # the CT stays as it was


def test_a_slider_is_followed_at_once_and_the_window_is_the_cts(live):
    wanted = Wanted(Enhancement(clip_limit=6.0, tile_mm=30.0))
    live.enhance.want(wanted)
    np.testing.assert_array_equal(preview(live).data[0], expected(live)[40])
    assert live.enhance.shown.wanted == wanted
    live.windowing.set_numbers(40, 400)
    assert tuple(preview(live).contrast_limits) == (-160, 240)


@pytest.mark.parametrize(
    "how", [Enhancement("clahe", three_d=True), Enhancement("diffusion"), Enhancement("he+clahe")]
)
def test_what_takes_longer_comes_behind_and_is_the_same(live, idle, how):
    live.enhance.want(Wanted(how))
    live.slice_view.go_to(41)
    live.slice_view.go_to(42)
    idle(live)
    assert live.enhance.shown.index == 42
    np.testing.assert_array_equal(preview(live).data[0], expected(live)[42])


def test_off_takes_the_preview_away_and_so_does_removing_its_layer(live, idle):
    live.enhance.set_live(False)
    assert ENHANCED_SLICE not in live.case.made
    live.enhance.set_live(True)
    idle(live)
    live.viewer.layers.remove(preview(live))
    assert not live.enhance.live
    assert ENHANCED_SLICE not in live.case.made


def test_a_layer_of_the_whole_ct_takes_the_place_of_the_preview(live, idle):
    live.enhance.want(Wanted(Enhancement("he+clahe")))
    live.enhance.make_layer()
    idle(live)
    made = live.case.made["HE + CLAHE"]
    np.testing.assert_array_equal(made.data, expected(live))
    assert made.visible
    assert not live.enhance.live
    assert len(live.cases) == 1  # a view of the CT, not another CT
    told = made.metadata["napari_vaemed"]["enhanced"]
    assert (told["method"], told["where"]) == ("he+clahe", "everywhere")
    live.enhance.set_live(True)
    idle(live)
    assert not made.visible


def test_a_cancelled_layer_leaves_nothing(chest, qtbot):
    job = chest.enhance.make_layer()
    job.cancel()
    qtbot.waitUntil(lambda: not chest.busy)
    assert not set(METHODS.values()) & set(chest.case.made)


def test_in_the_lungs_they_are_looked_for_first(live, small_phantom, idle):
    live.enhance.want(Wanted(where="lungs", air_around=True))
    assert "lungs" in live.messages["enhance"].text
    idle(live)
    assert live.case.lungs is not None
    plane, inside = preview(live).data[0], live.case.lungs[40]
    assert (plane[(inside != 1) & (inside != 2)] == -1000).all()
    np.testing.assert_array_equal(
        plane[(inside == 1) | (inside == 2)],
        expected(live)[40][(inside == 1) | (inside == 2)],
    )


def test_another_ct_has_a_preview_of_its_own(live, idle):
    first = live.case
    live.enhance.resample(with_slices(first.volume, 30), "linear", "")
    idle(live)
    assert live.case is not first
    assert ENHANCED_SLICE not in first.made
    assert live.enhance.shown is None or live.enhance.shown.volume is live.case.volume


def test_a_resampled_ct_is_a_ct_with_its_masks(chest, idle):
    chest.prepare()
    idle(chest)
    first = chest.case
    chest.enhance.resample(with_slices(first.volume, 48), "area", "distance")
    idle(chest)
    assert len(chest.cases) == 2
    assert chest.case is not first
    assert chest.case.volume.shape == (48, *first.volume.shape[1:])
    assert not first.layer.visible
    mask = next(
        layer
        for layer in chest.viewer.layers
        if type(layer).__name__ == "Labels" and layer.data.shape == chest.case.volume.shape
    )
    assert np.allclose(mask.translate, chest.case.layer.translate)
    halves = [(first.lungs == 1).sum() / 2, (mask.data == 1).sum()]
    assert halves[1] == pytest.approx(halves[0], rel=0.02)


def test_slabs_are_a_ct_of_their_own(chest, idle):
    first = chest.case
    chest.enhance.make_slabs("MIP", 12.0, 6.0, "axial")
    idle(chest)
    made = chest.case
    assert made is not first
    assert made.layer.name.endswith(" MIP 12 mm")
    assert made.volume.spacing[0] == 6.0
    index = 10
    middle = round(float(first.voxel(made.world((index, 0, 0)))[0]))
    slab = first.volume.hu[middle - 2 : middle + 3].max(axis=0)
    np.testing.assert_array_equal(made.volume.hu[index], slab)


def test_what_cannot_be_done_is_told(chest, idle):
    chest.enhance.make_slabs("Sum", 12.0, None, "axial")
    idle(chest)
    assert "MIP, MinIP, Mean" in chest.messages["enhance"].text


def test_wanting_the_same_again_makes_nothing(live):
    before = live.enhance.shown
    live.enhance.want(replace(live.enhance.wanted))
    live.slice_view.moved.emit()
    assert live.enhance.shown is before


def test_without_lungs_to_be_found_the_preview_ends(window, idle):
    water = Volume(np.full((12, 48, 48), 30, np.int16), (5.0, 5.0, 5.0))
    window.add(volume_to_layer(water))
    window.enhance.want(Wanted(where="lungs"))
    window.enhance.set_live(True)
    idle(window)
    assert not window.enhance.live
    assert window.messages["enhance"].level == "error"
