"""VaDE's prior against torch.distributions."""

import numpy as np
import pytest
import torch
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    Normal,
    kl_divergence,
)

from napari_vaemed.models.protocols import DigitBatch
from napari_vaemed.models.vae.mixture import LatentMixture
from napari_vaemed.models.vae.vade import VaDE

SMALL = {"images": "digit", "clusters": 3, "latent_dims": 4, "encoder_width": 8,
         "decoder_width": 8}  # fmt: skip


@pytest.fixture
def mixture() -> LatentMixture:
    torch.manual_seed(0)
    mixture = LatentMixture(clusters=3, latent_dims=4)
    with torch.no_grad():
        mixture.logits.normal_()
        mixture.means.normal_()
        mixture.log_variances.normal_(0, 0.5)
    return mixture.requires_grad_(False)


def _same(mixture: LatentMixture) -> MixtureSameFamily:
    sd = torch.exp(0.5 * mixture.log_variances)
    return MixtureSameFamily(
        Categorical(logits=mixture.logits), Independent(Normal(mixture.means, sd), 1)
    )


def test_its_density_is_that_of_torch_distributions(mixture):
    z = torch.randn(50, 4)
    torch.testing.assert_close(mixture.log_joint(z).logsumexp(1), _same(mixture).log_prob(z))


def test_its_kl_is_that_of_gaussians_and_of_categories(mixture):
    mean, sd = torch.randn(6, 4), torch.rand(6, 4) + 0.1
    chances = torch.softmax(torch.randn(6, 3), 1)
    classes = Normal(mixture.means, torch.exp(0.5 * mixture.log_variances))
    each = kl_divergence(Normal(mean[:, None], sd[:, None]), classes).sum(2)
    of_classes = kl_divergence(Categorical(chances), Categorical(logits=mixture.logits))
    torch.testing.assert_close(
        mixture.kl(mean, sd, chances.log()), (chances * each).sum(1) + of_classes
    )


def test_its_kl_bounds_that_from_the_mixture_and_meets_it_for_far_classes(mixture):
    """The KL from the whole mixture is the mean of ln q(z) - ln p(z) over samples."""
    mixture.means[:] *= 20
    mean, sd = mixture.means[1:2] + 0.3, torch.full((1, 4), 0.7)
    q = Independent(Normal(mean, sd), 1)
    z = q.sample((200_000,))
    drawn = (q.log_prob(z) - _same(mixture).log_prob(z[:, 0])[:, None]).mean()
    sure = torch.log_softmax(mixture.log_joint(mean), 1)
    assert mixture.kl(mean, sd, sure).item() == pytest.approx(drawn.item(), abs=0.02)
    unsure = torch.log(torch.tensor([[0.2, 0.6, 0.2]]))
    assert mixture.kl(mean, sd, unsure).item() > drawn.item() + 1


def test_chances_survive_where_densities_are_nought(mixture):
    far = torch.full((1, 4), 100.0)
    assert _same(mixture).log_prob(far) < -500
    chances = torch.log_softmax(mixture.log_joint(far), 1)
    assert chances.isfinite().all()
    assert chances.exp().sum().item() == pytest.approx(1.0)


def test_it_begins_where_the_codes_lie():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0, 0, 0], [5, 0, 0, 0], [0, 5, 5, 0]])
    codes = np.vstack([rng.normal(c, 0.5, (n, 4)) for c, n in zip(centres, (100, 200, 300),
                                                                  strict=True)])  # fmt: skip
    mixture = LatentMixture(clusters=3, latent_dims=4)
    mixture.begin(torch.from_numpy(codes).float())
    weights = torch.softmax(mixture.logits, 0).detach()
    order = weights.argsort()
    np.testing.assert_allclose(weights[order], [1 / 6, 1 / 3, 1 / 2], atol=0.01)
    np.testing.assert_allclose(mixture.means.detach()[order], centres, atol=0.15)
    spread = torch.exp(0.5 * mixture.log_variances).detach()
    np.testing.assert_allclose(spread, 0.5, atol=0.1)
    drawn = mixture.draw(2000, torch.Generator().manual_seed(0)).detach()
    np.testing.assert_allclose(drawn.mean(1)[order], centres, atol=0.15)


def test_fewer_codes_than_classes_are_refused():
    with pytest.raises(ValueError, match=r"3 clusters want as many samples at least; got 2"):
        LatentMixture(clusters=3, latent_dims=4).begin(torch.randn(2, 4))


def test_the_mixture_begins_when_the_warm_up_is_over():
    torch.manual_seed(0)
    module = VaDE(**SMALL)
    pictures = torch.rand(3, 20, 1, 28, 28)
    batch = DigitBatch(*pictures, label=torch.full((20,), -1))
    generator = torch.Generator().manual_seed(0)
    before = module.losses(batch, progress=0.0, generator=generator)
    assert set(before) == {"pixels", "kl"}
    with torch.no_grad():
        assert not module.survey([batch], progress=0.2, generator=generator)
        assert module.survey([batch], progress=0.3, generator=generator)
    after = module.losses(batch, progress=0.3, generator=generator)
    assert set(after) == {"pixels", "kl", "agreement", "balance"}
    sum(after.values()).backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())
