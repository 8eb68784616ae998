from __future__ import annotations

import pytest
import torch

from napari_vaemed.models.networks import Decoder, Shuffle3d, SlabEncoder, to_hu, to_unit


def test_grey_scale_goes_there_and_back():
    hu = torch.tensor([-2000.0, -1000.0, -600.0, 0.0, 400.0, 3000.0])
    expected = torch.tensor([-1000.0, -1000.0, -600.0, 0.0, 400.0, 400.0])
    torch.testing.assert_close(to_hu(to_unit(hu)), expected)


def test_a_shuffle_puts_each_channel_at_its_place_in_the_block():
    x = torch.arange(8.0).view(1, 8, 1, 1, 1)
    torch.testing.assert_close(Shuffle3d(2)(x), torch.arange(8.0).view(1, 1, 2, 2, 2))


def test_the_encoder_does_not_see_where_a_crop_ends():
    torch.manual_seed(0)
    encoder = SlabEncoder(slices=4, width=16, features=32).eval()
    tall = torch.rand(2, 1, 32, 32, 32)
    tight = tall.clone()
    tight[:, :, :14] = tight[:, :, 14:15]  # the edge repeated, as beyond a crop's last slice
    tight[:, :, 18:] = tight[:, :, 17:18]
    tight[:, :, :, :, :1] = 0.5
    with torch.inference_mode():
        torch.testing.assert_close(encoder(tight), encoder(tall), rtol=0, atol=0)
        torch.testing.assert_close(encoder(tall[:, :, 14:18]), encoder(tall), rtol=0, atol=0)


def test_a_patch_thinner_than_the_slab_is_refused():
    with pytest.raises(ValueError, match="reads 4 slices; got 3"):
        SlabEncoder(slices=4, width=16, features=32)(torch.rand(1, 1, 3, 32, 32))


def test_sizes_that_cannot_be_are_refused_by_the_names_they_are_set_by():
    with pytest.raises(ValueError, match="encoder_width must be a multiple of 8; got 12"):
        SlabEncoder(slices=4, width=12, features=32)
    with pytest.raises(ValueError, match="decoder_width must be a multiple of 8; got 0"):
        Decoder(latent_dims=4, width=0)
    with pytest.raises(ValueError, match="slices must be from 1 to a patch's 32; got 33"):
        SlabEncoder(slices=33, width=16, features=32)
