"""Pseudo-labels and FixMatch against their papers, written out picture by picture."""

import numpy as np
import pytest
import torch

from napari_vaemed.models.augmentation import strong_look
from napari_vaemed.models.protocols import DigitBatch
from napari_vaemed.models.vae.self_training import SelfTraining, guess_loss, taken

SMALL = {"images": "digit", "latent_dims": 5, "encoder_width": 8, "decoder_width": 8}
METHODS = ["supervised", "pseudo-labels", "fixmatch"]


def small(method: str, **arguments) -> SelfTraining:
    torch.manual_seed(0)
    module = SelfTraining(method=method, **{**SMALL, "class_weight": 1.0, **arguments})
    torch.nn.init.normal_(module.classifier.weight)  # so that some guesses are sure
    return module


def digits(label: list[int]) -> DigitBatch:
    looks = torch.rand(3, len(label), 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return DigitBatch(*looks, label=torch.tensor(label))


def logits_of(module: SelfTraining, x: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return module.classifier(module.posterior(x)[0]).double().numpy()


def cross_entropy(logits: np.ndarray, label: int) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[label])


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def guesses(module: SelfTraining, batch: DigitBatch, progress: float = 1.0) -> float:
    generator = torch.Generator().manual_seed(7)
    return module.losses(batch, progress=progress, generator=generator)["guesses"].item()


@pytest.mark.parametrize("method", METHODS)
def test_labelled_pictures_cost_the_cross_entropy_of_both_looks(method):
    module, label = small(method), [4, -1, 2, -1, 9]
    batch = digits(label)
    with torch.no_grad():
        given = module.losses(batch, progress=0.0, generator=torch.Generator().manual_seed(7))
    one, other = logits_of(module, batch.view), logits_of(module, batch.other)
    each = [cross_entropy(look[i], label[i]) for look in (one, other) for i in (0, 2, 4)]
    assert given["labels"].item() == pytest.approx(np.mean(each), rel=1e-5)


def test_fixmatch_learns_for_the_strong_look_what_is_sure_of_the_weak_one():
    # Sohn et al., FixMatch, 2020, equation 4; the threshold is such that some pass
    module, batch = small("fixmatch"), digits([-1, 3, -1, -1, 5, -1, -1, -1])
    strong = strong_look(batch.other, "digit", torch.Generator().manual_seed(7))
    weak, changed = logits_of(module, batch.view), logits_of(module, strong)
    unlabelled = [0, 2, 3, 5, 6, 7]
    chances = softmax(weak)
    threshold = float(np.median(chances[unlabelled].max(axis=1)))
    module.threshold = threshold
    expected = 0.0
    for i in unlabelled:
        if chances[i].max() >= threshold:
            expected += cross_entropy(changed[i], int(chances[i].argmax()))
    assert guesses(module, batch) == pytest.approx(expected / len(unlabelled), rel=1e-5)
    module.unlabelled_weight = 2.5
    assert guesses(module, batch) == pytest.approx(2.5 * expected / len(unlabelled), rel=1e-5)


def test_pseudo_labels_are_the_most_likely_classes_with_a_growing_weight():
    # Lee, Pseudo-Label, 2013, equations 15 and 16, of one look
    module = small("pseudo-labels", threshold=0.0, unlabelled_weight=3.0)
    batch = digits([-1, 3, -1, -1])
    batch = DigitBatch(batch.view, batch.view, batch.target, batch.label)
    logits = logits_of(module, batch.view)
    each = [cross_entropy(logits[i], int(logits[i].argmax())) for i in (0, 2, 3)]
    for progress, alpha in ((0.01, 0.0), (0.175, 1.5), (0.3, 3.0), (0.9, 3.0)):
        expected = alpha * np.mean(each)
        assert guesses(module, batch, progress) == pytest.approx(expected, rel=1e-5)


def test_a_ramp_without_a_length_is_a_step():
    module, batch = small("pseudo-labels", threshold=0.0, ramp_start=0.3), digits([-1, 3, -1])
    assert module.ramp_end == 0.3
    assert guesses(module, batch, 0.2) == 0
    assert guesses(module, batch, 0.3) > 0


def test_what_both_looks_say_is_learned_for_both():
    module, batch = small("pseudo-labels", threshold=0.0), digits([-1, 3, -1])
    one, other = logits_of(module, batch.view), logits_of(module, batch.other)
    guess = (softmax(one) + softmax(other)).argmax(axis=1)
    each = [cross_entropy(look[i], int(guess[i])) for look in (one, other) for i in (0, 2)]
    assert guesses(module, batch) == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_with_all_labels_known_only_the_supervised_loss_is_left(method):
    batch = digits([4, 1, 2, 3, 9])
    losses = []
    for one in ("supervised", method):
        module = small(one)
        terms = module.losses(batch, progress=1.0, generator=torch.Generator().manual_seed(7))
        sum(terms.values()).backward()
        grads = torch.cat([p.grad.flatten() for p in module.parameters()])
        losses.append((sum(terms.values()).item(), grads))
    assert losses[1][0] == pytest.approx(losses[0][0])
    torch.testing.assert_close(losses[1][1], losses[0][1])


def test_guesses_pass_no_gradient_to_the_look_they_were_read_from():
    module, batch = small("fixmatch", threshold=0.0), digits([-1, -1, -1])
    batch.view.requires_grad_()
    batch.other.requires_grad_()
    terms = module.losses(batch, progress=1.0, generator=torch.Generator().manual_seed(7))
    terms["guesses"].backward()
    assert batch.other.grad.any()
    assert batch.view.grad is None or not batch.view.grad.any()


def test_codes_do_not_feel_the_decoder():
    module, batch = small("fixmatch"), digits([-1, -1, 3])
    given = module.losses(batch, progress=1.0, generator=torch.Generator().manual_seed(7))
    given["pixels"].backward()
    assert module.encoder.body[0].weight.grad is None
    assert all(p.grad.any() for p in module.decoder.parameters())


def test_a_balanced_choice_takes_the_surest_of_each_class():
    first = torch.tensor([0.99, 0.98, 0.97, 0.96, 0.6, 0.02, 0.03, 0.99])
    chances = torch.stack([first, 1 - first], dim=1)
    unknown = torch.tensor([True] * 7 + [False])
    plain = taken(chances, unknown, 0.95)
    assert plain.tolist() == [0, 0, 0, 0, -1, 1, 1, -1]
    assert taken(chances, unknown, 0.95, balanced=True).tolist() == [0, 0, 0, -1, -1, 1, 1, -1]
    assert taken(chances, unknown, 0.0).tolist() == [0, 0, 0, 0, 0, 1, 1, -1]


def test_without_unlabelled_pictures_guesses_cost_nothing():
    logits = torch.randn(3, 2)
    nothing = guess_loss(logits, torch.full((3,), -1), torch.zeros(3, dtype=torch.bool))
    assert nothing.item() == 0


def test_class_codes_follow_the_codes_of_the_labelled():
    module, label = small("supervised").train(), [0, 0, 1, 1, 1, -1]
    batch = digits(label)
    module.losses(batch, progress=0.0, generator=torch.Generator().manual_seed(0))
    code = module.posterior(batch.view)[0].detach()
    drawn = module.class_codes(100_000, torch.Generator().manual_seed(0))
    for number, rows in ((0, [0, 1]), (1, [2, 3, 4])):
        spread = code[rows].std(0, unbiased=False)
        torch.testing.assert_close(drawn[number].mean(0), code[rows].mean(0), atol=0.01, rtol=0.0)
        torch.testing.assert_close(drawn[number].std(0), spread, atol=0.01, rtol=0.0)
    before = module.seen.clone()
    module.eval().losses(batch, progress=0.0, generator=torch.Generator().manual_seed(0))
    assert torch.equal(module.seen, before)


def test_class_codes_last_until_the_class_is_seen_again():
    module, batch = small("supervised").train(), digits([3, 3])
    module.losses(batch, progress=0.0, generator=torch.Generator().manual_seed(0))
    before = module.class_codes(4, torch.Generator().manual_seed(0))[3]
    code, none = torch.randn(2, 5), torch.full((2,), -1)
    for _ in range(3000):  # an epoch of few labels in small batches
        module._note(code, none)
    after = module.class_codes(4, torch.Generator().manual_seed(0))[3]
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)


def test_codes_of_classes_are_noted_in_full_precision_under_autocast():
    module, batch = small("supervised").train(), digits([1, 1, 1])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        code = module.posterior(batch.view)[0]
        module.losses(batch, progress=0.0, generator=torch.Generator().manual_seed(0))
    wanted = torch.cat([torch.tensor([3.0]), code.sum(0), code.square().sum(0)])
    torch.testing.assert_close(module.seen[1], wanted, rtol=1e-5, atol=0.0)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="fixmatch"):
        SelfTraining(method="co-training")
