from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_vaemed.data.progress import finish
from napari_vaemed.models.vae.autoencoder import Autoencoder
from napari_vaemed.models.vae.dirichlet import DirichletVAE
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.models.vae.self_training import SelfTraining
from napari_vaemed.models.vae.supervised import SupervisedEncoder
from napari_vaemed.training.ensemble import fit_together
from napari_vaemed.training.fit import fit
from napari_vaemed.training.samples import NoduleSamples
from napari_vaemed.training.steps import NotANumber

SMALL = {"latent_dims": 4, "encoder_width": 8, "decoder_width": 8}


@pytest.fixture(scope="module")
def samples(balls) -> NoduleSamples:
    return balls(12)


def _module(seed: int, cls: type[nn.Module] = GaussianVAE, **arguments) -> nn.Module:
    torch.manual_seed(seed)
    return cls(**{**SMALL, **arguments})


@pytest.mark.parametrize("cls", [GaussianVAE, Autoencoder, SupervisedEncoder])
def test_trained_together_each_is_what_it_would_be_alone(samples, cls):
    """Other weights, other order, other noise, other samples: two seeds, two folds."""
    parts = [samples.subset(np.arange(10)), samples.subset(np.arange(2, 12))]
    settings = {"epochs": 2, "batch": 4, "lr": 3e-3}
    together = []
    both = fit_together(
        [_module(s, cls) for s in (0, 1)], parts, seeds=[5, 6], **settings
    )  # fmt: skip
    modules = finish(both, together.append)
    for member, (part, seed) in enumerate(zip(parts, (5, 6), strict=True)):
        alone = []
        wanted = finish(fit(_module(member, cls), part, seed=seed, **settings), alone.append)
        for epochs, epoch in zip(together, alone, strict=True):
            assert epochs[member].losses == pytest.approx(epoch.losses, rel=1e-3, abs=1e-3)
            assert epochs[member].rate == epoch.rate
        looks = samples.draw(torch.arange(12), torch.Generator().manual_seed(0)).view
        with torch.no_grad():
            for found, said in zip(
                modules[member].posterior(looks), wanted.posterior(looks), strict=True
            ):
                torch.testing.assert_close(found, said, rtol=1e-3, atol=1e-3)
        assert epochs[member].last
        kept = epochs[member].state
        own = modules[member].state_dict()
        assert all(torch.equal(kept[f"average.{name}"], value) for name, value in own.items())


def test_what_a_step_takes_note_of_is_each_members_own(samples):
    told = {"method": "supervised"}
    settings = {"epochs": 2, "batch": 4}
    modules = [_module(seed, SelfTraining, **told) for seed in (0, 1)]
    together = finish(fit_together(modules, [samples] * 2, seeds=[5, 6], **settings))
    for seed, module in enumerate(together):
        alone = _module(seed, SelfTraining, **told)
        wanted = finish(fit(alone, samples, seed=5 + seed, **settings))
        assert wanted.seen.any()
        torch.testing.assert_close(module.seen, wanted.seen, rtol=1e-3, atol=1e-3)


def test_members_do_not_learn_from_each_other(samples):
    """One of three meets a number that is none; the error names it alone."""
    bad = NoduleSamples(**{**vars(samples), "log_volume": samples.log_volume * torch.nan})
    work = fit_together(
        [_module(s) for s in range(3)], [samples, bad, samples], seeds=[0, 1, 2], epochs=1, batch=6
    )
    with pytest.raises(NotANumber, match=r"of \[1\]"):
        next(work)


def test_modules_of_different_makes_are_refused(samples):
    with pytest.raises(ValueError, match="one make"):
        next(fit_together([_module(0), _module(0, latent_dims=5)], [samples] * 2, seeds=[0, 1]))


def test_dropout_is_refused(samples):
    module = _module(0)
    module.noise = nn.Dropout(0.5)
    with pytest.raises(ValueError, match="cannot be trained together"):
        next(fit_together([module], [samples], seeds=[0]))


def test_draws_whose_law_depends_on_the_weights_are_refused(samples):
    modules = [_module(seed, DirichletVAE) for seed in (0, 1)]
    with pytest.raises(ValueError, match="cannot be trained together"):
        next(fit_together(modules, [samples] * 2, seeds=[0, 1], batch=6))
