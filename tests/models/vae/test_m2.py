"""M2 against the sum over its classes, written out with torch.distributions in float64."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from napari_vaemed.models.protocols import Batch, DigitBatch
from napari_vaemed.models.vae import terms
from napari_vaemed.models.vae.m2 import M2

SMALL = {"latent_dims": 13, "encoder_width": 8, "decoder_width": 8}
PUBLISHED = {"pixel_weight": 784.0, "class_weight": 0.1, "agreement_weight": 0.0, "warm_up": 0.0}


def small(**arguments) -> M2:
    torch.manual_seed(0)
    return M2(**{**SMALL, "images": "digit", **arguments})


def digits(label: list[int]) -> DigitBatch:
    generator = torch.Generator().manual_seed(0)
    looks = torch.rand(3, len(label), 1, 28, 28, generator=generator)
    return DigitBatch(*looks, label=torch.tensor(label))


def nodules(score: list[float]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    n = len(score)
    look = torch.rand(n, 1, 32, 32, 32, generator=generator)
    return Batch(
        view=look, other=look.flip(4), target=look, measured=look > 0.1, mask=look > 0.5,
        ratings=torch.tensor(score)[:, None].repeat(1, 9), log_volume=torch.full((n,), 5.0),
    )  # fmt: skip


def bounds(module: M2, batch: DigitBatch, n: int, seed: int) -> np.ndarray:
    """−L(x, y) of the first n pictures and every class, (n, k), as in the paper; float64."""
    noise = torch.randn(n, 1, module.style_dims, generator=torch.Generator().manual_seed(seed))
    module = module.double()
    found = np.zeros((n, module.clusters))
    mean, sd = module.styles(batch.view[:n].double())
    for i in range(n):
        for y in range(module.clusters):
            style = mean[i, y] + sd[i, y] * noise[i, 0].double()
            code = torch.zeros(1, module.latent_dims).double()
            code[0, : module.style_dims] = style
            code[0, module.style_dims + y] = 1.0
            drawn = Bernoulli(logits=module.decoder(code)[1][0], validate_args=False)
            likelihood = drawn.log_prob(batch.target[i].double()).sum()
            prior = math.log(1 / module.clusters)
            kl = kl_divergence(Normal(mean[i, y], sd[i, y]), Normal(0.0, 1.0)).sum()
            found[i, y] = -(likelihood + prior - kl).item()
    return found


def test_an_unlabelled_picture_costs_the_sum_over_all_classes_less_the_entropy():
    module, batch = small(**PUBLISHED), digits([-1] * 8)
    n = 2  # a quarter of the batch is drawn
    with torch.no_grad():
        given = module.losses(batch, progress=1.0, generator=torch.Generator().manual_seed(5))
        of_class = bounds(module, batch, n, 5)
        q = Categorical(probs=module.class_probabilities(batch.view[:n].double()))
    expected = (q.probs.numpy() * of_class).sum(1) - q.entropy().numpy()
    total = sum(given[name].item() for name in ("pixels", "kl", "class kl"))
    assert total == pytest.approx(expected.mean(), rel=1e-5)
    assert given["labels"].item() == given["agreement"].item() == 0


def test_a_labelled_picture_costs_its_own_class_and_the_cross_entropy():
    label = [3, 9, 0, 1, 2, 2, 5, 7]
    module, batch = small(**PUBLISHED), digits(label)
    with torch.no_grad():
        given = module.losses(batch, progress=1.0, generator=torch.Generator().manual_seed(5))
        of_class = bounds(module, batch, 2, 5)
        looks = torch.cat([batch.view, batch.other]).double()
        q = Categorical(probs=module.class_probabilities(looks))
    expected = (of_class[0, 3] + of_class[1, 9]) / 2
    total = sum(given[name].item() for name in ("pixels", "kl", "class kl"))
    assert total == pytest.approx(expected, rel=1e-5)
    entropy = -q.log_prob(torch.tensor(label).repeat(2)).mean().item()
    assert given["labels"].item() == pytest.approx(0.1 * entropy, rel=1e-5)


def test_unlabelled_nodules_are_drawn_as_both_classes():
    module, batch = small(images="nodule"), nodules([3.0] * 4)
    with torch.no_grad():
        given = module.losses(batch, progress=1.0, generator=torch.Generator().manual_seed(5))
        chances = module.class_probabilities(batch.view[:1])[0]
        mean, sd = module.styles(batch.view[:1])
        noise = torch.randn(1, 1, module.style_dims, generator=torch.Generator().manual_seed(5))
        both = module.decode(torch.cat([mean + sd * noise, torch.eye(2)[None]], 2)[0])
        wanted = batch.target[:1], batch.measured[:1], batch.mask[:1]
        errors = [
            torch.exp(2 * terms.tempered_likelihood(both[0][y : y + 1], *wanted[:2])) - 1e-6
            for y in range(2)
        ]
        masks = [terms.mask_loss(both[1][y : y + 1], wanted[2]) for y in range(2)]
    error = sum(p * e for p, e in zip(chances, errors, strict=True))
    mask = sum(p * m for p, m in zip(chances, masks, strict=True))
    assert given["pixels"].item() == pytest.approx(200 * math.log(error + 1e-6), rel=1e-4)
    assert given["mask"].item() == pytest.approx(300 * mask.item(), rel=1e-4)


def test_only_pictures_without_a_label_move_the_classifier_by_how_they_are_drawn():
    for label, moves in (([1] * 4, False), ([-1] * 4, True)):
        module = small()
        given = module.losses(digits(label), progress=1.0, generator=torch.Generator())
        (given["pixels"] + given["kl"] + given["class kl"]).backward()
        grads = [parameter.grad for parameter in module.classifier.parameters()]
        assert any(grad is not None and bool(grad.any()) for grad in grads) == moves


def test_the_code_has_the_moments_of_styles_and_classes():
    module, x = small(), digits([-1] * 3).view
    with torch.no_grad():
        mean, sd = module.posterior(x)
        chances, styles = module.class_probabilities(x), module.styles(x)
        generator = torch.Generator().manual_seed(0)
        label = torch.multinomial(chances, 60_000, replacement=True, generator=generator)
        at = torch.arange(3)[:, None]
        middle, spread = (part[at, label] for part in styles)  # (3, draws, d - k)
        style = middle + spread * torch.randn(middle.shape, generator=generator)
        drawn = torch.cat([style, torch.nn.functional.one_hot(label, 10).float()], 2)
    torch.testing.assert_close(drawn.mean(1), mean, atol=0.02, rtol=0.0)
    torch.testing.assert_close(drawn.std(1), sd, atol=0.02, rtol=0.0)


def test_class_codes_are_one_class_each_in_the_same_styles():
    module = small()
    codes = module.class_codes(4, torch.Generator().manual_seed(0))
    assert codes.shape == (10, 4, 13)
    assert torch.equal(codes[0, :, :3], codes[7, :, :3])
    assert torch.equal(codes[:, 2, 3:], torch.eye(10))


def test_a_code_too_short_for_a_style_is_refused():
    with pytest.raises(ValueError, match="at least 11; got 10"):
        M2(images="digit", latent_dims=10)


def test_the_code_tells_where_its_chances_stand():
    module, batch = small(images="nodule").eval(), nodules([1.0, 5.0])
    assert module.class_chances == {11: "benign", 12: "malignant"}
    with torch.no_grad():
        mean = module.posterior(batch.view)[0]
        np.testing.assert_array_equal(mean[:, 11:], module.class_probabilities(batch.view))
    assert len(small().class_chances) == 10
