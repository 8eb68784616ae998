import numpy as np
import pytest

from napari_vaemed.plugin.tools import voxel_on_ray


def test_a_click_in_a_slice_marks_the_voxel_under_it(chest, idle, voxels):
    chest.tool.click(chest.case.world(voxels[1]), None, [1, 2])
    idle(chest)
    voxel = chest.case.finding.marked.voxel
    assert voxel == pytest.approx(voxels[1], abs=1e-6)


def test_a_line_of_sight_finds_the_brightest_voxel_in_the_lungs(chest, small_phantom):
    case = chest.case
    case.lungs = small_phantom.lungs
    largest = max(
        (n for n in small_phantom.planted if n.kind == "solid"), key=lambda n: n.diameter_mm
    )
    target = case.volume.to_voxel(largest.centre_mm)
    front = case.world(target) - np.array([0.0, 500.0, 0.0])
    found = voxel_on_ray(case, front, np.array([0.0, 1.0, 0.0]), [0, 1, 2])
    z, y, x = np.rint(found).astype(int)
    assert small_phantom.lungs[z, y, x] > 0
    line = case.volume.hu[z, :, x][np.isin(small_phantom.lungs[z, :, x], (1, 2))]
    assert case.volume.hu[z, y, x] == line.max()


def test_a_line_of_sight_beside_the_lungs_finds_nothing(chest, idle, small_phantom):
    chest.case.lungs = small_phantom.lungs
    corner = chest.case.world((1, 0, 1)) - np.array([0.0, 500.0, 0.0])
    chest.tool.click(corner, np.array([0.0, 1.0, 0.0]), [0, 1, 2])
    assert chest.messages["nodule"].text.startswith("No nodule here")
    assert not chest.busy


def test_a_mouse_click_marks_and_a_drag_does_not(chest, qtbot):
    heard = []
    chest.tool.click = lambda *where: heard.append(where)
    chest.tool.set_on(True)

    class Event:
        button, modifiers, dims_displayed = 1, (), [1, 2]
        type, position, view_direction = "mouse_press", (0.0, 1.0, 2.0), None

    event = Event()
    press = chest.tool._on_press(chest.viewer, event)
    next(press)
    event.type = "mouse_release"
    assert list(press) == []
    assert len(heard) == 1

    event = Event()
    press = chest.tool._on_press(chest.viewer, event)
    next(press)
    event.type, event.position = "mouse_move", (0.0, 5.0, 2.0)
    assert list(press) == []
    assert len(heard) == 1
