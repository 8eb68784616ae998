import numpy as np
import pytest

from napari_vaemed.plugin.cases import ENHANCED_SLICE
from napari_vaemed.plugin.widgets.enhance import EnhanceWidget


@pytest.fixture
def widget(chest, qtbot):
    widget = EnhanceWidget(chest.viewer)
    qtbot.addWidget(widget)
    widget.show()
    return widget


def choose(box, text):
    box.setCurrentText(text)
    box.activated.emit(box.currentIndex())


def test_without_a_ct_it_offers_one(window, qtbot):
    widget = EnhanceWidget(window.viewer)
    qtbot.addWidget(widget)
    assert widget.is_empty


def test_sliders_change_the_preview_and_its_time_is_told(widget, chest, idle):
    widget.live_box.click()
    idle(chest)
    assert widget.hint.text().startswith(f"Slice {chest.slice_view.current()} in ")
    before = chest.case.made[ENHANCED_SLICE].data.copy()
    widget.sliders["clip_limit"].slider.setValue(180)
    assert chest.enhance.wanted.how.clip_limit == pytest.approx(9.11)
    assert widget.sliders["clip_limit"].value.text() == "× 9.1"
    after = chest.case.made[ENHANCED_SLICE].data
    assert np.abs(after - before).max() > 50
    widget.reset_button.click()
    np.testing.assert_array_equal(chest.case.made[ENHANCED_SLICE].data, before)


def test_only_what_belongs_to_the_method_is_in_sight(widget):
    def seen():
        return {name for name, row in widget._rows.items() if row.isVisible()}

    assert seen() == {"clip_limit", "tile_mm"}
    choose(widget.method, "Diffusion")
    assert seen() == {"smoothing_mm", "edge_hu_per_mm"}
    assert not widget.histogram_fold.isVisible()
    choose(widget.method, "HE")
    assert seen() == set()


def test_every_choice_reaches_the_enhancement(widget, chest):
    choose(widget.method, "HE + CLAHE")
    choose(widget.where, "body")
    choose(widget.way, "in space (3-D)")
    widget.histogram_fold.unfold()
    choose(widget.histogram_fold.window_box, "mediastinum")
    choose(widget.histogram_fold.levels_box, "4096")
    widget.air_box.click()
    choose(widget.where, "body")
    wanted = chest.enhance.wanted
    assert (wanted.where, wanted.air_around) == ("body", True)
    how = wanted.how
    assert (how.method, how.three_d, how.window, how.levels) == (
        "he+clahe", True, (40, 400), 4096,
    )  # fmt: skip


def test_make_layer_says_that_it_works(widget, chest, idle):
    widget.make_button.click()
    assert not widget.make_button.isEnabled()
    idle(chest)
    assert widget.make_button.isEnabled()
    assert "CLAHE" in chest.case.made


def test_closing_the_dock_ends_the_preview(chest, qtbot, idle):
    widget = EnhanceWidget(chest.viewer)
    widget.live_box.click()
    idle(chest)
    widget.deleteLater()
    qtbot.waitUntil(lambda: not chest.enhance.live)
    assert ENHANCED_SLICE not in chest.case.made


def test_the_folds_say_what_becomes_and_open_it(widget, chest, idle):
    fold = widget.resample_fold
    fold.unfold()
    fold.target.setCurrentText("slices, so many")
    fold.slices.setValue(48)
    assert fold.becomes.text().startswith("48 × 160 × 160 voxels of 6 × 2.2 × 2.2 mm")
    fold.target.setCurrentText("cubes of")
    fold.mm.setValue(4.0)
    assert "4 × 4 × 4 mm" in fold.becomes.text()
    fold.go.click()
    idle(chest)
    assert chest.case.volume.spacing == (4.0, 4.0, 4.0)
    slabs = widget.slab_fold
    slabs.unfold()
    slabs.kind.setCurrentText("Mean")
    slabs.step.setValue(8.0)
    slabs.go.click()
    idle(chest)
    assert chest.case.layer.name.endswith(" Mean 10 mm")
