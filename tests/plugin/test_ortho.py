import gc

import numpy as np
import pytest
from napari.qt import QtViewer
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import labels_to_layer, volume_to_layer
from napari_vaemed.plugin.workspace import qt_viewer_of

SHAPE, SPACING, ORIGIN = (12, 20, 24), (5.0, 0.6, 0.8), (-7.0, 11.0, -130.0)


@pytest.fixture
def ct():
    hu = np.random.default_rng(1).integers(-1000, 400, SHAPE).astype(np.int16)
    return Volume(hu, SPACING, ORIGIN)


@pytest.fixture
def reading(window, ct, settled):
    """A session with a small CT at anisotropic spacing in three views."""
    window.viewer.window._qt_window.show()
    window.add(volume_to_layer(ct))
    window.three_views.set_on(True)
    settled(window)
    return window


@pytest.fixture
def settled(qtbot):
    """Wait until every canvas is where it should be."""

    def wait(session):
        qtbot.wait(20)
        qtbot.waitUntil(lambda: not session.busy, timeout=10_000)
        qtbot.wait(20)

    return wait


def shown(viewer, layer):
    """What a canvas shows of a layer, as a picture: rows from the top, columns from the left."""
    picture = np.asarray(viewer.layers[viewer.layers.index(layer)]._slice.image.raw)
    return picture[::-1] if viewer.scene.camera.orientation2d[0] == "up" else picture


def letters(viewer):
    places = ("top_center", "bottom_center", "middle_left", "middle_right")
    return "".join(viewer.canvas.overlays[f"vaemed_{place}"].text for place in places)


def test_each_view_shows_its_plane_upright_and_in_mm(reading, ct, settled):
    views, main = reading.three_views, qt_viewer_of(reading.viewer)
    coronal, sagittal = views.side_viewers
    assert main.viewer is reading.viewer  # and not one of those inside it
    assert main.updatesEnabled()
    z, y, x = 4, 7, 9
    views.put_point(reading.case.world((z, y, x)))
    settled(reading)
    assert np.array_equal(shown(reading.viewer, reading.case.layer), ct.hu[z])
    assert np.array_equal(shown(coronal, coronal.layers[0]), ct.hu[::-1, y])
    assert np.array_equal(shown(sagittal, sagittal.layers[0]), ct.hu[::-1, :, x])
    assert (letters(coronal), letters(sagittal)) == ("HFRL", "HFAP")
    for viewer, height, width in ((coronal, 60.0, 19.2), (sagittal, 60.0, 12.0)):
        low, high = viewer._sliced_extent_world_augmented()
        assert np.allclose((high - low)[-2:], (height, width))
        assert viewer.canvas.overlays.scale_bar.visible
    reading.viewer.dims.order = (1, 0, 2)  # the planes change places
    settled(reading)
    axial, sagittal = views.side_viewers
    assert (letters(reading.viewer), letters(axial), letters(sagittal)) == ("HFRL", "APRL", "HFAP")
    assert reading.case.voxel(reading.viewer.dims.point)[1] == pytest.approx(y)
    assert np.array_equal(shown(axial, axial.layers[0]), ct.hu[z])


def test_views_meet_in_a_point_that_scrolling_and_the_mouse_with_shift_carry(reading, settled):
    views, case = reading.three_views, reading.case
    coronal, sagittal = views.sides
    before = [viewer.dims.point for viewer in views.side_viewers]
    reading.viewer.dims.set_point(0, float(case.world((8, 0, 0))[0]))
    settled(reading)
    assert [viewer.dims.point for viewer in views.side_viewers] == before  # only lines move
    for side in views.sides:
        lines, _ = views._lines[side.viewer]
        assert np.allclose(lines.where(), pixels(side, views.point()), atol=0.5)
        level, upright = lines.bars[0].geometry(), lines.bars[2].geometry()
        corner = side.canvas.native.pos()
        meeting = upright.x() - corner.x(), level.y() - corner.y()
        assert np.allclose(meeting, lines.where(), atol=0.5)
    hold_and_move(coronal, case.world((9, 0, 3)), Qt.KeyboardModifier.ShiftModifier)
    settled(reading)
    assert np.allclose(case.voxel(views.point())[[0, 2]], (9, 3))
    assert case.voxel(reading.viewer.dims.point)[0] == pytest.approx(9)
    assert case.voxel(sagittal.viewer.dims.point)[2] == pytest.approx(3)
    point = views.point()
    hold_and_move(coronal, case.world((2, 0, 20)), Qt.KeyboardModifier.NoModifier)
    settled(reading)
    assert np.array_equal(views.point(), point)
    draws = []
    coronal.viewer.layers[0].events.set_data.connect(draws.append)
    for y in range(1, SHAPE[1]):
        views.put_point(case.world((0, y, 0)), (1, 2))
    settled(reading)
    assert len(draws) == 1  # however many moves there were
    views.toggle_crosshair()
    hold_and_move(coronal, case.world((2, 0, 20)), Qt.KeyboardModifier.ShiftModifier)
    settled(reading)
    assert np.allclose(case.voxel(views.point())[1:], (SHAPE[1] - 1, 0))


def test_each_view_reads_hu_and_mm_under_the_pointer(reading, ct, settled):
    views, voxel = reading.three_views, (4, 7, 9)
    views.put_point(reading.case.world(voxel))
    settled(reading)
    corners = [reading.corner, *(side._corner for side in views.sides)]
    for canvas, corner in zip([qt_viewer_of(reading.viewer), *views.sides], corners, strict=True):
        hold_and_move(canvas, reading.case.world(voxel), Qt.KeyboardModifier.NoModifier)
        settled(reading)
        hu, *words = corner.under_pointer.split()
        assert int(hu) == ct.hu[voxel]
        mm = [float(words[n + 1]) * (1 if words[n] in "LPH" else -1) for n in (1, 3, 5)]
        assert mm == pytest.approx(ct.to_world(voxel), abs=0.2)


def test_canvases_go_to_the_point_one_a_frame_and_none_waits_for_ever(reading, settled):
    views, case = reading.three_views, reading.case
    moved = []
    for viewer in (reading.viewer, *views.side_viewers):
        viewer.dims.events.point.connect(lambda event: moved.append(event.source))
    frames = []
    main = reading.viewer.window._qt_viewer.canvas.native
    main.frameSwapped.connect(lambda: frames.append(len(set(map(id, moved)))))
    views.put_point(case.world((9, 3, 5)))
    settled(reading)
    assert max(np.diff([0, *frames])) == 1
    assert frames[-1] == 3
    assert np.allclose(case.voxel(views.point()), (9, 3, 5))
    views._point[1] = 1e6  # where no canvas can go
    views._later()
    settled(reading)


def test_keys_and_tools_work_over_a_side_canvas_as_over_the_main_one(reading, settled):
    side, case = reading.three_views.sides[0], reading.case
    press(side, Qt.Key.Key_N, "n")
    assert reading.tool.on
    clicked = []
    reading.click = clicked.append
    click(side, case.world((4, 0, 6)))
    (voxel,) = clicked
    here = case.voxel(side.viewer.dims.point)[1]
    assert np.allclose(voxel, (4, here, 6), atol=0.1)
    before = side.viewer.dims.current_step[1]
    press(side, Qt.Key.Key_Right)
    assert side.viewer.dims.current_step[1] == before + 1
    reading.slab.set("MIP", 10.0)
    settled(reading)
    mip = np.asarray(side.viewer.layers[0]._slice.image.raw)
    y = before + 1
    assert np.array_equal(mip, case.volume.hu[:, max(y - 8, 0) : y + 9].max(axis=1))


def test_a_caliper_is_drawn_and_seen_on_a_side_canvas(reading, settled):
    side, case = reading.three_views.sides[0], reading.case
    here = case.voxel(side.viewer.dims.point)[1]
    reading.calipers.choose("line")
    drag(side, case.world((3, here, 4)), case.world((8, here, 16)))
    reading.calipers.choose(None)
    settled(reading)
    (drawn,) = reading.calipers.shown
    half_a_pixel = 0.5 * max(1 / side.viewer.scene.camera.zoom, 0.01)
    assert drawn.reading.length_mm == pytest.approx(
        np.hypot(5 * 5.0, 12 * 0.8), abs=4 * half_a_pixel
    )
    assert (drawn.caliper.axis, drawn.caliper.slice_index) == (1, round(here))
    (layer,) = (each for each in side.viewer.layers if each.name == "Calipers")
    assert len(layer.data) == 1
    reading.three_views.set_on(False)
    assert len(reading.calipers.shown) == 1
    reading.three_views.set_on(True)
    settled(reading)
    again = reading.three_views.side_viewers[0]
    assert "Calipers" in [each.name for each in again.layers]


def test_side_canvases_go_in_3d_and_without_a_ct_and_come_back(reading, ct, settled):
    views = reading.three_views
    reading.views.show_3d()
    assert not views.sides
    settled(reading)
    reading.views.show_2d()
    assert len(views.sides) == 2
    other = Volume(ct.hu[:5, :10], (2.0, 1.0, 1.0), (0.0, 0.0, 0.0), description="Other")
    reading.add(volume_to_layer(other))
    settled(reading)
    assert len(views.sides) == 2
    reading.viewer.layers.clear()
    assert not views.sides


def test_toggling_leaves_nothing_behind(reading, settled):
    views, viewer = reading.three_views, reading.viewer
    reading.add(labels_to_layer(np.ones(SHAPE, np.uint8), reading.case.volume, "Mask"))
    views.set_on(False)
    settled(reading)
    before = left(reading)
    for _ in range(3):
        views.set_on(True)
        settled(reading)
        views.set_on(False)
        settled(reading)
    assert left(reading) == before
    assert [layer.name for layer in viewer.layers] == ["CT 5.0 mm", "Mask"]


def left(session):
    """What could be left behind: widgets, canvases, and callbacks of layers, dims and settings."""
    gc.collect()
    viewer, settings = session.viewer, get_settings()
    groups = [layer.events for layer in viewer.layers]
    groups += [viewer.dims.events, viewer.scene.camera.events, viewer.events, viewer.layers.events]
    groups += [viewer.layers.selection.events]
    groups += [settings.application.events, settings.experimental.events]
    return {
        "widgets": len(QApplication.allWidgets()),
        "children": len(viewer.window._qt_window.findChildren(QWidget)),
        "canvases": len(QtViewer._instances),
        "callbacks": [
            {name: living(emitter) for name, emitter in group.emitters.items()} for group in groups
        ],
        "mouse": (len(viewer.mouse_move_callbacks), len(viewer.mouse_drag_callbacks)),
        "lines": sum(type(o).__name__ == "Crosshair" for o in gc.get_objects()),
    }


def living(emitter):
    """Callbacks whose owner is still there; napari sweeps the others out when it next calls."""
    owners = [callback[0] for callback in emitter.callbacks if isinstance(callback, tuple)]
    return sum(owner() is not None for owner in owners)


def pixels(canvas, world):
    """Where a point of the world lies on a canvas, as vispy draws it."""
    view = canvas.canvas.view
    row, column = (world[axis] for axis in canvas.viewer.dims.displayed)
    return (view.transform * view.scene.transform).map([column, row])[:2]


def press(canvas, key, text=""):
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, text)
        QApplication.sendEvent(canvas.canvas.native, event)


def click(canvas, world):
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    for kind, held in (
        (QEvent.Type.MouseButtonPress, left),
        (QEvent.Type.MouseButtonRelease, none),
    ):
        send_mouse(canvas, world, kind, left, held, Qt.KeyboardModifier.NoModifier)


def drag(canvas, start, end):
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    plain = Qt.KeyboardModifier.NoModifier
    send_mouse(canvas, start, QEvent.Type.MouseButtonPress, left, left, plain)
    for part in (0.3, 0.7, 1.0):
        at = np.add(start, part * np.subtract(end, start))
        send_mouse(canvas, at, QEvent.Type.MouseMove, none, left, plain)
    send_mouse(canvas, end, QEvent.Type.MouseButtonRelease, left, none, plain)


def hold_and_move(canvas, world, modifiers):
    none = Qt.MouseButton.NoButton
    send_mouse(canvas, world, QEvent.Type.MouseMove, none, none, modifiers)


def send_mouse(canvas, world, kind, button, held, modifiers):
    """Tell a canvas of the mouse at a point of the world."""
    x, y = pixels(canvas, world)
    place, native = QPointF(float(x), float(y)), canvas.canvas.native
    event = QMouseEvent(kind, place, native.mapToGlobal(place), button, held, modifiers)
    QApplication.sendEvent(native, event)
