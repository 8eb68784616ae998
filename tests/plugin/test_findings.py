import time

import numpy as np
import pytest

from napari_vaemed.plugin.masks import drawn_mask


def test_a_click_gives_a_mask_its_sizes_and_its_twins(chest, idle, voxels, small_phantom):
    chest.click(voxels[0])
    idle(chest)
    case = chest.case
    assert [f.name for f in case.findings] == ["Finding 1"]
    planted = next(n for n in small_phantom.planted if n.diameter_mm >= 9)
    assert case.finding.marked.measurement.centre_mm == pytest.approx(planted.centre_mm, abs=4)
    layer = case.masks[1]
    drawn, marked = drawn_mask(layer), case.finding.marked.mask
    assert drawn.start == marked.start
    assert np.array_equal(drawn.voxels, marked.voxels)
    assert len(case.description_of(case.finding).neighbours) == 10


def test_the_mask_layer_lies_where_the_nodule_is(chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    layer = chest.case.masks[1]
    centre = np.argwhere(np.asarray(layer.data) > 0).mean(axis=0)
    world = layer.data_to_world(centre)
    assert world[::-1] == pytest.approx(chest.case.finding.marked.measurement.centre_mm, abs=0.01)


def test_a_click_in_air_says_so_and_marks_nothing(chest, idle):
    chest.click((2, 2, 2))
    idle(chest)
    assert chest.case.findings == ()
    assert chest.messages["nodule"].text.startswith("No nodule here")
    assert chest.messages["nodule"].level == "warning"


def test_the_newest_click_wins(chest, idle, voxels):
    for voxel in voxels[:3]:
        chest.click(voxel)
    idle(chest)
    assert len(chest.case.findings) == 1
    centre = chest.case.volume.to_voxel(chest.case.finding.marked.measurement.centre_mm)
    assert np.linalg.norm((centre - voxels[2]) * chest.case.volume.spacing) < 6


def test_undo_restores_what_was_removed_and_redo_takes_it_again(chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    before = chest.case.finding
    chest.findings.remove(1)
    assert chest.case.findings == ()
    assert chest.case.masks == {}
    chest.findings.undo()
    assert chest.case.findings == (before,)
    assert np.array_equal(drawn_mask(chest.case.masks[1]).voxels, before.marked.mask.voxels)
    assert chest.case.description_of(before) is not None
    chest.findings.redo()
    assert chest.case.findings == ()
    chest.findings.undo()
    chest.findings.undo()
    assert chest.case.findings == ()
    chest.findings.undo()  # there is nothing further to take back


def test_a_second_click_is_a_second_finding_and_numbers_are_used_again(chest, idle, voxels):
    for voxel in voxels[:2]:
        chest.click(voxel)
        idle(chest)
    assert [f.label for f in chest.case.findings] == [1, 2]
    chest.findings.remove(1)
    chest.click(voxels[0])
    idle(chest)
    assert sorted(f.label for f in chest.case.findings) == [1, 2]


def test_deleting_a_mask_layer_removes_its_finding_and_undo_brings_it_back(chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    chest.viewer.layers.remove(chest.case.masks[1])
    assert chest.case.findings == ()
    chest.findings.undo()
    assert chest.case.masks[1] in chest.viewer.layers


def test_a_brush_stroke_is_measured_and_can_be_undone(chest, idle, voxels, qtbot):
    chest.click(voxels[0])
    idle(chest)
    before = chest.case.finding.marked
    layer = chest.case.masks[1]
    chest.findings.brush(True)
    middle = np.argwhere(np.asarray(layer.data) > 0).mean(axis=0).round().astype(int)
    layer.brush_size = 20
    layer.paint(middle, 1)
    qtbot.waitUntil(lambda: chest.case.finding.marked is not before, timeout=5000)
    idle(chest)
    after = chest.case.finding.marked
    painted = (np.asarray(layer.data) > 0).sum() * chest.case.volume.voxel_mm3
    assert after.measurement.volume_mm3 == pytest.approx(painted)
    assert after.measurement.volume_mm3 > before.measurement.volume_mm3
    layer.undo()  # napari's own, as Ctrl+Z on the canvas does
    qtbot.waitUntil(lambda: chest.case.finding.marked is not after, timeout=5000)
    assert chest.case.finding.marked.measurement == before.measurement
    chest.findings.undo()
    assert chest.case.finding.marked is after
    chest.findings.undo()
    assert chest.case.finding.marked is before
    assert np.array_equal(drawn_mask(chest.case.masks[1]).voxels, before.mask.voxels)


def test_unsaved_masks_stay_when_their_ct_goes(chest, idle, voxels, qtbot):
    chest.click(voxels[0])
    idle(chest)
    mask = chest.case.masks[1]
    chest.viewer.layers.remove(chest.case.layer)
    qtbot.waitUntil(lambda: list(chest.viewer.layers) == [mask], timeout=2000)
    assert "Finding 1" in chest.messages["ct"].text
    assert chest.case is None


def rim_of(layer):
    """A voxel of the CT at the edge of what a finding's layer shows, on its middle slice."""
    inside = np.argwhere(np.asarray(layer.data) > 0)
    middle = inside[inside[:, 0] == round(inside[:, 0].mean())]
    return middle[middle[:, 2].argmax()] + layer.metadata["start"]


def press(session, keys):
    """Press keys as on a canvas whose active layer is the chosen finding's."""
    from napari.utils.key_bindings import KeymapHandler

    handler = KeymapHandler()
    handler.keymap_providers = [session.case.masks[session.case.selected], session.viewer]
    handler.press_key(keys)


def test_clicks_hints_and_strokes_are_taken_back_in_one_order(chest, idle, voxels, qtbot):
    chest.click(voxels[0])
    idle(chest)
    steps = [chest.case.finding.marked]
    layer = chest.case.masks[1]
    chest.findings.hint(outside=[rim_of(layer)])
    idle(chest)
    steps.append(chest.case.finding.marked)
    assert "Ctrl+Z takes it back" in chest.messages["nodule"].text
    assert steps[1].measurement.volume_mm3 < steps[0].measurement.volume_mm3
    layer = chest.case.masks[1]
    layer.brush_size = 5
    layer.paint(rim_of(layer) - layer.metadata["start"] + (0, 0, 2), 1)
    qtbot.waitUntil(lambda: chest.case.finding.marked is not steps[-1], timeout=5000)
    idle(chest)
    steps.append(chest.case.finding.marked)
    for expected in (steps[1], steps[0]):
        press(chest, "Control-Z")
        assert chest.case.finding.marked is expected
        assert np.array_equal(drawn_mask(chest.case.masks[1]).voxels, expected.mask.voxels)
    for expected in steps[1:]:
        press(chest, "Control-Shift-Z")
        assert chest.case.finding.marked is expected
        assert np.array_equal(drawn_mask(chest.case.masks[1]).voxels, expected.mask.voxels)


def test_steps_asked_for_at_once_are_taken_one_after_the_other(chest, idle, voxels):
    chest.click(voxels[0])
    idle(chest)
    before = chest.case.finding.marked
    rim = rim_of(chest.case.masks[1])
    chest.findings.hint(outside=[rim])
    chest.findings.hint(inside=[rim])
    chest.findings.undo()
    idle(chest)
    now = chest.case.finding.marked
    assert now.hints.outside.tolist() == [rim.tolist()]
    assert len(now.hints) == 1
    chest.findings.redo()
    assert chest.case.finding.marked.hints.inside.tolist() == [rim.tolist()]
    chest.findings.undo()
    chest.findings.undo()
    assert chest.case.finding.marked is before


def test_a_box_around_a_nodule_marks_it(chest, idle, voxels):
    room = np.array((0, 7, 7)) / chest.case.volume.spacing * 1.5
    chest.findings.hint(box=[voxels[0] - room, voxels[0] + room])
    idle(chest)
    mask = chest.case.finding.marked.mask
    low, high = np.rint([voxels[0] - room, voxels[0] + room])
    ends = np.array(mask.start) + mask.voxels.shape - 1
    assert (np.array(mask.start) >= low)[1:].all()
    assert (ends <= high)[1:].all()


def test_a_hint_before_any_finding_says_what_to_do(chest):
    chest.findings.hint(inside=[(3, 3, 3)])
    assert "Click a nodule first" in chest.messages["nodule"].text
    assert not chest.busy


def test_the_first_frame_after_a_click_shows_its_answer_and_all_else_follows(
    chest, idle, voxels, qtbot
):
    chest.findings._mark._later.setInterval(30_000)  # on a busy machine an answer may take a while
    chest.findings_changed.connect(chest.findings.measure_errors)
    chest.viewer.window._qt_window.show()
    chest.tool.set_on(True)
    chest.click(voxels[0])
    idle(chest)
    frames, last = [], [time.monotonic()]

    def note(event):
        last[0] = time.monotonic()
        frames.append((len(chest.case.masks), [job.title for job in chest.jobs.running]))

    canvas = chest.viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(note)
    qtbot.waitUntil(lambda: time.monotonic() - last[0] > 1.5, timeout=30_000)  # it has come to rest
    frames.clear()
    chest.click(voxels[1])
    idle(chest)
    canvas.events.draw.disconnect(note)
    masks, running = frames[0]
    assert masks == 2
    assert not running
    assert chest.case.bars_of(chest.case.finding) is not None
    assert chest.case.description_of(chest.case.finding) is not None
