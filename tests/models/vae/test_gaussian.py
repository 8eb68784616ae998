from __future__ import annotations

import pytest
import torch

from napari_vaemed.models.protocols import Batch
from napari_vaemed.models.vae.gaussian import GaussianVAE

SMALL = {"latent_dims": 12, "encoder_width": 8, "decoder_width": 8}


@pytest.fixture(scope="module")
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(4, 1, 32, 32, 32, generator=generator)
    measured = torch.zeros_like(picture, dtype=torch.bool)
    measured[:, :, 8:16] = True
    ratings = torch.tensor([[1.0], [2.0], [4.0], [5.0]]).repeat(1, 9)
    return Batch(
        picture, picture, picture, measured, picture > 0.9, ratings, torch.tensor([4.0, 5, 6, 7])
    )


def _losses(batch: Batch, progress: float = 1.0, **arguments) -> dict[str, float]:
    torch.manual_seed(0)
    module = GaussianVAE(**SMALL, **arguments)
    with torch.no_grad():
        terms = module.losses(batch, progress=progress, generator=torch.Generator().manual_seed(0))
    return {name: value.item() for name, value in terms.items()}


def test_the_sigma_likelihood_counts_every_measured_voxel(batch):
    tempered, sigma = _losses(batch, pixel_weight=1.0), _losses(batch, likelihood="sigma")
    assert sigma["pixels"] == pytest.approx(8 * 32 * 32 * tempered["pixels"], rel=1e-5)


def test_the_kl_term_grows_over_the_warm_up(batch):
    early, late = (_losses(batch, at, warm_up=0.5, beta=2.0)["kl"] for at in (0.1, 0.9))
    assert early == pytest.approx(0.2 * late, rel=1e-5)
    assert _losses(batch, 0.1, warm_up=0.0, beta=2.0)["kl"] == pytest.approx(late, rel=1e-5)


def test_a_capacity_pulls_the_kl_towards_itself(batch):
    free = _losses(batch)["kl"]
    assert _losses(batch, capacity=50.0)["kl"] == pytest.approx(50.0 - free, rel=1e-5)


def test_attributes_have_a_term_only_when_asked_for(batch):
    assert "attributes" not in _losses(batch)
    assert _losses(batch, attribute_weight=2.0)["attributes"] == pytest.approx(
        2 * _losses(batch, attribute_weight=1.0)["attributes"]
    )


def test_arguments_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least; got 4"):
        GaussianVAE(latent_dims=4, attribute_weight=1.0)
    with pytest.raises(ValueError, match="tempered or sigma; got 'flat'"):
        GaussianVAE(likelihood="flat")
