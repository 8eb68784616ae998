import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.plugin.letters import screen_directions
from napari_vaemed.plugin.tools import voxel_on_ray
from napari_vaemed.plugin.workspace import canvas_of


def test_a_click_in_a_slice_marks_the_voxel_under_it(chest, idle, voxels):
    chest.tool.click(chest.case.world(voxels[1]), None, [1, 2])
    idle(chest)
    voxel = chest.case.finding.marked.voxel
    assert voxel == pytest.approx(voxels[1], abs=1e-6)


def largest_of(phantom):
    return max((n for n in phantom.planted if n.kind == "solid"), key=lambda n: n.diameter_mm)


def test_a_line_of_sight_finds_the_nodule_in_the_lungs(chest, small_phantom):
    case = chest.case
    case.lungs = small_phantom.lungs
    largest = largest_of(small_phantom)
    front = case.world(case.volume.to_voxel(largest.centre_mm)) - np.array([0.0, 500.0, 0.0])
    found = voxel_on_ray(case, front, np.array([0.0, 1.0, 0.0]), [0, 1, 2])
    assert small_phantom.nodules[tuple(np.rint(found).astype(int))] == largest.label


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
    press = chest.tool.press(chest.viewer, event)
    next(press)
    event.type = "mouse_release"
    assert list(press) == []
    assert len(heard) == 1

    event = Event()
    press = chest.tool.press(chest.viewer, event)
    next(press)
    event.type, event.position = "mouse_move", (0.0, 5.0, 2.0)
    assert list(press) == []
    assert len(heard) == 1


def pixel_of(viewer, canvas, world):
    """Where a point of the world (z, y, x) is drawn, without perspective."""
    camera, size = viewer.scene.camera, canvas.size()
    right, up = screen_directions(viewer)
    away = (np.asarray(world) - camera.center)[::-1] * camera.zoom
    return QPoint(round(size.width() / 2 + away @ right), round(size.height() / 2 - away @ up))


def seen_from(view, phantom, nodule):
    """Whether nothing denser lies in front of a nodule, in the lungs."""
    centre, steps = phantom.volume.to_voxel(nodule.centre_mm), np.arange(-300, 30, 0.5)
    line = np.rint(centre + steps[:, None] * view / phantom.volume.spacing).astype(int)
    z, y, x = line[((line >= 0) & (line < phantom.volume.shape)).all(axis=1)].T
    hu = np.where(in_lungs(phantom.lungs[z, y, x]), phantom.volume.hu[z, y, x], -1024)
    on = phantom.nodules[z, y, x] == nodule.label
    return on.any() and hu[: np.argmax(on)].max() < hu[on].max()


@pytest.mark.parametrize("angles", [(0, 0, -90), (25, 50, -60), (-40, 160, 80)])
def test_a_mouse_click_in_3d_lands_on_the_nodule_drawn_there(
    chest, qtbot, idle, small_phantom, angles
):
    viewer, case, heard = chest.viewer, chest.case, []
    viewer.window.show()
    case.lungs = small_phantom.lungs
    chest.views.show_3d()
    idle(chest)
    chest.click = heard.append
    chest.tool.set_on(True)
    viewer.scene.camera.angles = angles
    viewer.screenshot(canvas_only=True, flash=False)  # drawn, the canvas has its size
    canvas = canvas_of(viewer)
    seen = [
        nodule
        for nodule in small_phantom.planted
        if nodule.kind != "ground-glass"  # does not show in a projection
        and seen_from(np.array(viewer.scene.camera.view_direction), small_phantom, nodule)
    ]
    assert len(seen) >= 6
    for nodule in seen:
        centre = case.volume.to_voxel(nodule.centre_mm)
        at = pixel_of(viewer, canvas, case.world(centre))
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
        places = np.argwhere(small_phantom.nodules == nodule.label)
        apart_mm = np.linalg.norm((places - heard[-1]) * case.volume.spacing, axis=1).min()
        assert apart_mm <= 3, nodule
    assert len(heard) == len(seen)


class Hand:
    """A mouse on a canvas that shows axial slices."""

    def __init__(self, session, *held):
        self.session, self.held = session, held
        self.button, self.dims_displayed, self.view_direction = 1, [1, 2], None

    def drag(self, *voxels):
        self.modifiers, self.type = self.held, "mouse_press"
        self.position = tuple(self.session.case.world(voxels[0]))
        press = self.session.tool.press(self.session.viewer, self)
        if next(press, "nothing") == "nothing":
            return False
        moved = []
        for voxel in voxels[1:]:
            self.type, self.position = "mouse_move", tuple(self.session.case.world(voxel))
            next(press)
            moved.append(self.session.viewer.scene.camera.mouse_pan)
        self.type = "mouse_release"
        assert list(press) == []
        assert self.session.viewer.scene.camera.mouse_pan
        return moved


@pytest.fixture
def hints(chest):
    """What the tool has hinted at."""
    heard = []
    chest.findings.hint = lambda **said: heard.append(said)
    chest.tool.set_on(True)
    return heard


def test_held_keys_and_modes_say_what_a_click_is_for(chest, hints):
    Hand(chest, "Shift").drag((5, 30, 40))
    Hand(chest, "Control").drag((5, 31, 40))
    chest.tool.turn_to("remove")
    Hand(chest).drag((5, 32, 40))
    said = [{what: np.round(at).tolist() for what, at in each.items()} for each in hints]
    assert said == [
        {"inside": [[5, 30, 40]]},
        {"outside": [[5, 31, 40]]},
        {"outside": [[5, 32, 40]]},
    ]
    assert Hand(chest, "Alt").drag((5, 32, 40)) is False
    chest.tool.set_on(False)
    assert chest.tool.mode == "new"


def test_a_drag_is_a_scribble_or_a_box_and_the_picture_stays(chest, hints):
    chest.tool.turn_to("add")
    assert Hand(chest).drag((5, 30, 40), (5, 30, 44), (5, 33, 44)) == [False, False]
    (line,) = (each["inside"] for each in hints)
    assert [5, 30, 42] in np.asarray(line).tolist()
    assert len(line) == 8
    chest.tool.turn_to("box")
    Hand(chest).drag((5, 30, 40), (5, 36, 45), (5, 40, 48))
    assert np.allclose(hints[-1]["box"], [(5, 30, 40), (5, 40, 48)])
    Hand(chest).drag((5, 30, 40))
    assert len(hints) == 2
    assert "no box" in chest.messages["nodule"].text


def test_a_hint_outside_the_ct_is_told(chest, hints):
    chest.tool.turn_to("add")
    Hand(chest).drag((5, -30, 40))
    assert hints == []
    assert "outside the CT" in chest.messages["nodule"].text
