import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_vaemed.plugin.parts import point_drawing
from napari_vaemed.plugin.parts.point_cloud import NEAR_PX, PointCloud
from napari_vaemed.plugin.parts.point_drawing import Marks, View

GROUND = "#102030"
PLACES = np.array([[0, 0], [10, 0], [0, 5], [10, 5]], np.float32)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], np.uint8)
COLOURS = np.hstack([COLOURS, np.full((4, 1), 255, np.uint8)])


@pytest.fixture
def cloud(qtbot):
    made = PointCloud(GROUND, "#FFFFFF")
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    qtbot.waitExposed(made)
    made.show_points(PLACES, COLOURS)
    drawn(made, qtbot)
    return made


def drawn(cloud, qtbot):
    """The next frame as (h, w, 3) uint8."""
    with qtbot.waitSignal(cloud.framed):
        cloud.canvas.update()
    image = cloud.canvas.native.grabFramebuffer()
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return data[:, : image.width(), 2::-1].copy()


def pixel(cloud, row):
    return QPoint(*np.rint(cloud.view.to_screen(cloud._places[row][None])[0]).astype(int))


def move(cloud, at, *, held=True):
    buttons = Qt.MouseButton.LeftButton if held else Qt.MouseButton.NoButton
    place = QPointF(at)
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove, place, cloud.canvas.native.mapToGlobal(place),
        Qt.MouseButton.NoButton, buttons, Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(cloud.canvas.native, event)


def drag(cloud, qtbot, places, modifier=Qt.KeyboardModifier.NoModifier):
    native = cloud.canvas.native
    qtbot.mousePress(native, Qt.MouseButton.LeftButton, modifier, places[0])
    for at in places[1:]:
        move(cloud, at)
    qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, modifier, places[-1])


def test_a_zoomed_view_leaves_the_pixel_where_it_is_and_pixels_come_back_as_places():
    view = View(np.array([3.0, -2.0]), 7.0, (200, 100))
    rng = np.random.default_rng(0)
    places = rng.normal(size=(20, 2))
    assert np.allclose(view.to_plane(view.to_screen(places)), places)
    assert np.allclose(view.to_screen([[3.0, -1.0]]), [[100, 43]])  # a unit up: seven pixels
    closer = view.zoomed(2.5, (30, 80))
    assert closer.scale == 17.5
    assert np.allclose(closer.to_plane((30, 80)), view.to_plane((30, 80)))


def test_points_are_drawn_in_their_colours_at_their_places_wherever_one_pans_and_zooms(
    cloud, qtbot
):
    def colours_there():
        picture = drawn(cloud, qtbot)
        where = np.rint(cloud.view.to_screen(PLACES)).astype(int)
        height, width = picture.shape[:2]
        seen = (where >= 2).all(axis=1) & (where < (width - 2, height - 2)).all(axis=1)
        assert seen.any()
        found = [picture[y, x] for x, y in where[seen]]
        assert np.array_equal(found, COLOURS[seen, :3])
        return picture

    whole = colours_there()
    assert len(np.unique(whole.reshape(-1, 3), axis=0)) > 4
    assert np.array_equal(whole[2, 2], list(bytes.fromhex(GROUND[1:])))
    cloud.pan(37, -21)
    assert np.array_equal(colours_there()[:-21, 37:], whole[21:, :-37])
    for _ in range(20):  # beyond the picture that was drawn larger than the view
        cloud.pan(-15, 4)
        drawn(cloud, qtbot)
    colours_there()
    cloud.show_all()
    cloud.zoom(1.5, cloud.view.to_screen(PLACES[:1])[0])
    colours_there()
    cloud.zoom(0.4)
    colours_there()


def test_very_many_points_are_stretched_while_one_zooms_and_sharp_once_it_rests(
    cloud, qtbot, monkeypatch
):
    monkeypatch.setattr(point_drawing, "RENEW_AT_ONCE", 1)
    cloud.zoom(0.8)
    drawn(cloud, qtbot)
    assert cloud.canvas._drawing.is_stretched(cloud.view)
    qtbot.waitUntil(lambda: not cloud.canvas._drawing.is_stretched(cloud.view))
    picture = drawn(cloud, qtbot)
    x, y = np.rint(cloud.view.to_screen(PLACES[3:])[0]).astype(int)
    assert np.array_equal(picture[y, x], COLOURS[3, :3])


def test_marks_lie_over_the_points_with_their_rings(cloud, qtbot):
    clear, white = np.array([[0, 0, 0, 0]], np.uint8), np.array([[255] * 4], np.uint8)
    cloud.show_marks(Marks(PLACES[:1], np.array([21.0]), clear, white, ("finding",)))
    picture = drawn(cloud, qtbot)
    at = pixel(cloud, 0)
    assert np.array_equal(picture[at.y(), at.x()], COLOURS[0, :3])
    ring = picture[at.y(), at.x() - 12 : at.x() + 13]
    assert (ring == 255).all(axis=1).sum() >= 2


def test_a_click_picks_the_nearest_point_within_a_few_pixels_and_a_mark_before_it(cloud, qtbot):
    picked, marks = [], []
    cloud.picked.connect(picked.append)
    cloud.mark_picked.connect(marks.append)
    native, left = cloud.canvas.native, Qt.MouseButton.LeftButton
    for row in range(4):
        qtbot.mouseClick(native, left, pos=pixel(cloud, row) + QPoint(3, -3))
    assert picked == [0, 1, 2, 3]
    far = pixel(cloud, 1) + QPoint(-round(NEAR_PX) - 3, 0)
    qtbot.mouseClick(native, left, pos=far)
    assert picked[-1] == -1
    none = np.zeros((2, 4), np.uint8)
    cloud.show_marks(Marks(PLACES[1:3], np.full(2, 15.0), none, none, (None, 7)))
    qtbot.mouseClick(native, left, pos=pixel(cloud, 1))  # a ring is the point's own
    qtbot.mouseClick(native, left, pos=pixel(cloud, 2))
    assert (picked[-1], marks) == (1, [7])


def test_a_drag_pans_and_picks_nothing_and_the_wheel_zooms_about_the_pointer(cloud, qtbot):
    picked = []
    cloud.picked.connect(picked.append)
    at = pixel(cloud, 0)
    drag(cloud, qtbot, [at, at + QPoint(30, 5), at + QPoint(60, -20)])
    assert picked == []
    assert np.allclose((pixel(cloud, 0) - at).toTuple(), (60, -20), atol=1)
    at, before = pixel(cloud, 3), cloud.view.scale
    native = cloud.canvas.native
    event = QWheelEvent(
        QPointF(at), native.mapToGlobal(QPointF(at)), QPoint(), QPoint(0, 240),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(native, event)
    assert cloud.view.scale == pytest.approx(before * 1.25**2)
    assert np.allclose(pixel(cloud, 3).toTuple(), at.toTuple(), atol=1)
    qtbot.mouseDClick(native, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert all(cloud.rect().contains(pixel(cloud, row)) for row in range(4))
    before = pixel(cloud, 0)
    qtbot.keyClick(native, Qt.Key.Key_Left)
    assert pixel(cloud, 0).x() > before.x()


def test_all_points_stay_in_view_whatever_size_the_canvas_takes_until_one_moves(cloud, qtbot):
    cloud.resize(300, 600)
    qtbot.waitUntil(lambda: cloud.view.size == (300, 600))
    assert all(cloud.rect().contains(pixel(cloud, row)) for row in range(4))
    cloud.pan(40, 0)
    middle = cloud.view.centre
    cloud.resize(500, 400)
    qtbot.waitUntil(lambda: cloud.view.size == (500, 400))
    assert np.array_equal(cloud.view.centre, middle)


def test_what_is_under_the_pointer_is_said_once(cloud):
    said = []
    cloud.hovered.connect(lambda row, key: said.append((row, key)))
    at = pixel(cloud, 2)
    for shift in (0, 1, 2, 40):
        move(cloud, at + QPoint(shift, 0), held=False)
    assert said == [(2, None), (-1, None)]


def test_a_lasso_gives_its_outline_shift_adds_and_esc_cancels(cloud, qtbot):
    outlines = []
    cloud.lassoed.connect(lambda outline, adds: outlines.append((outline, adds)))
    native = cloud.canvas.native
    qtbot.keyClick(native, Qt.Key.Key_L)
    assert cloud.lasso_on
    at = pixel(cloud, 0)
    around = [at + QPoint(*by) for by in ((-20, -20), (20, -20), (20, 20), (-20, 20))]
    drag(cloud, qtbot, around)
    drag(cloud, qtbot, around, Qt.KeyboardModifier.ShiftModifier)
    assert [adds for _, adds in outlines] == [False, True]
    corners = cloud.view.to_screen(outlines[0][0])
    assert np.allclose(corners, [each.toTuple() for each in around], atol=1e-6)
    qtbot.mousePress(native, Qt.MouseButton.LeftButton, pos=around[0])
    for place in around[1:]:
        move(cloud, place)
    assert (drawn(cloud, qtbot) == 255).all(axis=2).sum() > 50  # the line
    qtbot.keyClick(native, Qt.Key.Key_Escape)
    qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, pos=around[-1])
    assert len(outlines) == 2
    assert cloud.lasso_on
    qtbot.keyClick(native, Qt.Key.Key_Escape)
    assert not cloud.lasso_on


def test_a_canvas_goes_with_its_widget(qtbot):
    made = PointCloud(GROUND, "#FFFFFF")
    made.show()
    made.show_points(PLACES, COLOURS)
    drawn(made, qtbot)
    canvas, widget = weakref.ref(made.canvas), weakref.ref(made)
    made.close()
    made.deleteLater()
    del made
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    QApplication.processEvents()
    gc.collect()
    assert widget() is None
    assert canvas() is None
