"""First and last slice, and playing."""

import gc

import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.scrolling import axis_across, shown_slice
from napari_vaemed.plugin.session import session_of

HU = np.zeros((6, 20, 30), np.int16)


@pytest.fixture
def session(viewer, qtbot):
    """The session of a viewer without a window, with six slices open and much else around."""
    made = session_of(viewer)
    made.add(volume_to_layer(Volume(HU, (5.0, 0.6, 0.6), (-9.0, -6.0, -40.0))))
    viewer.add_points([[-500, 0, 0], [500, 0, 0]])  # napari's slider reaches far beyond the CT
    viewer.layers.selection.active = made.case.layer
    yield made
    made.close()
    qtbot.waitUntil(gc.isenabled, timeout=10_000)  # no thread works any more


def shown(session):
    return shown_slice(session.case, session.viewer.dims)


@pytest.mark.parametrize(("order", "n"), [((0, 1, 2), 6), ((1, 0, 2), 20), ((2, 0, 1), 30)])
def test_first_and_last_are_those_of_the_ct_in_each_plane(session, order, n):
    session.viewer.dims.order = order
    session.scrolling.last()
    assert shown(session) == (order[0], n - 1)
    session.scrolling.first()
    assert shown(session) == (order[0], 0)


def test_no_slice_is_shown_in_3d_or_beyond_the_ct(session):
    session.viewer.dims.set_point(0, 400)
    assert axis_across(session.viewer.dims) == 0
    assert shown(session) is None
    session.viewer.dims.ndisplay = 3
    assert axis_across(session.viewer.dims) is None
    session.scrolling.toggle()
    assert not session.scrolling.on


def test_playing_goes_round_at_the_pace_of_the_preferences(session, qtbot, monkeypatch):
    from napari.settings import get_settings

    seen, switched = [], []
    monkeypatch.setattr(get_settings().application, "playback_fps", 50)
    session.viewer.dims.events.point.connect(lambda event: seen.append(shown(session)[1]))
    session.scrolling.played.connect(switched.append)
    session.scrolling.last()
    session.scrolling.toggle()
    qtbot.waitUntil(lambda: len(seen) > 8, timeout=5000)
    session.scrolling.toggle()
    assert seen[:9] == [5, 0, 1, 2, 3, 4, 5, 0, 1]
    assert switched == [True, False]


@pytest.mark.parametrize("how", ["scroll", "turn", "another CT"])
def test_playing_ends_when_anybody_else_moves(session, qtbot, how):
    session.scrolling.first()
    session.scrolling.toggle()
    qtbot.waitUntil(lambda: shown(session)[1] > 0, timeout=5000)
    assert session.scrolling.on
    if how == "scroll":
        session.viewer.dims.set_point(0, -40.0)
    elif how == "turn":
        session.viewer.dims.order = (1, 0, 2)
    else:
        session.viewer.layers.remove(session.case.layer)
    assert not session.scrolling.on
