import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QWidget

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.slice_view import lay_under, sliders_of
from napari_vaemed.plugin.theme import probability_colour


def corner(session):
    """The texts in the corner that are in sight."""
    names = ("vaemed_slice", "vaemed_slice_source")
    overlays = session.viewer.canvas.overlays
    return [overlays[n].text for n in names if n in overlays and overlays[n].visible]


def strip_shown(session):
    strip = session.slice_view.strip
    return strip is not None and not strip.isHidden()


def other_ct():
    hu = np.full((30, 40, 40), -500, np.int16)
    return Volume(hu, (3.0, 3.0, 3.0), (0.0, 0.0, -600.0), description="Another CT")


def test_nothing_is_shown_before_slices_are_scored(lung_chest):
    lung_chest.slice_view.go_to(40)
    assert lung_chest.slice_view.current() == 40
    assert corner(lung_chest) == []
    assert not strip_shown(lung_chest)


def test_strip_and_text_tell_the_slice_looked_at(scored_chest):
    view, scores = scored_chest.slice_view, scored_chest.case.scored.said.scores
    place = len(scores) // 3
    index = int(scores.indices[place])
    view.go_to(index)
    assert strip_shown(scored_chest)
    assert view.strip.current == index
    assert view.strip.values[index] == scores.covid[place]
    assert np.isnan(view.strip.values[0])
    assert corner(scored_chest) == [
        f"Slice {index}: COVID-19 {100 * scores.covid[place]:.0f} %",
        "SliceResNet 00000000",
    ]
    box = scored_chest.viewer.canvas.overlays["vaemed_slice"].box_color
    wanted = probability_colour(float(scores.covid[place]))
    assert box[:3] == pytest.approx([int(wanted[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    view.go_to(0)
    assert corner(scored_chest) == ["Slice 0: not scored, too little lung"]


def test_a_slice_unlike_the_training_pictures_is_marked_and_said_so(
    lung_chest, idle, untrained_slice_model
):
    limit = untrained_slice_model.module.limit
    before = float(limit)
    limit.fill_(1e-6)
    try:
        lung_chest.slices.score()
        idle(lung_chest)
    finally:
        limit.fill_(before)
    view, indices = lung_chest.slice_view, lung_chest.case.scored.said.scores.indices
    view.go_to(int(indices[5]))
    assert corner(lung_chest)[1].startswith("unlike the training pictures")
    assert np.flatnonzero(view.strip.marked).tolist() == indices.tolist()


def test_a_click_on_the_strip_goes_to_the_slice_and_the_strip_follows(scored_chest, qtbot):
    view = scored_chest.slice_view
    view.strip.resize(600, 24)
    at = QPoint(round(view.strip.centre_of(25)), 12)
    qtbot.mouseClick(view.strip, Qt.MouseButton.LeftButton, pos=at)
    assert view.current() == 25
    assert scored_chest.viewer.dims.point[0] == pytest.approx(
        scored_chest.case.world((25, 0, 0))[0]
    )
    assert view.strip.current == 25


def test_the_strip_lies_right_beneath_the_sliders_and_below_the_one_there_is_now(scored_chest):
    sliders, strip = sliders_of(scored_chest.viewer), scored_chest.slice_view.strip
    layout = sliders.parentWidget().layout()
    assert layout.indexOf(strip) == layout.indexOf(sliders) + 1
    before = sliders.slider_widgets[0].slider
    assert strip._slider is before
    more_axes = scored_chest.viewer.add_image(np.zeros((3, 4, 20, 20)))
    assert not strip_shown(scored_chest)
    scored_chest.viewer.layers.remove(more_axes)  # napari makes new sliders
    assert strip_shown(scored_chest)
    assert sliders.slider_widgets[0].slider is not before
    assert strip._slider is sliders.slider_widgets[0].slider


def test_where_there_are_no_sliders_the_strip_gets_a_dock(window):
    strip, sliders = QWidget(), sliders_of(window.viewer)
    layout = sliders.parentWidget().layout()
    sliders.setParent(None)
    try:
        dock = lay_under(window.viewer, strip)
    finally:
        layout.addWidget(sliders)
    assert dock.widget() is strip


def test_other_views_show_neither_strip_nor_text(scored_chest):
    viewer = scored_chest.viewer
    scored_chest.slice_view.go_to(40)
    for change, back in (("order", (0, 1, 2)), ("ndisplay", 2)):
        setattr(viewer.dims, change, (1, 0, 2) if change == "order" else 3)
        assert not strip_shown(scored_chest)
        assert corner(scored_chest) == []
        setattr(viewer.dims, change, back)
        assert strip_shown(scored_chest)
        assert len(corner(scored_chest)) == 2


def test_another_ct_takes_strip_and_text_away_until_the_first_is_back(scored_chest):
    view, first = scored_chest.slice_view, scored_chest.case
    view.go_to(40)
    second = scored_chest.add(volume_to_layer(other_ct()))
    assert scored_chest.case.layer is second
    assert not strip_shown(scored_chest)
    assert corner(scored_chest) == []
    scored_chest.viewer.layers.selection.active = first.layer
    view.go_to(40)
    assert strip_shown(scored_chest)
    start, stop, _ = scored_chest.viewer.dims.range[0]
    low, high = view.strip._span
    assert start + low * (stop - start) == pytest.approx(first.world((0, 0, 0))[0])
    last = first.volume.shape[0] - 1
    assert start + high * (stop - start) == pytest.approx(first.world((last, 0, 0))[0])
    scored_chest.viewer.layers.remove(first.layer)
    assert not strip_shown(scored_chest)
    assert corner(scored_chest) == []
