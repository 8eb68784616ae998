"""Models whose codes are points."""

from __future__ import annotations

import pytest
import torch

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.distances import euclidean, jeffreys, wasserstein2
from napari_vaemed.explanation.traversal import latent_axes
from napari_vaemed.models.protocols import Batch
from napari_vaemed.models.vae.autoencoder import Autoencoder
from napari_vaemed.models.vae.supervised import SupervisedEncoder

EACH = pytest.mark.parametrize("cls", [Autoencoder, SupervisedEncoder])


def _codes(cls) -> Posterior:
    torch.manual_seed(0)
    with torch.inference_mode():
        mean, sd = cls(encoder_width=8).eval().posterior(torch.rand(6, 1, 32, 32, 32))
    return Posterior(mean.numpy(), sd.numpy())


@EACH
def test_points_are_compared_by_euclid_and_have_no_spread(cls):
    codes = _codes(cls)
    torch.testing.assert_close(
        torch.from_numpy(wasserstein2(codes, codes)), torch.from_numpy(euclidean(codes, codes))
    )
    with pytest.raises(ValueError, match="use euclidean or cosine"):
        jeffreys(codes, codes)


@EACH
def test_sliders_take_the_dimensions_that_vary_most_first(cls):
    codes = _codes(cls)
    wide = Posterior(codes.mean * 100, codes.sd)
    record = NoduleRecord("N", "P", "1", (0.0, 0.0, 0.0), 8.0, {"malignancy": 3.0})
    axes = latent_axes(NoduleIndex((record,) * 6, wide, "", "made here"))
    spread = wide.mean.var(axis=0)
    assert [axis.dim for axis in axes] == sorted(
        (axis.dim for axis in axes), key=lambda dim: -spread[dim]
    )
    assert axes[0].kl == pytest.approx(0.5 * spread.max(), rel=1e-4)


def test_drawing_does_not_shape_a_supervised_code():
    torch.manual_seed(0)
    module = SupervisedEncoder(encoder_width=8, decoder_width=8)
    picture = torch.rand(4, 1, 32, 32, 32)
    ratings = torch.tensor([[1.0], [2.0], [4.0], [5.0]]).repeat(1, 9)
    seen = torch.ones_like(picture, dtype=torch.bool)
    batch = Batch(picture, picture, picture, seen, picture > 0.9, ratings, torch.full((4,), 5.0))
    terms = module.losses(batch, progress=1.0, generator=torch.Generator())
    terms["drawing"].backward()
    assert all(p.grad is None for p in module.encoder.parameters())
    assert module.decoder.seed.weight.grad.abs().sum() > 0
