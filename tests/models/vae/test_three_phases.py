"""The three phases: the game's losses against closed forms, and what each phase leaves alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_softmax

from napari_vaemed.data.progress import finish
from napari_vaemed.models.protocols import DigitBatch
from napari_vaemed.models.vae.three_phases import (
    DRAWING,
    FROZEN,
    JOINT,
    CodeGame,
    ThreePhases,
    matching_loss,
    unlabelled_loss,
)
from napari_vaemed.training.digit_samples import DigitSamples
from napari_vaemed.training.fit import fit

SMALL = {
    "images": "digit", "latent_dims": 3, "encoder_width": 2, "decoder_width": 2, "game_width": 16,
    "pretraining": 0.4, "freezing": 0.2,
}  # fmt: skip


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(5 * torch.randn(2, 40, 4, generator=generator, dtype=torch.float64))


def test_the_game_is_a_classifier_with_one_class_more_for_what_was_made(logits):
    """−ln p(not made | real) − ln p(made | made) by an explicit softmax, whose last logit is 0."""
    real, made = (
        log_softmax(np.concatenate([each.numpy(), np.zeros((40, 1))], 1), 1) for each in logits
    )
    expected = -np.log(np.exp(real[:, :-1]).sum(1)).mean() - made[:, -1].mean()
    assert unlabelled_loss(*logits).item() == pytest.approx(expected, rel=1e-12)


def test_with_a_label_both_terms_are_the_cross_entropy_of_that_classifier(logits):
    real, made = logits
    label = torch.arange(40) % 4
    whole = F.cross_entropy(F.pad(real, (0, 1)), label)  # K + 1 classes, the last logit 0
    fake = F.cross_entropy(F.pad(made, (0, 1)), torch.full((40,), 4))
    given = unlabelled_loss(real, made) + F.cross_entropy(real, label)
    torch.testing.assert_close(given, whole + fake, rtol=1e-12, atol=0)


def test_the_loss_stays_finite_for_logits_of_any_size():
    huge = torch.tensor([[1e4, -1e4]])
    assert unlabelled_loss(huge, -huge).isfinite()
    assert unlabelled_loss(-huge.abs(), huge.abs()).item() == pytest.approx(2e4)


def test_features_are_matched_by_their_means():
    real, made = np.random.default_rng(0).normal(size=(2, 30, 7))
    expected = np.linalg.norm(real.mean(0) - made.mean(0)) ** 2
    given = matching_loss(torch.from_numpy(real), torch.from_numpy(made))
    assert given.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("played", [True, False])
def test_each_term_of_the_game_moves_its_own_player(played):
    torch.manual_seed(0)
    game = CodeGame(3, 2, noise_dims=4, width=8)
    codes = torch.randn(6, 3, requires_grad=True)
    label = torch.tensor([0, 1, -1, -1, -1, -1])
    classifier = [*game.features.parameters(), *game.head.parameters()]
    generator = list(game.generator.parameters())
    told = game.losses(codes, label, torch.Generator().manual_seed(0), played=played)
    for name, term in told.items():
        grads = torch.autograd.grad(
            term, [*classifier, *generator, codes], retain_graph=True, allow_unused=True
        )
        moved = [grad is not None and bool(grad.any()) for grad in grads]
        ours, theirs = moved[: len(classifier)], moved[len(classifier) : -1]
        assert (any(ours), any(theirs)) == (name != "generator", name == "generator"), name
        assert moved[-1] == (name == "labels" or (name == "real or made" and played)), name


def _batch(n: int = 6) -> DigitBatch:
    pictures = torch.rand(3, n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return DigitBatch(*pictures, label=torch.arange(n) % 3 - 1)


@pytest.mark.parametrize("variational", [True, False])
def test_the_joint_loss_is_a_tenth_of_the_elbo_per_pixel_beside_the_game(variational):
    torch.manual_seed(0)
    module = ThreePhases(**SMALL, variational=variational, pixel_weight=500.0)
    alone, joint = (
        _terms_of(module, phase, torch.Generator().manual_seed(1)) for phase in (DRAWING, JOINT)
    )
    assert set(alone) == ({"pixels", "kl"} if variational else {"pixels"})
    for name, value in alone.items():
        torch.testing.assert_close(joint[name], 0.1 * value / 500.0)
    assert set(joint) - set(alone) == {"labels", "real or made", "generator"}
    mean, _ = module.posterior(torch.cat([_batch().view, _batch().other]))
    label = _batch().label.repeat(2)
    logits = module.game.logits(mean)[label >= 0]
    torch.testing.assert_close(joint["labels"], F.cross_entropy(logits, label[label >= 0]))


def _terms_of(module: ThreePhases, phase: int, generator: torch.Generator) -> dict:
    module.phase.fill_(phase)
    return module.losses(_batch(), progress=0.5, generator=generator)


def test_frozen_weights_get_no_gradient():
    module = ThreePhases(**SMALL)
    sum(_terms_of(module, FROZEN, torch.Generator().manual_seed(0)).values()).backward()
    got = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert got == {name for name, _ in module.named_parameters() if name.startswith("game.")}


def _samples(n: int = 24) -> DigitSamples:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (n, 28, 28), generator=generator, dtype=torch.uint8)
    return DigitSamples(pictures, torch.arange(n) % 3 - 1)


def test_a_training_goes_through_its_phases():
    """Phase 2 leaves encoder and decoder bit by bit; phase 3 moves all at a tenth of the rate."""
    torch.manual_seed(0)
    module = ThreePhases(**SMALL)
    states, rates, phases = [], [], []

    def keep(epoch):
        states.append({name: value.clone() for name, value in epoch.state.items()})
        rates.append(epoch.rate)
        phases.append(int(epoch.state["module.phase"]))

    finish(fit(module, _samples(), epochs=10, batch=8, lr=0.02), keep)
    assert phases == [DRAWING] * 4 + [FROZEN] * 2 + [JOINT] * 4
    for name, _ in module.named_parameters():
        before, after = states[3][f"module.{name}"], states[5][f"module.{name}"]
        assert torch.equal(before, after) == (not name.startswith("game.")), name
        if not name.startswith("game."):  # the average started over with the phase
            assert torch.equal(before, states[5][f"average.{name}"]), name
    weight = "module.encoder.body.0.weight"
    assert not torch.equal(states[5][weight], states[6][weight])
    tops = [max(rates[phases.index(p) : len(phases) - phases[::-1].index(p)]) for p in (1, 2, 3)]
    assert tops[2] == pytest.approx(tops[0] / 10, rel=1e-5)  # as long, so judged at the same steps
    assert rates[3] < 0.2 * tops[0]  # each phase runs through the whole cycle
    assert rates[5] < 0.5 * tops[1]


def test_moments_of_the_optimizer_start_over_with_a_phase():
    run = fit(ThreePhases(**SMALL), _samples(), epochs=5, batch=8)
    steps = [
        {name: int(value) for name, value in epoch.state.items() if name.startswith("adam.step.")}
        for epoch in run
    ]
    encoder, head = "adam.step.encoder.body.0.weight", "adam.step.game.head.weight"
    assert [state.get(encoder) for state in steps] == [3, 6, None, 3, 6]
    assert [state.get(head) for state in steps] == [None, None, 3, 3, 6]


def test_it_begins_a_phase_late_but_never_twice():
    module = ThreePhases(**SMALL)
    generator = torch.Generator().manual_seed(0)
    assert not module.survey([_batch()], progress=0.3, generator=generator)
    assert module.survey([_batch()], progress=0.9, generator=generator)  # two at once
    with torch.no_grad():
        codes, _ = module.posterior(_batch().view)
    torch.testing.assert_close(module.game.centre, codes.mean(0))
    assert not module.survey([_batch()], progress=0.95, generator=generator)
    assert module.pace(0.9) == (pytest.approx(0.0, abs=1e-6), 0.1)
    assert module.pace(1.0) == (1.0, 0.1)


def test_codes_of_a_class_are_spread_as_the_logits_say():
    """Made codes of N(0, 1) that pictures of class 1 have exp(z − ½) times as often: N(1, 1)."""
    module = ThreePhases(**SMALL | {"images": "nodule", "encoder_width": 8, "decoder_width": 8})
    module.game.generator = module.game.features = torch.nn.Identity()
    module.game.noise_dims = 3
    module.game.head = torch.nn.Linear(3, 2)
    with torch.no_grad():
        module.game.head.weight.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
        module.game.head.bias.copy_(torch.tensor([0.0, -0.5]))
        codes = module.class_codes(4000, torch.Generator().manual_seed(0))
    assert codes.shape == (2, 4000, 3)
    expected = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(codes.mean(1), expected, rtol=0, atol=0.06)
    torch.testing.assert_close(codes.std(1), torch.ones(2, 3), rtol=0, atol=0.06)
    assert len(codes[0].unique(dim=0)) == 4000  # none twice


def test_phases_longer_than_the_training_are_refused():
    with pytest.raises(ValueError, match=r"add up to 1 at most; got 0\.7 and 0\.5"):
        ThreePhases(pretraining=0.7, freezing=0.5)


def test_no_pixel_at_all_is_refused_before_the_third_phase():
    with pytest.raises(ValueError, match=r"more than 0 must count, got 0\.0"):
        ThreePhases(pixel_weight=0.0)
