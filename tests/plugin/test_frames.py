"""What is left out of a frame is not seen to be missing."""

import numpy as np
import pytest
from vispy.gloo import Texture2D

from napari_vaemed.plugin.cases import ENHANCED_SLICE
from napari_vaemed.plugin.workspace import qt_viewer_of


@pytest.fixture
def live(chest, idle):
    """The chest with a preview, on slice 40."""
    chest.slice_view.go_to(40)
    chest.enhance.set_live(True)
    idle(chest)
    return chest


def node(session):
    return qt_viewer_of(session.viewer).canvas.layer_to_visual[session.case.layer].node


def frame(session):
    return session.viewer.screenshot(canvas_only=True, flash=False)


def test_a_ct_beneath_an_opaque_preview_is_not_drawn_and_not_missed(live, monkeypatch):
    left_out = frame(live)
    assert not node(live).visible
    assert live.case.layer.visible
    monkeypatch.setattr(live.frames, "covered", lambda: None)
    drawn = frame(live)
    assert node(live).visible
    np.testing.assert_array_equal(left_out, drawn)


def test_it_is_drawn_again_as_soon_as_it_could_be_seen(live):
    preview, viewer = live.case.made[ENHANCED_SLICE], live.viewer
    for thing, name, other in (
        (preview, "opacity", 0.5),
        (preview, "visible", False),
        (preview, "blending", "additive"),
        (viewer.canvas.grid, "enabled", True),
        (viewer.dims, "order", (1, 0, 2)),
        (viewer.dims, "ndisplay", 3),
    ):
        frame(live)
        assert not node(live).visible, name
        usual = getattr(thing, name)
        setattr(thing, name, other)
        frame(live)
        assert node(live).visible == live.case.layer.visible, name
        setattr(thing, name, usual)
    viewer.layers.move(viewer.layers.index(preview), 0)
    frame(live)
    assert node(live).visible
    viewer.layers.move(0, len(viewer.layers))
    frame(live)
    assert not node(live).visible
    viewer.layers.remove(preview)
    frame(live)
    assert node(live).visible


def test_a_hidden_ct_stays_hidden_when_the_preview_goes(live):
    frame(live)
    live.case.layer.visible = False
    live.enhance.set_live(False)
    frame(live)
    assert not node(live).visible


def test_texts_send_their_filters_once(live):
    frame(live)
    frame(live)
    fonts = list(qt_viewer_of(live.viewer)._font_manager._fonts.values())
    assert fonts
    assert all(isinstance(font._kernel, Texture2D) for font in fonts)
