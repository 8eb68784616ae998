from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.checkpoints import write_model
from napari_vaemed.io.weights import shipped_slice_model_path
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.models.vae.one_step import OneStepVAE
from napari_vaemed.workflow.encode import (
    decode,
    decode_mask,
    encode_nodule,
    encode_patches,
    nodule_centre,
    read_nodule_model,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    small = GaussianVAE(latent_dims=4, encoder_width=8, decoder_width=8)
    return write_model(folder / "small.safetensors", small, {})


@pytest.fixture(scope="module")
def ball() -> tuple[Volume, NoduleMask]:
    """A ball of 10 mm at voxel (20, 40, 44) in lung."""
    shape, spacing = (40, 80, 80), (1.25, 0.7, 0.7)
    at = np.moveaxis(np.indices(shape), 0, -1)
    mask = np.linalg.norm((at - (20, 40, 44)) * spacing, axis=-1) <= 5.0
    hu = np.where(mask, 30, -850).astype(np.int16)
    return Volume(hu, spacing, (-10.0, 5.0, 100.0)), NoduleMask.of(mask)


def test_the_patch_is_centred_on_the_mask_or_else_on_the_click(ball):
    volume, mask = ball
    np.testing.assert_allclose(
        nodule_centre(volume, mask, (18, 41, 42)), volume.to_world((20, 40, 44)), atol=1e-9
    )
    np.testing.assert_allclose(
        nodule_centre(volume, None, (18, 41, 42)), volume.to_world((18, 41, 42))
    )


def test_a_click_beside_the_middle_gives_the_same_posterior_once_the_mask_is_there(model, ball):
    volume, mask = ball
    here = encode_nodule(model, volume, mask, (20, 40, 44))
    beside = encode_nodule(model, volume, mask, (19, 42, 43))
    assert here.mean.shape == here.sd.shape == (4,)
    np.testing.assert_array_equal(here.mean, beside.mean)


def test_many_patches_give_what_each_gives_alone(model):
    hu = np.random.default_rng(0).integers(-1000, 400, (70, 32, 32, 32)).astype(np.int16)
    together = encode_patches(model, hu)
    alone = encode_patches(model, hu[66:67])
    assert together.mean.shape == (70, 4)
    np.testing.assert_allclose(together.mean[66], alone.mean[0], atol=1e-5)


def test_decoded_nodules_are_hu_on_the_patch_grid(model):
    latents = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    pictures, masks = decode(model, latents), decode_mask(model, latents)
    assert pictures.shape == masks.shape == (3, 32, 32, 32)
    assert pictures.dtype == np.int16
    assert masks.dtype == bool
    assert pictures.min() >= -1000
    assert pictures.max() <= 400


def test_latents_of_another_length_are_refused(model):
    with pytest.raises(ValueError, match=r"shape \(n, 4\)"):
        decode(model, np.zeros((1, 5), np.float32))


def test_models_of_digits_and_of_slices_are_no_models_of_nodules(tmp_path):
    digits = tmp_path / "digits.safetensors"
    write_model(digits, OneStepVAE(images="digit", encoder_width=8, decoder_width=8), {})
    with pytest.raises(ValueError, match=r"nodules is wanted.*digits\.safetensors is a OneStepVAE "
                       "of digits"):  # fmt: skip
        read_nodule_model(digits)
    with pytest.raises(ValueError, match="is a SliceResNet"):
        read_nodule_model(shipped_slice_model_path())
