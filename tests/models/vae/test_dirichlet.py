from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Dirichlet, kl_divergence

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.posterior import DirichletPosterior
from napari_vaemed.models.protocols import Batch, DigitBatch, SimplexVAE, is_dirichlet
from napari_vaemed.models.vae.dirichlet import (
    CUTS,
    DirichletVAE,
    dirichlet_kl,
    labels_of,
    moments,
    sample_dirichlet,
)

SAMPLINGS = ("pathwise", "inverse-cdf")


def concentrations(low: float, high: float, dtype=torch.float64) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.tensor(10 ** rng.uniform(low, high, (40, 7)), dtype=dtype)


def small(**arguments) -> DirichletVAE:
    torch.manual_seed(0)
    return DirichletVAE(latent_dims=6, encoder_width=8, decoder_width=8, **arguments)


@pytest.mark.parametrize("prior", [0.1, 0.9, 3.0])
def test_kl_is_that_of_torch_from_posterior_to_prior(prior):
    q = concentrations(-2, 2)
    wanted = kl_divergence(Dirichlet(q), Dirichlet(torch.full_like(q, prior)))
    torch.testing.assert_close(dirichlet_kl(q, prior), wanted, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(dirichlet_kl(q.float(), prior), wanted.float(), rtol=1e-4, atol=1e-4)


def test_kl_is_what_sampling_gives_and_not_the_one_the_other_way_round():
    q, prior = np.array([0.3, 1.0, 2.5, 4.0]), 0.9
    p = np.full(4, prior)
    z = np.random.default_rng(0).dirichlet(q, 100_000)
    log_ratio = stats.dirichlet(q).logpdf(z.T) - stats.dirichlet(p).logpdf(z.T)
    error = log_ratio.std() / np.sqrt(len(z))
    ours = dirichlet_kl(torch.tensor(q[None]), prior).item()
    assert ours == pytest.approx(log_ratio.mean(), abs=4 * error)
    other_way = kl_divergence(Dirichlet(torch.tensor(p)), Dirichlet(torch.tensor(q))).item()
    assert abs(other_way - ours) > 50 * error


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("smallest", [1e-3, 1e-2, 1.0])
def test_samples_stay_on_the_simplex_with_finite_gradients(sampling, smallest):
    generator = torch.Generator().manual_seed(0)
    rows = torch.full((500, 6), smallest)
    rows[:, 0] *= 1000
    rows.requires_grad_()
    z = sample_dirichlet(rows, generator, sampling)
    assert z.dtype == torch.float32
    assert z.isfinite().all()
    assert (z >= 0).all()
    torch.testing.assert_close(z.sum(1), torch.ones(500), rtol=0, atol=1e-6)
    (z.square().sum() + z[:, 0].sum()).backward()
    assert rows.grad.isfinite().all()


def test_pathwise_samples_are_dirichlet():
    generator = torch.Generator().manual_seed(0)
    for a in ([0.05, 0.3, 0.02], [0.7, 2.0, 9.0]):
        z = sample_dirichlet(torch.tensor([a] * 20_000, dtype=torch.float64), generator).numpy()
        for k in range(3):  # each share is a Beta
            beta = stats.beta(a[k], sum(a) - a[k])
            seen, level = np.clip(z[:, k], 1e-12, 1 - 1e-9), np.array([0.01, 0.1, 0.5, 0.9])
            np.testing.assert_allclose((seen[:, None] < level).mean(0), beta.cdf(level), atol=0.012)


def test_inverse_cdf_samples_are_nearly_dirichlet_where_concentrations_are_small():
    a = [0.3, 0.1, 0.6]
    z = sample_dirichlet(
        torch.tensor([a] * 20_000), torch.Generator().manual_seed(0), "inverse-cdf"
    )
    np.testing.assert_allclose(z.mean(0).numpy(), np.array(a) / sum(a), atol=0.03)


def test_pathwise_gradients_are_those_of_the_closed_form():
    # E[z_k²] = a_k (a_k + 1) / (A (A + 1)); torch's own rsample is right at these concentrations.
    a = torch.tensor([0.6, 1.5, 3.0], dtype=torch.float64, requires_grad=True)
    total = a.sum()
    (a[0] * (a[0] + 1) / (total * (total + 1))).backward()
    wanted = a.grad.clone()
    a.grad = None
    many = a.expand(60_000, 3)
    sample_dirichlet(many, torch.Generator().manual_seed(0))[:, 0].square().mean().backward()
    ours = a.grad.clone()
    a.grad = None
    torch.manual_seed(0)
    Dirichlet(many).rsample()[:, 0].square().mean().backward()
    torch.testing.assert_close(ours, wanted, rtol=0.05, atol=2e-3)
    torch.testing.assert_close(a.grad, wanted, rtol=0.05, atol=2e-3)


def test_moments_are_those_of_torch_and_of_the_noun():
    q = concentrations(-2, 2)
    mean, sd = moments(q)
    torch.testing.assert_close(mean, Dirichlet(q).mean)
    torch.testing.assert_close(sd, Dirichlet(q).stddev)
    noun = DirichletPosterior(q.numpy())
    np.testing.assert_allclose(noun.mean, mean.numpy())
    np.testing.assert_allclose(noun.sd, sd.numpy(), rtol=1e-6)


def test_the_nouns_samples_are_dirichlet():
    noun = DirichletPosterior(np.tile([0.01, 0.5, 2.0], (20_000, 1)))
    z = noun.sample(np.random.default_rng(0))
    np.testing.assert_allclose(z.sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(z.mean(0), noun.mean[0], atol=0.01)
    np.testing.assert_allclose(z.std(0), noun.sd[0], atol=0.01)


def test_labels_are_cut_where_the_table_says():
    ratings = torch.tensor([[CUTS[name] for name in ATTRIBUTES]], dtype=torch.float32)
    assert labels_of(ratings).all()
    assert not labels_of(ratings - 0.5).any()


def test_hidden_ratings_are_no_labels_that_are_not_true():
    look = torch.rand(2, 1, 32, 32, 32)
    ratings = torch.full((2, 9), 5.0)
    ratings[1, 4] = torch.nan
    batch = Batch(look, look, look, look > -1, look > 0.5, ratings, torch.zeros(2))
    found = small().losses(batch, progress=1.0, generator=torch.Generator().manual_seed(0))
    assert [name for name, term in found.items() if term.isnan()] == ["labels"]


def test_the_twin_differs_in_the_latent_family_alone():
    ours, twin = small(), small(family="gaussian")
    assert is_dirichlet(ours)
    assert not is_dirichlet(twin)
    assert isinstance(twin, SimplexVAE)  # by its methods, so the family has to be asked
    differ = [
        name for name, tensor in twin.state_dict().items()
        if tensor.shape != ours.state_dict()[name].shape
    ]  # fmt: skip
    assert differ == ["parameters_head.weight", "parameters_head.bias"]
    x = torch.rand(3, 1, 32, 32, 32)
    with torch.no_grad():
        assert (ours.concentration(x) > 0).all()
        torch.testing.assert_close(ours.posterior(x)[0].sum(1), torch.ones(3))
    with pytest.raises(TypeError, match="gaussian posterior has no concentration"):
        twin.concentration(x)


@pytest.mark.parametrize("family", ["dirichlet", "gaussian"])
def test_kl_comes_in_with_the_warm_up(family):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(4, 1, 28, 28)
    batch = DigitBatch(pictures, pictures, pictures, torch.zeros(4, dtype=torch.int64))
    module = small(family=family, images="digit", warm_up=0.5)
    seen = [
        module.losses(batch, progress=p, generator=generator)["kl"].item() for p in (0, 0.25, 1)
    ]
    assert seen[0] == 0
    assert seen[1] == pytest.approx(seen[2] / 2, rel=1e-4)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_digits_are_drawn_and_learned_from(sampling):
    module = small(images="digit", sampling=sampling)
    pictures = torch.rand(4, 1, 28, 28)
    batch = DigitBatch(pictures, pictures, pictures, torch.zeros(4, dtype=torch.int64))
    terms = module.losses(batch, progress=1.0, generator=torch.Generator().manual_seed(0))
    assert set(terms) == {"pixels", "kl"}
    sum(terms.values()).backward()
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)
    assert module.decode(module.posterior(pictures)[0])[0].shape == pictures.shape


def test_what_is_not_there_is_refused_in_words():
    with pytest.raises(ValueError, match="family must be dirichlet or gaussian; got 'beta'"):
        DirichletVAE(family="beta")
    with pytest.raises(ValueError, match="sampling must be pathwise or inverse-cdf"):
        DirichletVAE(sampling="gumbel")
    with pytest.raises(ValueError, match="must be positive; got 0"):
        DirichletVAE(prior=0.0)
