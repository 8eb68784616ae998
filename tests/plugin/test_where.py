import numpy as np

from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.where import WHERE, heat
from napari_vaemed.workflow.classify import explain_slice


def test_another_ct_takes_grad_cam_away_until_the_first_is_back(scored_chest, idle, small_phantom):
    first, where = scored_chest.case, scored_chest.where
    scored_chest.slice_view.go_to(40)
    where.set_on(True)
    idle(scored_chest)
    assert first.made[WHERE].visible
    scored_chest.add(volume_to_layer(small_phantom.volume, name="Another CT"))
    assert not first.made[WHERE].visible
    idle(scored_chest)
    assert WHERE not in scored_chest.case.made
    scored_chest.viewer.layers.selection.active = first.layer
    idle(scored_chest)
    assert first.made[WHERE].visible
    where.set_on(False)
    assert not first.made[WHERE].visible


def test_an_answer_that_comes_after_the_ct_was_changed_is_not_shown(
    scored_chest, idle, small_phantom
):
    first = scored_chest.case
    scored_chest.slice_view.go_to(40)
    scored_chest.slices.explain(40)
    scored_chest.where.on = True
    scored_chest.add(volume_to_layer(small_phantom.volume, name="Another CT"))
    idle(scored_chest)
    assert WHERE not in first.made
    assert WHERE not in scored_chest.case.made


def test_grad_cam_lies_on_its_slice_and_follows(scored_chest, idle, untrained_slice_model):
    view, where, case = scored_chest.slice_view, scored_chest.where, scored_chest.case
    view.go_to(40)
    where.set_on(True)
    idle(scored_chest)
    layer = case.made[WHERE]
    for index in (40, 44):
        view.go_to(index)
        idle(scored_chest)
        assert case.made[WHERE] is layer
        wanted = explain_slice(case.volume, case.lungs, untrained_slice_model, index)
        assert np.allclose(layer.data[0], wanted, atol=1e-5)
        assert np.allclose(layer.translate, case.world((index, 0, 0)))
        assert np.allclose(layer.scale, case.layer.scale)
        assert layer.metadata["slice"] == index
    view.go_to(0)
    assert not layer.visible
    view.go_to(44)
    idle(scored_chest)
    assert layer.visible
    assert scored_chest.viewer.layers.selection.active is case.layer
    assert scored_chest.viewer.dims.nsteps[0] == case.volume.shape[0]
    where.set_on(False)
    assert not layer.visible


def test_grad_cam_that_is_switched_off_in_3d_stays_off(scored_chest, idle):
    view, where = scored_chest.slice_view, scored_chest.where
    dims = scored_chest.viewer.dims
    view.go_to(40)
    where.set_on(True)
    idle(scored_chest)
    layer = scored_chest.case.made[WHERE]
    dims.ndisplay = 3
    assert not layer.visible
    dims.ndisplay = 2
    assert layer.visible
    dims.ndisplay = 3
    where.toggle()
    dims.ndisplay = 2
    assert not layer.visible


def test_removing_the_grad_cam_layer_switches_it_off(scored_chest, idle):
    view, where = scored_chest.slice_view, scored_chest.where
    view.go_to(40)
    where.toggle()
    idle(scored_chest)
    scored_chest.viewer.layers.remove(scored_chest.case.made[WHERE])
    assert not where.on
    view.go_to(41)
    idle(scored_chest)
    assert WHERE not in scored_chest.case.made


def test_grad_cam_is_of_the_lungs_that_were_scored_though_they_are_forgotten(
    scored_chest, idle, small_phantom, untrained_slice_model
):
    scored_chest.case.lungs = None
    scored_chest.slice_view.go_to(40)
    scored_chest.where.set_on(True)
    idle(scored_chest)
    wanted = explain_slice(small_phantom.volume, small_phantom.lungs, untrained_slice_model, 40)
    assert np.allclose(scored_chest.case.made[WHERE].data[0], wanted, atol=1e-5)
    assert scored_chest.messages == {}


def test_the_colours_of_grad_cam_begin_transparent_and_grow_ever_more_opaque_and_light():
    colours = heat().map(np.linspace(0, 1, 20))
    light = colours[:, :3] @ (0.299, 0.587, 0.114)
    assert colours[0, 3] == 0
    assert (np.diff(colours[:, 3]) > 0).all()
    assert (np.diff(light) > 0).all()
