import gc
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.plugin.cases import PREVIEW
from napari_vaemed.plugin.layers import VESSEL_WINDOW
from napari_vaemed.plugin.views import CHEST, FINDING, LUNGS
from napari_vaemed.plugin.workspace import canvas_of


def letters(viewer):
    overlays = viewer.canvas.overlays
    places = ("top_center", "bottom_center", "middle_left", "middle_right")
    return "".join(overlays[f"vaemed_{place}"].text or "-" for place in places)


def test_the_sides_of_the_body_stand_at_the_edges_and_the_head_is_up(chest):
    viewer = chest.viewer
    assert letters(viewer) == "APRL"
    assert viewer.scene.camera.orientation2d == ("down", "right")
    viewer.dims.order = (1, 0, 2)
    assert letters(viewer) == "HFRL"
    assert viewer.scene.camera.orientation2d == ("up", "right")
    viewer.dims.order = (2, 0, 1)
    assert letters(viewer) == "HFAP"


def test_a_scale_bar_in_mm_stands_at_the_lower_left(chest):
    bar = chest.viewer.canvas.overlays.scale_bar
    assert (bar.visible, str(bar.position)) == (True, "bottom_left")
    assert {str(unit) for unit in chest.viewer.layers.extent.units} == {"millimeter"}


def test_3d_shows_a_small_copy_from_the_front_and_2d_the_ct_again(chest, idle):
    viewer, ct = chest.viewer, chest.case.layer
    chest.views.show_3d()
    assert not ct.visible
    idle(chest)
    small = chest.case.made["3-D copy"]
    assert small.visible
    assert max(small.data.shape) <= 96
    camera = viewer.scene.camera
    assert np.allclose(camera.view_direction, (0, 1, 0))  # towards the back
    assert np.allclose(camera.up_direction, (1, 0, 0))  # towards the head
    assert camera.orientation[0] == "away"  # no mirror image
    assert letters(viewer) == "HFRL"
    chest.views.show_2d()
    assert ct.visible
    assert not small.visible


def copy_of(session):
    return session.case.made["3-D copy"]


def voxels_of(copy, case):
    """The CT's voxels at the first and the last corner of a copy."""
    ends = np.array([[-0.5] * 3, np.array(copy.data.shape) - 0.5])
    return np.array([case.voxel(copy.data_to_world(end)) for end in ends])


def test_the_small_copy_shows_the_inside_of_the_lungs_once_they_are_known(
    chest, idle, small_phantom
):
    case = chest.case
    case.lungs = small_phantom.lungs
    chest.views.show_3d()
    idle(chest)
    low, high = voxels_of(copy_of(chest), case)
    inside = np.argwhere(in_lungs(case.lungs))
    assert low == pytest.approx(inside.min(0) - 0.5, abs=1e-6)
    assert np.all(high <= inside.max(0) + 0.5)
    assert np.all(high > inside.max(0) - 2)  # a remainder of less than a block may be left out
    between = copy_of(chest).world_to_data(case.world((48, 80, 80)))  # the heart
    assert copy_of(chest).data[tuple(np.rint(between).astype(int))] == -1024


def test_the_copy_is_ready_when_the_lungs_are_found(chest, idle):
    chest.find_lungs(chest.case)
    idle(chest)
    assert "3-D copy" not in chest.case.made
    chest.views.show_3d(LUNGS)
    assert not chest.jobs.running
    assert copy_of(chest).visible


def test_the_lungs_copy_is_made_ahead_even_after_the_chest_was_looked_at(chest, idle):
    chest.views.show_3d(CHEST)
    idle(chest)
    chest.views.show_2d()
    chest.find_lungs(chest.case)
    idle(chest)
    chest.views.show_3d(LUNGS)
    assert not chest.jobs.running
    assert copy_of(chest).contrast_limits == list(VESSEL_WINDOW)


def test_lungs_not_known_yet_are_found_while_the_chest_is_shown(chest, idle):
    chest.views.show_3d(LUNGS)
    assert chest.views.cut.name == CHEST
    idle(chest)
    assert chest.views.cut.name == LUNGS
    assert chest.case.lungs is not None
    assert copy_of(chest).data.min() == -1024
    lungs = chest.case.made["Lungs"]
    assert not lungs.visible  # a mask of the whole CT is for slices
    chest.views.show_2d()
    assert lungs.visible
    assert lungs.contour == 1


def test_3d_can_be_cut_to_the_chosen_finding_and_follows_it(chest, idle, voxels, small_phantom):
    case = chest.case
    case.lungs = small_phantom.lungs
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    chest.views.show_3d(FINDING)
    for label in (2, 1):
        chest.findings.select(label)
        idle(chest)
        assert chest.views.cut.name == FINDING
        mask = case.finding.marked.mask
        low, high = voxels_of(copy_of(chest), case)
        room = np.ceil(15 / np.array(case.volume.spacing))
        wanted = np.maximum(np.array(mask.start) - room, 0)
        assert low == pytest.approx(wanted - 0.5, abs=1e-6)
        assert np.all(high + 0.5 >= np.array(mask.start) + mask.voxels.shape)
        centre = chest.viewer.scene.camera.center
        assert np.abs(case.voxel(centre) - (low + high) / 2).max() < 1


def test_the_brush_s_room_around_a_finding_is_left_out_in_3d(chest, idle, voxels):
    case = chest.case
    chest.click(voxels[0])
    idle(chest)
    layer, marked = case.masks[case.selected], case.finding.marked
    roomy = layer.data.shape
    chest.views.show_3d(FINDING)
    idle(chest)
    assert np.array(layer.data.shape).tolist() == [n + 2 for n in marked.mask.voxels.shape]
    place = layer.data_to_world(np.argwhere(layer.data)[0])
    assert case.voxel(place) == pytest.approx(
        marked.mask.start + np.argwhere(marked.mask.voxels)[0]
    )
    chest.views.show_2d()
    idle(chest)
    assert layer.data.shape == roomy
    assert layer.data_to_world(np.argwhere(layer.data)[0]) == pytest.approx(place)
    assert case.masks[case.selected] is layer
    assert case.finding.marked is marked  # nothing was taken for a stroke


def test_all_layers_can_be_taken_away_in_3d(chest, idle, voxels, small_phantom):
    viewer, case = chest.viewer, chest.case
    case.lungs = small_phantom.lungs
    chest.click(voxels[0])
    idle(chest)
    for cut in (LUNGS, FINDING):
        chest.views.show_3d(cut)
        idle(chest)
    viewer.layers.remove(case.made[PREVIEW])
    assert PREVIEW not in case.made
    chest.views.show_3d(FINDING)
    assert PREVIEW in case.made
    viewer.layers.clear()  # as napari does when its window is closed
    idle(chest)
    assert list(viewer.layers) == []


def test_without_a_finding_the_lungs_are_shown(chest, small_phantom):
    chest.case.lungs = small_phantom.lungs
    chest.views.show_3d(FINDING)
    assert chest.views.cut.name == LUNGS


def test_another_cut_keeps_the_angle_and_the_way_back_keeps_slice_and_zoom(
    chest, idle, small_phantom
):
    viewer, chest.case.lungs = chest.viewer, small_phantom.lungs
    viewer.dims.set_point(0, chest.case.world((30, 0, 0))[0])
    camera = viewer.scene.camera
    camera.center, camera.zoom = (0, -20.0, 35.0), 4.2
    at, seen = viewer.dims.point, (camera.center, camera.zoom)
    chest.views.show_3d(CHEST)
    idle(chest)
    camera.angles = (10, 40, -70)
    chest.views.show_3d(LUNGS)
    idle(chest)
    assert np.allclose(camera.angles, (10, 40, -70))
    chest.views.show_2d()
    assert viewer.dims.point == at
    assert (camera.center, camera.zoom) == seen
    chest.views.show_3d()
    assert not chest.jobs.running  # it is still there
    chest.findings.select(None)
    viewer.dims.set_point(0, chest.case.world((60, 0, 0))[0])  # as a finding does
    chest.views.show_2d()
    assert round(chest.case.voxel(viewer.dims.point)[0]) == 60


def test_a_ct_moved_by_hand_takes_its_copy_along(chest, idle):
    chest.case.layer.affine = [[1, 0, 0, 5], [0, 0, 1, 0], [0, -1, 0, -7], [0, 0, 0, 1]]
    chest.views.show_3d(CHEST)
    idle(chest)
    low, high = voxels_of(copy_of(chest), chest.case)
    assert low == pytest.approx([-0.5] * 3, abs=1e-6)
    assert np.all(high > np.array(chest.case.volume.shape) - 3)


def test_napari_s_own_button_shows_the_small_copy_too(chest, idle):
    chest.viewer.dims.ndisplay = 3
    idle(chest)
    assert copy_of(chest).visible
    assert not chest.case.layer.visible
    chest.viewer.dims.ndisplay = 2
    assert chest.case.layer.visible


@pytest.fixture
def frames(chest):
    """What was visible in each frame that the main canvas has drawn since."""
    drawn = []

    def note(event):
        drawn.append([layer.name for layer in chest.viewer.layers if layer.visible])

    canvas = chest.viewer.window._qt_viewer.canvas
    canvas._scene_canvas.events.draw.connect(note)
    yield drawn
    canvas._scene_canvas.events.draw.disconnect(note)


def test_a_volume_is_drawn_once_until_it_is_on_the_screen(chest, idle, qtbot, frames):
    viewer = chest.viewer
    viewer.window._qt_window.show()
    chest.views.show_3d(CHEST)
    idle(chest)
    chest.views.show_2d()
    qtbot.wait(50)
    frames.clear()
    with qtbot.waitSignal(canvas_of(viewer).frameSwapped):
        chest.views.show_3d()
    assert frames == [[copy_of(chest).name]]  # though the sliders went, and the canvas grew


def test_no_frame_is_drawn_while_the_copy_is_made(chest, idle, qtbot, frames):
    chest.viewer.window._qt_window.show()
    qtbot.wait(50)
    chest.views._held.setInterval(30_000)  # on a busy machine a copy may take a while
    frames.clear()
    chest.views.show_3d(CHEST)
    idle(chest)
    qtbot.waitUntil(lambda: bool(frames))
    assert frames[0] == [copy_of(chest).name]


def test_the_canvas_does_not_wait_for_a_copy_that_is_long_in_coming(chest, idle, qtbot, frames):
    chest.viewer.window._qt_window.show()
    qtbot.wait(50)
    go_on = threading.Event()
    before = chest.jobs.start(go_on.wait, title="Reading", channel="read", lane="read")
    frames.clear()
    chest.views.show_3d(CHEST)
    qtbot.waitUntil(lambda: bool(frames))
    assert before.live
    assert frames[0] == []
    go_on.set()
    idle(chest)
    assert copy_of(chest).visible


def test_slices_come_back_in_one_frame(chest, idle, qtbot, frames):
    viewer = chest.viewer
    viewer.window._qt_window.show()
    chest.views.show_3d(CHEST)
    idle(chest)
    qtbot.waitUntil(lambda: bool(frames))
    frames.clear()
    with qtbot.waitSignal(canvas_of(viewer).frameSwapped):
        chest.views.show_2d()
    qtbot.waitUntil(lambda: bool(frames))
    assert all(names == [chest.case.layer.name] for names in frames)


def test_another_cut_is_shown_by_the_same_layer(chest, idle, small_phantom):
    chest.case.lungs = small_phantom.lungs
    chest.views.show_3d(CHEST)
    idle(chest)
    first = copy_of(chest)
    whole = first.data, first.contrast_limits
    chest.views.show_3d(LUNGS)
    idle(chest)
    assert copy_of(chest) is first  # a new one would be compiled anew
    assert first.contrast_limits != whole[1]
    chest.views.show_3d(CHEST)
    assert first.data is whole[0]
    assert first.contrast_limits == whole[1]


def test_a_copy_shown_again_fills_the_canvas_again(chest, idle):
    camera = chest.viewer.scene.camera
    chest.views.show_3d(CHEST)
    idle(chest)
    seen = camera.zoom, camera.center
    chest.views.show_2d()
    camera.zoom, camera.center = 9.0, (0, 30.0, -20.0)
    chest.views.show_3d()
    assert camera.zoom == pytest.approx(seen[0], rel=0.01)
    assert camera.center == pytest.approx(seen[1])
    camera.zoom = 5.0
    chest.findings_changed.emit()
    assert camera.zoom == 5.0  # only when it comes


def test_going_to_3d_and_back_leaves_nothing_behind(chest, idle, qtbot):
    def left():
        chest.views.show_3d()
        idle(chest)
        chest.views.show_2d()
        qtbot.wait(20)
        gc.collect()
        emitters = [
            each for layer in chest.viewer.layers for each in layer.events.emitters.values()
        ]
        return (
            len(chest.viewer.layers),
            len(QApplication.allWidgets()),
            sum(len(emitter.callbacks) for emitter in emitters),
        )

    left()
    before = left()
    assert [left() for _ in range(3)] == [before] * 3
