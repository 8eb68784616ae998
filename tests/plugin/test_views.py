import numpy as np

from napari_vaemed.plugin.theme import WINDOWS


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


def test_3d_shows_a_small_copy_from_the_front_and_2d_the_ct_again(chest, idle):
    viewer, ct = chest.viewer, chest.case.layer
    chest.views.show_3d()
    assert not ct.visible
    idle(chest)
    small = chest.case.made["3-D copy"]
    assert small.visible
    assert max(small.data.shape) <= 128
    camera = viewer.scene.camera
    assert np.allclose(camera.view_direction, (0, 1, 0))  # towards the back
    assert np.allclose(camera.up_direction, (1, 0, 0))  # towards the head
    assert camera.orientation[0] == "away"  # no mirror image
    assert letters(viewer) == "----"
    chest.views.show_2d()
    assert ct.visible
    assert not small.visible


def test_the_small_copy_shows_the_inside_of_the_lungs_once_they_are_known(
    chest, idle, small_phantom
):
    chest.case.lungs = small_phantom.lungs
    chest.views.show_3d()
    idle(chest)
    small = chest.case.made["3-D copy"]
    outside = small.world_to_data(chest.case.world((48, 2, 80)))
    assert small.data[tuple(np.rint(outside).astype(int))] == -1024


def test_keys_set_windows_and_switch_the_tool_without_taking_napari_s_own(chest):
    from napari.utils.shortcuts import default_shortcuts

    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    ours = {"N", "J", "K", *(w.key.replace("-", "+") for w in WINDOWS)}
    assert not taken & ours
    bound = {str(key): act for key, act in chest.viewer.keymap.items()}
    bound["N"](chest.viewer)
    assert chest.tool.on
    bound["Alt+2"](chest.viewer)
    assert tuple(chest.case.layer.contrast_limits) == (-160.0, 240.0)
