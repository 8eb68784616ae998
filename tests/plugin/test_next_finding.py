import numpy as np
import pytest

from napari_vaemed.plugin.masks import NEXT, drawn_mask


@pytest.fixture
def armed(chest, idle):
    """The session with the phantom open and the Nodule tool on."""
    chest.tool.set_on(True)
    idle(chest)
    return chest


def test_an_empty_layer_waits_while_the_tool_is_on(armed):
    layer = armed.case.made[NEXT]
    assert layer in armed.viewer.layers
    assert not layer.data.any()
    assert armed.viewer.layers.selection.active is armed.case.layer
    assert layer not in armed.finding_list.takeable()
    armed.tool.set_on(False)
    assert layer not in armed.viewer.layers
    assert NEXT not in armed.case.made


def test_a_click_is_answered_in_the_layer_that_waits(armed, idle, voxels):
    layer = armed.case.made[NEXT]
    armed.click(voxels[0])
    idle(armed)
    mask = armed.case.finding.marked.mask
    assert armed.case.masks == {1: layer}
    assert (layer.name, layer.selected_label, layer.contour) == ("Finding 1", 1, 1)
    assert drawn_mask(layer).same_as(mask)
    centre = layer.data_to_world(np.argwhere(layer.data == 1).mean(axis=0))
    marked = armed.case.finding.marked.measurement.centre_mm
    assert centre[::-1] == pytest.approx(marked, abs=0.01)
    assert armed.case.made[NEXT] is not layer


def test_from_click_to_answer_no_layer_is_made(armed, idle, voxels):
    armed.click(voxels[0])  # the first brings the one that draws its diameters
    idle(armed)
    made = []
    armed.viewer.layers.events.inserted.connect(lambda event: made.append(event.value.name))
    armed.findings_changed.connect(lambda: made.append("answer"))
    armed.click(voxels[1])
    idle(armed)
    assert made[0] == "answer"
    assert made[-1] == NEXT
    assert made.count(NEXT) == 1


def test_a_number_that_comes_free_meanwhile_is_taken(armed, idle, voxels):
    armed.click(voxels[0])
    idle(armed)
    armed.findings.remove(1)
    armed.click(voxels[1])
    idle(armed)
    layer = armed.case.masks[1]
    assert set(np.unique(layer.data)) == {0, 1}
    assert np.allclose(layer.get_color(1), armed.case.masks[1].colormap.color_dict[1])


def test_the_brush_draws_on_it_and_undo_takes_it_back(armed, idle, voxels, qtbot):
    armed.click(voxels[0])
    idle(armed)
    before = armed.case.finding.marked.mask
    layer, inside = armed.case.masks[1], np.argwhere(armed.case.masks[1].data)
    layer.paint(inside[0] - (0, 3, 0), 1)
    qtbot.waitUntil(lambda: not armed.case.finding.marked.mask.same_as(before), timeout=30_000)
    idle(armed)
    armed.findings.undo()
    assert drawn_mask(layer).same_as(before)
    armed.findings.undo()
    assert layer not in armed.viewer.layers


def test_in_3d_a_finding_gets_a_layer_cut_to_it(armed, idle, voxels):
    waits = armed.case.made[NEXT]
    armed.views.show_3d()
    idle(armed)
    armed.click(voxels[0])
    idle(armed)
    assert armed.case.masks[1] is not waits
    armed.views.show_2d()
    assert armed.case.masks[1].contour == 1


def test_another_ct_has_its_own(armed, idle, small_phantom):
    from napari_vaemed.plugin.layers import volume_to_layer

    first = armed.case
    armed.add(volume_to_layer(small_phantom.volume, "Another"))
    idle(armed)
    assert armed.case is not first
    assert NEXT in armed.case.made
    assert NEXT not in first.made
