from dataclasses import replace

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


def test_in_a_narrow_dock_the_sliders_can_still_be_moved_and_read(widget):
    widget.resize(320, 700)
    widget.show()
    inside = widget._pages.widget(0)
    assert inside.widget().width() <= inside.viewport().width()
    for slider in widget.sliders.values():
        assert slider.slider.width() >= 80
        assert slider.geometry().right() < inside.viewport().width()


@pytest.fixture
def shares(window, small_phantom, untrained_expert):
    """The phantom's session, answered by an untrained Dirichlet model of six corners."""
    import torch

    from napari_vaemed.data.posterior import DirichletPosterior
    from napari_vaemed.explanation.traversal import latent_axes
    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.models.vae.dirichlet import DirichletVAE
    from napari_vaemed.plugin.layers import volume_to_layer
    from napari_vaemed.workflow.examine import Expert

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = DirichletVAE(latent_dims=6, encoder_width=8, decoder_width=8).eval()
    known = np.random.default_rng(0).uniform(0.1, 9, (60, 6)).astype(np.float32)
    index = replace(untrained_expert.index, posterior=DirichletPosterior(known))
    model = Model("DirichletVAE", module, index.model_sha256, {"what": "untrained"}, "cpu")
    window.answers.use(Expert(model, index, latent_axes(index)))
    window.add(volume_to_layer(small_phantom.volume))
    return window


def test_sliders_of_shares_stay_on_the_simplex(shares, qtbot, idle, voxels):
    widget = LatentWidget(shares.viewer)
    qtbot.addWidget(widget)
    shares.click(voxels[0])
    idle(shares)
    said = shares.case.description_of(shares.case.finding)
    assert len(widget.sliders) == 6
    start = np.array(said.posterior.mean)
    widget.set_latent(2, 0.5)
    idle(shares)
    shown = [float(widget.sliders[dim].value.text()) for dim in range(6)]
    assert shown[2] == 0.5
    assert sum(shown) == pytest.approx(1.0, abs=0.004)  # rounded to three digits
    rest = np.delete(start, 2)
    np.testing.assert_allclose(np.delete(shown, 2), 0.5 * rest / rest.sum(), atol=0.0006)
    assert "Decoded" in shares.case.made
    widget.reset()
    idle(shares)
    widget.traverse(2)
    idle(shares)
    assert shares.case.made["Traversal"].data.shape == (32, 32, 11 * 32)
