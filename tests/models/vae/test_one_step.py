"""The one-step clustering VAE against its published loss, written out in numpy."""

import numpy as np
import pytest
import torch

from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae.one_step import OneStepVAE

SMALL = {"images": "digit", "clusters": 4, "latent_dims": 3}
WIDTHS = {"encoder_width": 8, "decoder_width": 8}


@pytest.fixture
def batch() -> DigitBatch:
    pictures = torch.rand(3, 6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return DigitBatch(*pictures, label=torch.full((6,), -1))


def _published_loss(x, drawn, mean, sd, z, y, means):
    """Of a batch, as in Su's program, picture by picture and class by class."""
    pixels = 2.5 * 0.5 * np.mean([np.sum((a - b) ** 2) for a, b in zip(x, drawn, strict=True)])
    kl, classes = 0.0, 0.0
    for b in range(len(x)):
        for k in range(y.shape[1]):
            for d in range(z.shape[1]):
                inside = np.log(sd[b, d] ** 2) - (z[b, d] - means[k, d]) ** 2
                kl += y[b, k] * -0.5 * inside / len(x)
            classes += y[b, k] * np.log(y[b, k] + 1e-7) / len(x)
    return {"pixels": pixels, "kl": kl, "classes": classes}


@pytest.mark.parametrize("published_networks", [False, True])
def test_the_published_loss_is_that_of_the_publication(batch, published_networks):
    torch.manual_seed(0)
    module = OneStepVAE(**SMALL, **WIDTHS, paper=True, published_networks=published_networks)
    assert not module.means.any()  # it starts with all class means at zero
    with torch.no_grad():
        module.means.normal_()
        mean, sd = module.posterior(batch.target)
        noise = torch.randn(6, 3, generator=torch.Generator().manual_seed(5))
        z = mean + sd * noise
        y = torch.softmax(module.classifier(z), 1)
        drawn, _ = module.decode(z)
        arrays = [batch.target, drawn, mean, sd, z, y, module.means]
        expected = _published_loss(*(a.double().numpy() for a in arrays))
        given = module.losses(batch, progress=0.5, generator=torch.Generator().manual_seed(5))
    assert {k: v.item() for k, v in given.items()} == pytest.approx(expected, rel=1e-5)


def test_the_published_loss_counts_only_what_was_measured_of_a_nodule():
    torch.manual_seed(0)
    module = OneStepVAE(clusters=2, latent_dims=3, **WIDTHS, paper=True).eval()
    patch = torch.rand(4, 1, 32, 32, 32)
    nothing = torch.zeros(4, 1, 32, 32, 32, dtype=torch.bool)
    batch = Batch(patch, patch, patch, nothing, nothing, torch.ones(4, 9), torch.ones(4))
    terms = module.losses(batch, progress=0.0, generator=torch.Generator().manual_seed(0))
    assert terms["pixels"].item() == 0.0


def test_until_the_warm_up_is_over_the_kl_is_that_of_the_standard_normal(batch):
    torch.manual_seed(0)
    module = OneStepVAE(**SMALL, **WIDTHS)
    generator = torch.Generator().manual_seed(0)
    terms = module.losses(batch, progress=0.0, generator=generator)
    assert set(terms) == {"pixels", "kl", "agreement", "sharpness", "balance"}
    mean, sd = module.posterior(torch.cat([batch.view, batch.other]))
    of_standard = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, sd), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(terms["kl"], of_standard.sum(1).mean())  # means wait at zero


def test_each_term_can_be_switched_off(batch):
    names = {"pixels": "pixel", "agreement": "agreement", "balance": "balance"}
    for term, switch in names.items():
        module = OneStepVAE(**SMALL, **WIDTHS, **{f"{switch}_weight": 0.0})
        terms = module.losses(batch, progress=0.0, generator=torch.Generator().manual_seed(0))
        assert terms[term].item() == 0.0
        assert sum(value.item() for value in terms.values()) > 0


def test_class_means_begin_at_the_mean_codes_once_the_warm_up_is_over(batch):
    torch.manual_seed(0)
    module = OneStepVAE(**SMALL, **WIDTHS, warm_up=0.5)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        assert not module.survey([batch], progress=0.4, generator=generator)
        assert not module.means.any()
        assert module.survey([batch], progress=0.5, generator=generator)
        codes = module.posterior(batch.view)[0]
        chances = module.class_probabilities(batch.view)
        assert not module.survey([batch], progress=0.6, generator=generator)
    expected = np.average(codes.numpy(), axis=0, weights=chances[:, 2].numpy())
    np.testing.assert_allclose(module.means[2].detach().numpy(), expected, atol=1e-5)


def test_published_networks_are_for_digits():
    with pytest.raises(ValueError, match="look at digits"):
        OneStepVAE(published_networks=True)


def test_published_networks_start_as_in_the_published_program():
    torch.manual_seed(0)
    module = OneStepVAE(**SMALL, published_networks=True)
    for layer, inputs, outputs in (
        (module.encoder.body[6], 64 * 9, 64 * 9),
        (module.decoder.body[6], 64 * 9, 32 * 9),
        (module.classifier[0], 3, 256),
    ):
        limit = (6 / (inputs + outputs)) ** 0.5
        assert layer.weight.abs().max().item() == pytest.approx(limit, rel=0.02)
        assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.05)
        assert not layer.bias.any()
    assert not module.means.any()
