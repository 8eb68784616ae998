import numpy as np
import pytest

from napari_vaemed.plugin.widgets.latent import LatentWidget


@pytest.fixture
def widget(chest, qtbot, idle, voxels):
    made = LatentWidget(chest.viewer)
    qtbot.addWidget(made)
    chest.click(voxels[0])
    idle(chest)
    return made


def test_informative_latents_have_sliders_and_dead_ones_none(widget, untrained_expert):
    axes = untrained_expert.axes
    assert list(widget.sliders) == [axis.dim for axis in axes]
    assert len(axes) == untrained_expert.index.posterior.mean.shape[1] // 2


def test_a_slider_decodes_the_nodule_into_one_layer(widget, chest, idle, untrained_expert):
    from napari_vaemed.workflow.examine import decode

    said = chest.case.description_of(chest.case.finding)
    dim = next(iter(widget.sliders))
    for value in (-1.0, 0.0, 2.0):
        widget.set_latent(dim, value)
    idle(chest)
    latents = np.array(said.posterior.mean)
    latents[dim] = 2.0
    expected = decode(untrained_expert, latents[None])[0]
    layer = chest.case.made["Decoded"]
    assert np.array_equal(layer.data, expected)
    widget.set_latent(dim, 1.0)
    idle(chest)
    assert chest.case.made["Decoded"] is layer


def test_reset_goes_back_to_the_reconstruction(widget, chest, idle):
    said = chest.case.description_of(chest.case.finding)
    dim = next(iter(widget.sliders))
    widget.set_latent(dim, 2.0)
    idle(chest)
    widget.reset()
    idle(chest)
    apart = chest.case.made["Decoded"].data.astype(int) - said.reconstruction
    assert np.abs(apart).max() <= 1
    assert widget.sliders[dim].value.text() == f"{said.posterior.mean[dim]:+.2f}"


def test_a_traversal_is_a_strip_of_eleven_nodules(widget, chest, idle):
    dim = next(iter(widget.sliders))
    widget.traverse(dim)
    idle(chest)
    assert chest.case.made["Traversal"].data.shape == (32, 32, 11 * 32)


def test_difference_is_decoded_minus_ct(widget, chest, idle):
    widget.difference.setChecked(True)
    dim = next(iter(widget.sliders))
    widget.set_latent(dim, 2.0)
    idle(chest)
    made = chest.case.made
    query = chest.case.pictures_of(chest.case.finding).query.hu
    assert np.array_equal(made["Difference"].data, made["Decoded"].data - query)
    assert tuple(made["Difference"].contrast_limits) == (-600, 600)
    widget.difference.setChecked(False)
    assert not made["Difference"].visible


def test_what_was_decoded_for_one_finding_is_hidden_for_the_next(widget, chest, idle, voxels):
    widget.set_latent(next(iter(widget.sliders)), 2.0)
    idle(chest)
    chest.click(voxels[1])
    idle(chest)
    assert not chest.case.made["Decoded"].visible
    assert not chest.patches.showing("Decoded")
