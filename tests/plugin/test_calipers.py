import gc

import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.session import session_of

SPACING = np.array((5.0, 0.6, 0.6))
SHOWN = {0: (1, 2), 1: (0, 2), 2: (0, 1)}


@pytest.fixture
def bare(viewer, qtbot):
    """A session without a window."""
    session = session_of(viewer)
    yield session
    session.close()
    qtbot.waitUntil(gc.isenabled, timeout=10_000)


@pytest.fixture
def thick(bare):
    """The session with a plain CT of 0.6 × 0.6 × 5 mm open."""
    return with_thick_ct(bare)


def with_thick_ct(session):
    z, y, x = np.indices((30, 120, 100))
    hu = (10 * z + 2 * y - 3 * x - 600).astype(np.int16)
    session.add(volume_to_layer(Volume(hu, tuple(SPACING), origin=(-29.7, 11.2, -301.3))))
    return session


def turn(session, axis):
    """Look at slices along an axis, at the ninth."""
    dims = session.viewer.dims
    dims.order = (axis, *SHOWN[axis])
    dims.set_point(axis, float(session.case.world((9, 9, 9))[axis]))


def flat(axis, row, column, index=9):
    point = np.full(3, float(index))
    point[list(SHOWN[axis])] = row, column
    return point


def draw(session, kind, *drags, axis=0, index=9):
    """Take a tool, and drag between (row, column) of a slice."""
    session.calipers.choose(kind)
    for start, end in drags:
        ends = [session.case.world(flat(axis, *p, index)) for p in (start, end)]
        middle = (ends[0] + ends[1]) / 2
        session.calipers.drag(ends[0], middle, axis, done=False)
        session.calipers.drag(*ends, axis, done=True)
    return session.calipers.chosen


FOUR = {
    "line": [((5, 10), (20, 40))],
    "bidirectional": [((5, 50), (5, 80)), ((2, 60), (14, 66))],
    "ellipse": [((15, 50), (25, 70))],
    "angle": [((5, 20), (25, 20)), ((25, 20), (25, 45))],
}


def draw_all(session, axis=0):
    for kind, drags in FOUR.items():
        draw(session, kind, *drags, axis=axis)
    session.calipers.choose(None)


# drawing


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_all_four_are_drawn_and_read_in_mm_on_any_slice(thick, axis):
    turn(thick, axis)
    draw_all(thick, axis)
    line, both, ellipse, angle = (each.reading for each in thick.calipers.shown)
    rows, columns = (SPACING[a] for a in SHOWN[axis])
    assert line.length_mm == pytest.approx(np.hypot(15 * rows, 30 * columns))
    assert (both.length_mm, both.short_mm) == pytest.approx((30 * columns, 12 * rows))
    assert ellipse.area_mm2 == pytest.approx(np.pi / 4 * 10 * rows * 20 * columns)
    middle = flat(axis, 20, 60).astype(int)
    assert ellipse.mean_hu == pytest.approx(thick.case.volume.hu[tuple(middle)])
    assert angle.angle_deg == pytest.approx(90)
    assert all(each.caliper.axis == axis for each in thick.calipers.shown)
    assert all(each.caliper.slice_index == 9 for each in thick.calipers.shown)


def test_a_caliper_is_seen_on_its_slice_only(thick):
    viewer = thick.viewer
    turn(thick, 0)
    draw_all(thick)
    layer, step = thick.calipers.layer, viewer.dims.range
    seen = []
    for index in range(30):
        viewer.dims.set_point(0, float(thick.case.world((index, 0, 0))[0]))
        seen.append(len(layer._view_indices))
    assert seen == [5 if index == 9 else 0 for index in range(30)]  # two lines make one of them
    assert viewer.dims.range == step  # the layer does not make the slider's steps finer
    for axis in (1, 2):
        turn(thick, axis)
        assert layer.nshapes == 0
    turn(thick, 0)
    assert len(layer._view_indices) == 5


@pytest.mark.parametrize("axis", [1, 2])
def test_a_level_line_in_one_orientation_is_not_seen_in_another(thick, axis):
    turn(thick, axis)
    draw(thick, "line", ((9, 10), (9, 40)), axis=axis)
    assert len(thick.calipers.layer._view_indices) == 1
    turn(thick, 0)
    assert len(thick.calipers.layer._view_indices) == 0


def test_the_layer_says_what_it_shows(thick):
    turn(thick, 1)
    draw_all(thick, 1)
    layer = thick.calipers.layer
    assert layer.name == "Calipers"
    features = layer.features
    assert list(features["kind"]) == ["line", *["bidirectional"] * 2, "ellipse", "angle"]
    assert list(features["unit"]) == ["mm", "mm", "mm", "HU", "°"]
    assert set(features["slice"]) == {9}
    assert set(features["plane"]) == {"coronal"}
    first = thick.calipers.shown[0].reading.length_mm
    assert features["value"][0] == pytest.approx(first)
    assert list(layer.text.values)[:2] == [f"{first:.1f} mm", "18.0 × 60.0 mm"]
    shown = layer.data[0] * layer.scale + layer.translate
    assert np.linalg.norm(shown[1] - shown[0]) == pytest.approx(first, rel=1e-5)


def test_the_line_and_its_length_follow_the_mouse(thick):
    turn(thick, 0)
    thick.calipers.choose("line")
    start, end = (thick.case.world(flat(0, 10, column)) for column in (10, 60))
    thick.calipers.drag(start, end, 0, done=False)
    layer = thick.calipers.layer
    assert list(layer.text.values) == ["30.0 mm"]
    assert thick.calipers.shown == ()
    thick.calipers.drag(start, end, 0, done=True)
    assert len(thick.calipers.shown) == 1
    assert thick.calipers.kind == "line"  # for the next one


@pytest.mark.parametrize("kind", list(FOUR))
def test_a_click_without_a_drag_says_why_there_is_nothing(thick, kind):
    turn(thick, 0)
    draw(thick, kind, ((10, 10), (10, 10)))
    assert thick.calipers.shown == ()
    text = thick.messages["calipers"].text
    assert text.startswith("That has no")
    assert "Drag from one" in text


def test_a_drag_out_of_the_ct_says_why_there_is_nothing(thick):
    turn(thick, 0)
    draw(thick, "line", ((10, 10), (10, 300)))
    assert thick.calipers.shown == ()
    assert thick.calipers.layer.nshapes == 0
    assert "beyond the CT" in thick.messages["calipers"].text


def test_without_a_ct_no_tool_is_taken(bare):
    bare.calipers.choose("line")
    assert bare.calipers.kind is None
    assert bare.messages["calipers"].text == "Open a CT first."


def test_a_tool_taken_and_put_away_leaves_no_layer(thick, qtbot):
    thick.calipers.choose("ellipse")
    qtbot.waitUntil(lambda: thick.calipers.layer is not None)  # ready for the first drag
    thick.calipers.choose(None)
    qtbot.waitUntil(lambda: thick.calipers.layer is None)
    assert list(thick.viewer.layers) == [thick.case.layer]
    assert "Calipers" not in thick.case.made


def test_half_a_caliper_goes_with_its_slice_its_tool_and_undo(thick):
    turn(thick, 0)
    calipers = thick.calipers
    for leave in (
        lambda: calipers.choose(None),
        lambda: calipers.choose("line"),
        calipers.undo,
        lambda: turn(thick, 1),
    ):
        turn(thick, 0)
        draw(thick, "bidirectional", ((5, 50), (5, 80)))
        assert calipers.draft is not None
        assert calipers.layer.nshapes == 1
        leave()
        assert calipers.draft is None
        assert calipers.layer.nshapes == 0
        calipers.choose(None)
    draw(thick, "angle", ((5, 20), (25, 20)))
    draw(thick, "angle", ((5, 20), (25, 20)), index=10)  # begins anew there
    draw(thick, "angle", ((25, 20), (25, 45)), index=10)
    assert [each.caliper.slice_index for each in calipers.shown] == [10]


def test_the_last_point_of_an_angle_may_be_clicked(thick):
    turn(thick, 0)
    draw(thick, "angle", ((5, 20), (25, 20)), ((25, 45), (25, 45)))
    assert thick.calipers.chosen.reading.angle_deg == pytest.approx(90)


def test_a_bad_second_drag_keeps_the_first(thick):
    turn(thick, 0)
    draw(thick, "bidirectional", ((5, 50), (5, 80)), ((9, 60), (9, 60)))
    assert thick.calipers.layer.nshapes == 1
    draw(thick, "bidirectional", ((2, 60), (14, 66)))
    assert thick.calipers.chosen.reading.short_mm == pytest.approx(12 * 0.6)


# the mouse


class Event:
    button, modifiers, type = 1, (), "mouse_press"

    def __init__(self, position, displayed=(1, 2)):
        self.position, self.dims_displayed = position, list(displayed)


def mouse(session, start, end):
    """Press, move and let go; gives whether the camera panned on the way."""
    viewer, event = session.viewer, Event(session.case.world(start))
    viewer.layers.selection.active = session.case.layer
    press = session.calipers._on_press(viewer, event)
    panned = []
    for what in ("mouse_move", "mouse_move", "mouse_release"):
        if next(press, "over") == "over":
            break
        panned.append(viewer.scene.camera.mouse_pan)
        event.type, event.position = what, session.case.world(end)
    list(press)
    return any(panned)


def test_a_drag_draws_and_does_not_pan(thick):
    turn(thick, 0)
    thick.calipers.choose("line")
    assert not mouse(thick, (9, 10, 10), (9, 10, 60))
    assert thick.calipers.shown[0].reading.length_mm == pytest.approx(30)
    assert thick.viewer.scene.camera.mouse_pan


def test_a_press_outside_the_ct_or_in_3d_says_why(thick):
    turn(thick, 0)
    thick.calipers.choose("line")
    mouse(thick, (9, 10, -5), (9, 10, 60))
    assert "outside the CT" in thick.messages["calipers"].text
    thick.viewer.dims.ndisplay = 3
    mouse(thick, (9, 10, 10), (9, 10, 60))
    assert "Switch to 2-D" in thick.messages["calipers"].text
    assert thick.calipers.shown == ()


def test_lengths_pointed_at_on_the_screen_are_true_to_half_a_pixel(window, qtbot):
    """Through the canvas as it is: whole pixels of the screen, at 0.6 × 0.6 × 5 mm."""
    session, viewer = with_thick_ct(window), window.viewer
    viewer.window._qt_window.show()
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    session.calipers.choose("line")
    for axis in (0, 1, 2):
        turn(session, axis)
        viewer.reset_view()
        for a, b in (((4, 12), (25, 71)), ((4, 20), (4, 90)), ((3, 30), (27, 30))):
            a, b = flat(axis, *a), flat(axis, *b)
            drag_on_canvas(canvas, viewer, session.case.world(a), session.case.world(b))
            truth = np.linalg.norm((b - a) * SPACING)
            measured = session.calipers.chosen.reading.length_mm
            along = np.abs((b - a) * SPACING) / truth
            assert abs(measured - truth) <= along @ SPACING / 2
    assert len(session.calipers.shown) == 9


def drag_on_canvas(canvas, viewer, start, end):
    """Press, move and let go at the pixels that show two points of the world."""
    where = {"button": 1, "modifiers": []}
    press = canvas.events.mouse_press(pos=on_screen(viewer, start, canvas.size), **where)
    for at in ((start + end) / 2, end):
        pos = on_screen(viewer, at, canvas.size)
        canvas.events.mouse_move(pos=pos, press_event=press, **where)
    canvas.events.mouse_release(pos=pos, press_event=press, **where)


def on_screen(viewer, world, size):
    """The pixel (x, y) of the canvas that shows a point of the world."""
    camera, (row, column) = viewer.scene.camera, viewer.dims.displayed
    up = -1 if str(camera.orientation[1]) == "up" else 1
    centre = np.asarray(camera.center)[-2:]
    y = size[1] / 2 + up * (world[row] - centre[0]) * camera.zoom
    x = size[0] / 2 + (world[column] - centre[1]) * camera.zoom
    return np.rint([x, y])


# the list


def test_undo_and_redo_go_step_by_step_through_drawing_editing_removing(thick, idle):
    turn(thick, 0)
    calipers = thick.calipers
    draw_all(thick)
    layer = calipers.layer
    steps = [calipers.shown]
    moved = [np.array(d) for d in layer.data]
    layer._data_view.edit(0, moved[0] + (0, 3, 0) * (np.arange(2) == 1)[:, None])
    layer.events.data(value=layer.data, action="changed", data_indices=(0,), vertex_indices=((),))
    idle(thick)
    steps.append(calipers.shown)
    calipers.remove(3)
    steps.append(calipers.shown)
    assert len({tuple(step) for step in steps}) == 3
    for step in steps[1::-1]:
        calipers.undo()
        assert calipers.shown == step
        assert rows_of(layer) == {each.label for each in step}
    for _ in range(4):
        calipers.undo()
    assert calipers.shown == ()
    assert layer.nshapes == 0
    calipers.undo()  # nothing left
    for _ in range(6):
        calipers.redo()
    assert calipers.shown == steps[-1]
    assert rows_of(layer) == {1, 2, 4}


def rows_of(layer):
    return set(layer.features["caliper"])


def test_choosing_one_goes_to_its_slice_in_its_orientation(thick):
    turn(thick, 0)
    draw(thick, "line", ((5, 10), (20, 40)))
    turn(thick, 2)
    draw(thick, "line", ((5, 10), (20, 40)), axis=2)
    thick.viewer.dims.set_point(0, -301.3)
    thick.calipers.select(1)
    dims = thick.viewer.dims
    assert dims.not_displayed == (0,)
    assert dims.point[0] == pytest.approx(-301.3 + 9 * 5)
    thick.calipers.select(2)
    assert dims.not_displayed == (2,)
    assert dims.point[2] == pytest.approx(-29.7 + 9 * 0.6)


# napari's own tools


def edited(session, idle, row, vertices):
    """Move a shape as napari's tools do."""
    layer = session.calipers.layer
    layer._data_view.edit(row, np.asarray(vertices, float))
    layer.events.data(value=layer.data, action="changed", data_indices=(row,), vertex_indices=((),))
    idle(session)


@pytest.mark.parametrize("axis", [0, 1])
def test_moving_an_end_measures_anew(thick, idle, axis):
    turn(thick, axis)
    draw(thick, "line", ((5, 10), (5, 40)), axis=axis)
    layer = thick.calipers.layer
    world = layer.data[0] * layer.scale + layer.translate
    world[1, 2] += 12.0
    edited(thick, idle, 0, (world - layer.translate) / layer.scale)
    (line,) = thick.calipers.shown
    assert line.reading.length_mm == pytest.approx(18 + 12, abs=1e-3)
    assert list(layer.text.values) == ["30.0 mm"]
    thick.calipers.undo()
    assert list(layer.text.values) == ["18.0 mm"]


def test_what_it_reads_follows_while_napari_moves_it(thick, idle):
    turn(thick, 0)
    draw(thick, "line", ((5, 10), (5, 40)))
    thick.calipers.edit(True)
    layer, event = thick.calipers.layer, Event((0, 0, 0))
    drag = thick.calipers._on_layer_drag(layer, event)
    next(drag)
    event.type = "mouse_move"
    layer._data_view.edit(0, np.array([[9, 5, 10], [9, 5, 60]]))
    next(drag)
    assert list(layer.text.values) == ["30.0 mm"]
    assert thick.calipers.shown[0].reading.length_mm == pytest.approx(18)
    layer._data_view.edit(0, np.array([[9, 5, 10], [9, 5, 600]]))  # beyond the CT: it waits
    next(drag)
    assert list(layer.text.values) == ["30.0 mm"]
    assert not thick.calipers.waiting


def test_a_bidirectional_one_stays_square_when_an_end_is_moved(thick, idle):
    turn(thick, 0)
    draw(thick, "bidirectional", *FOUR["bidirectional"])
    layer = thick.calipers.layer
    for row, vertex, by in ((0, 1, (0, 9, 4)), (1, 0, (0, -1, 5)), (1, 1, (0, 4, -7))):
        moved = np.array(layer.data[row])
        moved[vertex] += by
        edited(thick, idle, row, moved)
        mm = np.array(thick.calipers.chosen.caliper.points) * SPACING
        long, short = mm[1] - mm[0], mm[3] - mm[2]
        assert long @ short == pytest.approx(0, abs=1e-3)
        assert thick.calipers.chosen.reading.short_mm == pytest.approx(np.linalg.norm(short))
        # an end of the short line stays where it was put along the long one
        if row == 1:
            along = long / np.linalg.norm(long)
            put = moved[vertex] * layer.scale
            assert mm[2] @ along == pytest.approx(put @ along, abs=1e-3)


def test_deleting_shapes_in_the_layer_takes_them_from_the_list(thick, idle):
    turn(thick, 0)
    draw_all(thick)
    layer = thick.calipers.layer
    layer.selected_data = {2, 4}  # the short line of the second, and the angle
    layer.remove_selected()
    idle(thick)
    assert [each.label for each in thick.calipers.shown] == [1, 3]
    assert rows_of(layer) == {1, 3}
    thick.calipers.undo()
    assert [each.label for each in thick.calipers.shown] == [1, 2, 3, 4]


def test_a_line_drawn_or_pasted_with_naparis_tools_is_taken_into_the_list(thick, idle):
    turn(thick, 0)
    draw(thick, "line", ((5, 10), (5, 40)))
    layer = thick.calipers.layer
    layer.add([[9, 20, 10], [9, 20, 50]], shape_type="line")
    idle(thick)
    assert [each.reading.length_mm for each in thick.calipers.shown] == pytest.approx([18, 24])
    layer.selected_data = {0}
    layer._copy_data()
    layer._paste_data()
    idle(thick)
    assert [each.label for each in thick.calipers.shown] == [1, 2, 3]
    assert thick.calipers.shown[2].reading.length_mm == pytest.approx(18)


def test_what_is_picked_on_the_canvas_is_chosen_in_the_list(thick):
    turn(thick, 0)
    draw_all(thick)
    thick.calipers.layer.selected_data = {1}  # the long line of the second
    assert thick.calipers.chosen.label == 2
    thick.calipers.remove(2)
    assert [each.label for each in thick.calipers.shown] == [1, 3, 4]


def test_a_shape_that_is_no_caliper_is_not_taken(thick, idle):
    turn(thick, 0)
    draw(thick, "line", ((5, 10), (5, 40)))
    before = thick.calipers.shown
    layer = thick.calipers.layer
    layer.add([[9, 20, 10], [9, 20, 50], [9, 40, 50], [9, 40, 10]], shape_type="rectangle")
    idle(thick)
    assert thick.calipers.shown == before
    assert layer.nshapes == 1
    layer.add([[9, 20, 10], [12, 20, 50]], shape_type="line")  # across slices
    idle(thick)
    assert layer.nshapes == 1
    assert "Calipers are lines" in thick.messages["calipers"].text


def test_a_line_stays_a_line(thick, idle):
    turn(thick, 0)
    draw(thick, "line", ((5, 10), (5, 40)))
    layer = thick.calipers.layer
    layer._data_view.edit(0, np.array([[9, 5, 10], [9, 9, 20], [9, 5, 40]]), new_type="path")
    layer.events.data(value=layer.data, action="changed", data_indices=(0,), vertex_indices=((),))
    idle(thick)
    assert layer.shape_type == ["line"]
    assert thick.messages["calipers"].text.endswith("The change was taken back.")


def test_an_edit_beyond_the_ct_is_taken_back(thick, idle):
    turn(thick, 0)
    draw(thick, "line", ((5, 10), (5, 40)))
    before, layer = thick.calipers.shown, thick.calipers.layer
    edited(thick, idle, 0, [[9, 5, 10], [9, 5, 400]])
    assert thick.calipers.shown == before
    assert "taken back" in thick.messages["calipers"].text
    np.testing.assert_allclose(layer.data[0], [[9, 5, 10], [9, 5, 40]], atol=1e-5)


def test_removing_the_layer_removes_the_calipers_and_undo_brings_both_back(thick):
    turn(thick, 0)
    draw_all(thick)
    thick.viewer.layers.remove(thick.calipers.layer)
    assert thick.calipers.shown == ()
    assert thick.calipers.layer is None
    thick.calipers.undo()
    assert len(thick.calipers.shown) == 4
    assert thick.calipers.layer.nshapes == 5


# beside others


def test_calipers_go_with_their_ct(thick, qtbot):
    turn(thick, 0)
    draw_all(thick)
    case = thick.case
    thick.viewer.layers.remove(case.layer)
    qtbot.waitUntil(lambda: len(thick.viewer.layers) == 0)
    assert thick.calipers.shown == ()
    assert len(case.calipers.now) == 4


def test_each_ct_has_its_own(thick):
    turn(thick, 0)
    draw_all(thick)
    first = thick.case.layer
    other = Volume(np.zeros((30, 120, 100), np.int16), tuple(SPACING))
    thick.add(volume_to_layer(other))
    assert thick.calipers.shown == ()
    draw(thick, "line", ((5, 10), (5, 40)))
    assert [each.label for each in thick.calipers.shown] == [1]
    thick.viewer.layers.selection.active = first
    assert len(thick.calipers.shown) == 4


def test_another_canvas_shows_its_plane_and_draws_on_it(thick):
    from napari.components import ViewerModel

    turn(thick, 0)
    side = ViewerModel()
    side.add_image(thick.case.layer.data, scale=SPACING, translate=thick.case.layer.translate)
    side.dims.order = (1, 0, 2)
    draw(thick, "line", ((5, 10), (5, 40)))
    thick.calipers.attach(side)
    assert len(side.layers) == 1  # nothing in its plane yet
    thick.calipers.choose("line")
    event = Event(thick.case.world((5, 9, 10)), (0, 2))
    press = thick.calipers._on_press(side, event)
    next(press)
    event.type, event.position = "mouse_move", thick.case.world((5, 9, 60))
    next(press)
    assert list(side.layers[-1].text.values) == ["30.0 mm"]
    event.type = "mouse_release"
    list(press)
    assert [each.caliper.plane for each in thick.calipers.shown] == ["axial", "coronal"]
    assert list(side.layers[-1].features["caliper"]) == [2]
    assert list(thick.calipers.layer.features["caliper"]) == [1]
    thick.calipers.select(2)
    assert thick.viewer.dims.order == (0, 1, 2)  # the other canvas shows it
    assert thick.viewer.dims.point[1] == pytest.approx(thick.case.world((5, 9, 10))[1])
    thick.calipers.remove(2)
    assert side.layers[-1].nshapes == 0
    thick.calipers.detach(side)
    assert len(side.layers) == 1
    turn(thick, 1)
    draw(thick, "line", ((5, 10), (5, 40)), axis=1)
    assert len(side.layers) == 1


def test_one_tool_is_in_hand_at_a_time(thick, idle):
    turn(thick, 0)
    draw(thick, "line", ((5, 10), (5, 40)))
    thick.tool.set_on(True)
    assert thick.calipers.kind is None
    thick.calipers.choose("ellipse")
    assert not thick.tool.on
    thick.calipers.edit(True)
    assert thick.calipers.editing
    assert thick.calipers.kind is None
    thick.tool.set_on(True)
    assert not thick.calipers.editing
    assert thick.viewer.layers.selection.active is thick.case.layer


def test_the_layer_takes_no_click_from_the_nodule_tool_or_the_brush(chest, idle, voxels):
    chest.calipers.choose("line")
    at = chest.case.world(voxels[0])
    chest.calipers.drag(at, at + np.array((0, 0, 20)), 0, done=True)
    layer = chest.calipers.layer
    assert layer.mode == "pan_zoom"
    assert chest.viewer.layers.selection.active is chest.case.layer
    chest.tool.set_on(True)
    press = chest.tool.press(chest.viewer, clicked := Event(at))
    clicked.view_direction = None
    next(press)
    clicked.type = "mouse_release"
    list(press)
    idle(chest)
    assert chest.case.finding is not None
    chest.calipers.choose("line")
    chest.findings.brush(True)
    drawn = len(chest.calipers.shown)
    list(chest.calipers._on_press(chest.viewer, Event(at)))  # the brush was taken in hand since
    assert chest.calipers.kind is None
    assert len(chest.calipers.shown) == drawn
