from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_vaemed.data.progress import finish
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.training.fabric import start_fabric
from napari_vaemed.training.fit import fit
from napari_vaemed.training.learner import one_cycle
from napari_vaemed.training.samples import NoduleSamples
from napari_vaemed.training.steps import NotANumber, Watch, out_of_memory

SMALL = {"latent_dims": 4, "encoder_width": 8, "decoder_width": 8}


@pytest.fixture(scope="module")
def samples(balls) -> NoduleSamples:
    return balls(10)


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


def test_a_constant_rate_stays_the_highest(samples):
    _, epochs = _trained(samples, epochs=3, lr=1e-3, schedule="constant")
    assert [epoch.rate for epoch in epochs] == [1e-3] * 3


def test_a_schedule_that_there_is_not_is_refused(samples):
    with pytest.raises(ValueError, match="must be one-cycle or constant; got 'steps'"):
        _trained(samples, epochs=1, schedule="steps")


def test_a_subset_holds_the_asked_rows_of_everything(samples):
    part = samples.subset(torch.tensor([7, 2]).numpy())
    for field in fields(samples):
        whole, few = getattr(samples, field.name), getattr(part, field.name)
        assert torch.equal(few, whole[[7, 2]])


@dataclass(frozen=True, eq=False)
class Points:
    """Points on a line through 0."""

    x: torch.Tensor
    slope: float = 3.0

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: str) -> Points:
        return replace(self, x=self.x.to(device))

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        x = self.x[rows] + 0.01 * torch.randn(len(rows), generator=generator)
        return {"x": x, "y": self.slope * x}


class Line(nn.Module):
    """Learns a slope from the points it sees; only so many fit into its memory."""

    def __init__(self, *, most: int = 1000, dropout: float = 0.0) -> None:
        super().__init__()
        self.most, self.dropout = most, dropout
        self.slope = nn.Linear(1, 1, bias=False)
        self.seen = torch.empty(0)

    def losses(self, batch, *, progress, generator):
        self.seen = batch["x"]
        if len(self.seen) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        x = nn.functional.dropout(self.seen, self.dropout, self.training)
        return {"far": (self.slope(x[:, None])[:, 0] - batch["y"]).square().mean()}


POINTS = Points(torch.linspace(-1, 1, 32))


def _line(**arguments) -> Line:
    torch.manual_seed(0)
    return Line(**arguments)


def _stopped_after(done: int, *arguments, **settings) -> dict[str, torch.Tensor]:
    run = fit(*arguments, **settings)
    for _ in range(done):
        state = {name: value.clone() for name, value in next(run).state.items()}
    run.close()
    return state


def test_too_large_a_batch_is_halved_until_it_fits_and_the_epoch_says_so():
    epochs = []
    settings = {"epochs": 3, "batch": 16, "lr": 0.1}
    whole = finish(fit(_line(most=5), POINTS, **settings), epochs.append)
    assert [epoch.batch for epoch in epochs] == [4, 4, 4]
    assert epochs[0].notes == (
        "Out of memory: steps of 8 samples from here on.",
        "Out of memory: steps of 4 samples from here on.",
    )
    assert epochs[1].notes == ()
    assert epochs[-1].losses["far"] < epochs[0].losses["far"]
    state = _stopped_after(1, _line(most=5), POINTS, **settings)
    assert _same(whole, finish(fit(_line(most=5), POINTS, resume=state, **settings)))


def test_a_set_smaller_than_the_batch_is_halved_itself():
    epoch = next(fit(_line(most=16), POINTS, batch=1000))
    assert epoch.batch == 16
    assert len(epoch.notes) == 1


def test_one_sample_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        next(fit(_line(most=0), POINTS, batch=16))


def test_the_processor_out_of_memory_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as no_room:
        torch.empty(2**58, dtype=torch.uint8)
    with pytest.raises(RuntimeError) as other:
        torch.empty(2) @ torch.empty(3)
    assert out_of_memory(no_room.value)
    assert not out_of_memory(other.value)


def test_a_loss_that_is_no_number_stops_with_the_batch_as_the_module_saw_it():
    x = POINTS.x.clone()
    x[7] = torch.nan
    module = _line()
    with pytest.raises(NotANumber, match=r"The far loss .* in epoch 1, at samples .*\b7\b") as met:
        next(fit(module, replace(POINTS, x=x), batch=4))
    batch = met.value.batch
    assert 7 in batch["rows"]
    np.testing.assert_array_equal(batch["x"], module.seen)
    assert batch["y"].isnan().sum() == 1
    assert module.slope.weight.isfinite().all()


def test_a_bad_loss_seen_steps_later_is_traced_to_its_batch():
    """As on a graphics card, whose losses are not looked at after every step."""
    generator = torch.Generator().manual_seed(4)
    watch = Watch(start_fabric("cpu", "fp32"), POINTS, epoch=9, every=4)
    drawn = []
    for step in range(3):
        rows = torch.arange(3) + step
        watch.add(rows, generator.get_state(), {"far": torch.tensor(torch.nan if step == 1 else 1)})
        drawn.append(POINTS.draw(rows, generator)["x"])
    with pytest.raises(NotANumber, match=r"epoch 9, at samples 1, 2, 3\."):
        watch.means()
    with pytest.raises(NotANumber) as met:
        watch.add(rows, generator.get_state(), {"far": torch.tensor(0.0)})
    np.testing.assert_array_equal(met.value.batch["x"], drawn[1])


def test_training_stops_early_and_gives_the_weights_the_held_out_samples_liked_best():
    """Points of a smaller slope are held out: the way to 3 passes by 1, and leaves it again."""
    held_out = replace(POINTS, slope=1.0)
    averages = {}
    run = fit(_line(), POINTS, epochs=60, batch=8, lr=0.1, ema=0.5, held_out=held_out, patience=3)

    def keep(epoch):
        averages[epoch.number] = epoch.state["average.slope.weight"].clone()
        epochs.append(epoch)

    epochs = []
    module = finish(run, keep)
    losses = [epoch.held_out["far"] for epoch in epochs]
    best = 1 + int(np.argmin(losses))
    assert 1 < best == epochs[-1].best == epochs[-1].number - 3 < 60
    assert [epoch.last for epoch in epochs] == [False] * (len(epochs) - 1) + [True]
    assert epochs[-1].notes == (f"Stopped early: the held-out loss was lowest in epoch {best}.",)
    assert torch.equal(module.slope.weight, averages[best])


@pytest.mark.parametrize("done", [2, 5, 6])
def test_an_early_stop_comes_at_the_same_epoch_after_a_resume(done):
    settings = {"epochs": 60, "batch": 8, "lr": 0.1, "ema": 0.5, "patience": 3}
    settings["held_out"] = replace(POINTS, slope=1.0)
    unbroken, epochs = [], []
    whole = finish(fit(_line(dropout=0.2), POINTS, **settings), unbroken.append)
    state = _stopped_after(done, _line(dropout=0.2), POINTS, **settings)
    again = finish(fit(_line(dropout=0.2), POINTS, resume=state, **settings), epochs.append)
    assert [e.losses for e in unbroken[done:]] == [e.losses for e in epochs]
    assert _same(whole, again)


def test_a_finished_training_is_not_gone_on_with():
    settings = {"epochs": 2, "batch": 8}
    state = _stopped_after(2, _line(), POINTS, **settings)
    with pytest.raises(StopIteration) as stop:
        next(fit(_line(), POINTS, resume=state, **settings))
    assert torch.equal(stop.value.value.slope.weight, state["average.slope.weight"])


def test_dropout_leaves_the_random_numbers_of_the_process_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    run = fit(Line(dropout=0.5), POINTS, epochs=2, batch=8)
    torch.manual_seed(5)
    finish(run)
    assert torch.equal(torch.rand(3), wanted)


def test_patience_wants_samples_to_judge_by():
    with pytest.raises(ValueError, match="samples held out"):
        next(fit(_line(), POINTS, patience=2))


def test_pictures_are_those_of_the_averaged_network():
    def picture(module):
        return {"slope": np.array([[module.slope.weight.item()]])}

    epoch = next(fit(_line(), POINTS, batch=8, pictures=picture))
    assert epoch.pictures["slope"].item() == epoch.state["average.slope.weight"].item()
