from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.training.fit import fit, one_cycle
from napari_vaemed.training.samples import NoduleSamples

SMALL = {"latent_dims": 4, "encoder_width": 8, "decoder_width": 8}


@pytest.fixture(scope="module")
def samples() -> NoduleSamples:
    """Ten balls of growing radius in lung, four looks each."""
    radii = torch.linspace(2, 7, 10)
    at = torch.stack(torch.meshgrid(*[torch.arange(32) - 15.5] * 3, indexing="ij"))
    mask = at.norm(dim=0)[None] <= radii[:, None, None, None]
    hu = torch.where(mask, 30, -850).to(torch.int16)
    return NoduleSamples(
        views=hu[:, None, 14:18].repeat(1, 4, 1, 1, 1),
        target=hu,
        measured=torch.ones_like(mask),
        mask=mask,
        ratings=torch.linspace(1, 5, 10)[:, None].repeat(1, 9),
        log_volume=torch.log(4 / 3 * torch.pi * radii**3),
    )


def _module() -> GaussianVAE:
    torch.manual_seed(0)
    return GaussianVAE(**SMALL)


def _trained(samples: NoduleSamples, **settings) -> tuple[GaussianVAE, list]:
    run, epochs = fit(_module(), samples, batch=5, **settings), []
    while True:
        try:
            epochs.append(next(run))
        except StopIteration as stop:
            return stop.value, epochs


def _same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_training_lowers_the_loss(samples):
    _, epochs = _trained(samples, epochs=12, seed=0)
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    without_kl = [sum(v for k, v in e.losses.items() if k != "kl") for e in epochs]
    assert without_kl[-1] < without_kl[0] - 50


def test_one_seed_gives_one_result(samples):
    first, _ = _trained(samples, epochs=2, seed=3)
    second, _ = _trained(samples, epochs=2, seed=3)
    other, _ = _trained(samples, epochs=2, seed=4)
    assert _same(first, second)
    assert not _same(first, other)


def test_a_resumed_training_ends_where_an_unbroken_one_does(samples):
    unbroken, _ = _trained(samples, epochs=4, seed=1)
    run = fit(_module(), samples, batch=5, epochs=4, seed=1)
    next(run)
    state = {name: value.clone() for name, value in next(run).state.items()}
    run.close()
    resumed, epochs = _trained(samples, epochs=4, seed=1, resume=state)
    assert [epoch.number for epoch in epochs] == [3, 4]
    assert _same(unbroken, resumed)


def test_a_checkpoint_of_another_model_is_refused(samples):
    run = fit(_module(), samples, batch=5, epochs=1)
    state = next(run).state
    wider = GaussianVAE(**{**SMALL, "latent_dims": 6})
    with pytest.raises(ValueError, match="another make"):
        next(fit(wider, samples, batch=5, epochs=2, resume=state))


def test_the_rate_rises_and_falls_once():
    rates = [one_cycle(i / 100) for i in range(101)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(1.0)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.01


def test_a_subset_holds_the_asked_rows_of_everything(samples):
    part = samples.subset(torch.tensor([7, 2]).numpy())
    for field in fields(samples):
        whole, few = getattr(samples, field.name), getattr(part, field.name)
        assert torch.equal(few, whole[[7, 2]])
