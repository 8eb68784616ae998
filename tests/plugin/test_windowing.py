"""The window by preset, by number and by a drag, through Qt's own mouse events."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_vaemed.plugin.layers import labels_to_layer, volume_to_layer
from napari_vaemed.plugin.session import session_of
from napari_vaemed.plugin.theme import WINDOWS
from napari_vaemed.plugin.windowing import PIXELS
from napari_vaemed.plugin.workspace import canvas_of


@pytest.fixture
def session(viewer, qtbot, small_phantom):
    """The session of a viewer without a window, with the phantom open."""
    made = session_of(viewer)
    made.add(volume_to_layer(small_phantom.volume))
    yield made
    made.close()


RIGHT, LEFT = Qt.MouseButton.RightButton, Qt.MouseButton.LeftButton


@pytest.fixture
def drag(chest):
    """Drags over the main canvas by so many pixels, in steps; nothing is drawn meanwhile."""
    canvas = canvas_of(chest.viewer)

    def mouse(kind, at, button, held):
        place, none = QPointF(*at), Qt.KeyboardModifier.NoModifier
        event = QMouseEvent(kind, place, canvas.mapToGlobal(place), button, held, none)
        QApplication.sendEvent(canvas, event)

    def drag(by, button=RIGHT, steps=5, wait=lambda: None):
        none, start = Qt.MouseButton.NoButton, np.array((200.0, 150.0))
        mouse(QEvent.Type.MouseButtonPress, start, button, button)
        for step in range(1, steps + 1):
            mouse(QEvent.Type.MouseMove, start + np.array(by) * step / steps, none, button)
            wait()
        mouse(QEvent.Type.MouseButtonRelease, start + by, button, none)

    return drag


def looks(session):
    camera = session.viewer.scene.camera
    return (*camera.center, camera.zoom)


def test_presets_are_those_clinicians_read_with_and_none_is_for_the_brain():
    assert [w.name for w in WINDOWS] == [
        "Lung", "Mediastinum", "Bone", "Soft tissue", "PE", "Wide"
    ]  # fmt: skip
    assert all(w.limits[0] < 0 <= w.limits[1] for w in WINDOWS)


def test_a_drag_to_the_right_widens_and_a_drag_down_raises_the_level(chest, drag, qtbot):
    before = looks(chest)
    drag((60, 0), wait=lambda: qtbot.wait(10))
    assert chest.windowing.now == (-600.0, 1500.0 + 60 * 1500 / PIXELS)
    chest.windowing.reset()
    drag((0, -30), wait=lambda: qtbot.wait(10))
    assert chest.windowing.now == (-600.0 - 30 * 1500 / PIXELS, 1500.0)
    assert looks(chest) == before  # napari would have zoomed


def test_many_moves_between_two_frames_change_the_window_once(chest, drag, qtbot):
    changes = []
    chest.windowing.window_changed.connect(lambda: changes.append(chest.windowing.now))
    drag((100, 50), steps=200)
    qtbot.wait(50)
    assert 1 <= len(changes) <= 3  # napari itself looks at a moving mouse every 5 ms
    assert changes[-1] == (-600.0 + 50 * 5, 1500.0 + 100 * 5)


def test_the_left_button_3d_and_tools_that_draw_are_left_alone(chest, drag, qtbot):
    before = chest.windowing.now
    drag((40, 0), button=LEFT, wait=lambda: qtbot.wait(10))
    volume = chest.case.volume
    labels = chest.add(labels_to_layer(np.zeros(volume.shape, np.uint8), volume, "Painted"))
    labels.mode = "paint"
    drag((40, 0), wait=lambda: qtbot.wait(10))
    labels.mode = "pan_zoom"
    chest.viewer.dims.ndisplay = 3
    drag((40, 0), wait=lambda: qtbot.wait(10))
    assert chest.windowing.now == before


def test_a_window_stays_within_what_a_ct_can_hold(session):
    session.windowing.set_numbers(-5000, -3)
    assert session.windowing.now == (-1024.0, 1.0)
    session.windowing.set_numbers(9000, 90000)
    assert session.windowing.now == (3071.0, 4096.0)


def test_negative_windows_and_napari_s_slider_reach_below_air(session):
    session.windowing.set_numbers(-800, 300)
    assert session.case.layer.contrast_limits == [-950.0, -650.0]
    low, high = session.case.layer.contrast_limits_range
    assert low <= -1500
    assert high >= 3071


def test_the_clahe_view_and_the_ct_share_one_window_whoever_sets_it(session, small_phantom):
    session.windowing.set_window(WINDOWS[1])
    made = volume_to_layer(small_phantom.volume, name="CLAHE")
    clahe = session.put_made(session.case, "CLAHE", made, low=True)
    session.lungs_changed.emit()
    assert clahe.contrast_limits == list(WINDOWS[1].limits)
    clahe.contrast_limits = (-200, 100)  # napari's layer controls do so
    assert session.windowing.now == (-50.0, 300.0)
    assert session.case.layer.contrast_limits == [-200, 100]
    assert clahe.contrast_limits_range == session.case.layer.contrast_limits_range


def test_each_ct_keeps_its_window_and_its_own_way_back(session, small_phantom):
    first = session.case.layer
    data, attributes, kind = volume_to_layer(small_phantom.volume)
    second = session.add((data.copy(), {**attributes, "contrast_limits": (0, 100)}, kind))
    session.windowing.set_window(WINDOWS[2])
    assert first.contrast_limits == [-1350.0, 150.0]
    session.windowing.reset()
    assert second.contrast_limits == [0.0, 100.0]
    session.viewer.layers.selection.active = first
    assert session.windowing.now == (-600.0, 1500.0)


def test_a_drag_over_another_canvas_sets_the_same_window(session):
    from napari.utils._proxies import ReadOnlyWrapper
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    class Moved:
        def __init__(self, kind, pos):
            self.type, self.pos = kind, pos
            self.button, self.modifiers, self.handled = 2, (), False
            self.dims_displayed, self.is_dragging = [0, 2], True

    side = ViewerModel()
    for _ in range(2):
        session.windowing.attach(side)
    assert len([c for c in side.mouse_drag_callbacks if c == session.windowing._on_press]) == 1
    press = Moved("mouse_press", (10, 10))
    mouse_press_callbacks(side, ReadOnlyWrapper(press, exceptions=("handled",)))
    assert press.handled
    mouse_move_callbacks(side, Moved("mouse_move", (16, 8)))
    mouse_release_callbacks(side, Moved("mouse_release", (16, 8)))
    assert session.windowing.now == (-610.0, 1530.0)
    session.viewer.layers.remove(session.case.layer)
    press = Moved("mouse_press", (10, 10))
    mouse_press_callbacks(side, ReadOnlyWrapper(press, exceptions=("handled",)))
    assert not press.handled  # without a CT the button is napari's
