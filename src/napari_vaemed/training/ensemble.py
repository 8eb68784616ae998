"""Several models of one make trained as one: seeds and folds side by side on a graphics card.

A step of the small networks of this package keeps a card busy for less time than it takes to
start; m of them at once start as one. On a CPU nothing is gained (`benchmarks/ensemble.py`).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from napari_vaemed.models.protocols import Surveyor
from napari_vaemed.training.fit import Epoch
from napari_vaemed.training.learner import MOST_NORM, one_cycle
from napari_vaemed.training.steps import NotANumber, Samples, State, before_step


def fit_together(
    modules: Sequence[nn.Module],
    samples: Sequence[Samples],
    *,
    seeds: Sequence[int],
    epochs: int = 200,
    batch: int = 128,
    lr: float = 2e-3,
    weight_decay: float = 1e-4,
    ema: float = 0.995,
    device: str = "cpu",
) -> Generator[tuple[Epoch, ...], None, tuple[nn.Module, ...]]:
    """Train every module on its own samples; yields an epoch of each, returns the averaged modules.

    Each learns what `fit.fit` would teach it alone, from the same batches and noise, up to the
    rounding of float32. Nothing is held out and nothing can be resumed: an epoch's ``state`` holds
    the averaged weights alone.

    Parameters
    ----------
    modules : sequence of nn.Module
        Of one class and shape, with ``losses``; trained in place.
    samples : sequence of Samples
        Of each; all take as many steps an epoch as the smallest.
    seeds : sequence of int
        Of each one's order, variations and noise.
    epochs, batch, lr, weight_decay, ema, device
        As in `fit.fit`; the batch is each one's own.

    Raises
    ------
    ValueError
        If the modules are of different makes, or draw or keep what cannot be told apart by member
        (dropout, batch norm, a survey before every epoch).
    NotANumber
        If a loss is no longer a number.
    """
    _refuse(modules)
    crew = _Crew(modules, samples, seeds, lr, weight_decay, device)
    batch = min(batch, *(len(each) for each in samples))
    steps = min(len(each) // batch for each in samples)
    start = time.perf_counter()
    for epoch in range(epochs):
        losses = crew.learn(epoch, epochs, batch, steps, lr, ema)
        seconds = time.perf_counter() - start
        yield tuple(
            Epoch(
                number=epoch + 1, total=epochs, losses=terms, seconds=seconds, device=device,
                state=crew.averaged(member), batch=batch, rate=crew.rate, last=epoch + 1 == epochs,
            )
            for member, terms in enumerate(losses)
        )  # fmt: skip
    return crew.finished()


class _Crew:
    """The modules' weights stacked, (m, ...) each, with one optimizer."""

    def __init__(
        self, modules: Sequence[nn.Module], samples: Sequence[Samples], seeds: Sequence[int],
        lr: float, weight_decay: float, device: str,
    ) -> None:  # fmt: skip
        self.modules = [module.to(device).train() for module in modules]
        self.samples = [each.to(device) for each in samples]
        self.seeds, self.device, self.rate, self.taken = seeds, device, lr, 0
        self.weights, self.buffers = stack_module_state(self.modules)
        noted = {name: value for name, value in self.buffers.items() if value.is_floating_point()}
        self._followed = {**self.weights, **noted}  # a step may write into a buffer
        self.average = {name: value.detach().clone() for name, value in self._followed.items()}
        self.optimizer = torch.optim.AdamW(
            list(self.weights.values()), lr, weight_decay=weight_decay, fused=True
        )
        self._losses = _Losses(self.modules[0])

    def learn(
        self, epoch: int, epochs: int, batch: int, steps: int, lr: float, ema: float
    ) -> list[dict[str, float]]:
        """Pass once over the samples; each one's mean of each term."""
        generators = [
            torch.Generator(self.device).manual_seed(seed * 100_003 + epoch) for seed in self.seeds
        ]
        orders = [
            torch.randperm(len(each), generator=generator, device=self.device)
            for each, generator in zip(self.samples, generators, strict=True)
        ]
        total: torch.Tensor | None = None
        for step in range(steps):
            before_step.get()()
            rows = [order[step * batch : (step + 1) * batch] for order in orders]
            progress = (epoch * steps + step) / (epochs * steps)
            terms = self._step(rows, generators, progress)
            self._update(lr * one_cycle(progress), ema)
            values = torch.stack([term.detach() for term in terms.values()])  # (terms, m)
            total = values if total is None else total + values
        assert total is not None
        if not total.isfinite().all():
            who = (~total.isfinite()).any(0).nonzero()[:, 0].tolist()
            raise NotANumber(f"A loss is no longer a number in epoch {epoch + 1}, of {who}.", {})
        means = (total / steps).T.tolist()
        return [dict(zip(terms, values, strict=True)) for values in means]

    def averaged(self, member: int) -> State:
        """Averaged weights of one, as `fit.Epoch.state` names them."""
        kept = self.modules[member].state_dict()
        own = {name: value[member] for name, value in self.average.items()}
        return {f"average.{name}": own.get(name, value) for name, value in kept.items()}

    def finished(self) -> tuple[nn.Module, ...]:
        """The modules with their averaged weights, in evaluation mode."""
        for member, module in enumerate(self.modules):
            weights = self.averaged(member)
            module.load_state_dict({k.removeprefix("average."): v for k, v in weights.items()})
        return tuple(module.eval() for module in self.modules)

    def _step(
        self, rows: Sequence[torch.Tensor], generators: Sequence[torch.Generator], progress: float
    ) -> Mapping[str, torch.Tensor]:
        """Gradients of all; every term of the loss, (m,)."""
        drawn = [
            each.draw(some, generator)
            for each, some, generator in zip(self.samples, rows, generators, strict=True)
        ]
        kind, batches = type(drawn[0]), _stacked(drawn)
        members = torch.arange(len(drawn), device=self.device)[:, None]

        def losses(weights: Any, buffers: Any, batch: Any, member: torch.Tensor) -> Any:
            own = {f"module.{name}": value for name, value in {**weights, **buffers}.items()}
            whole = kind(**batch) if is_dataclass(kind) else batch
            with _OwnNoise(generators, member):
                return functional_call(self._losses, own, (whole, progress, generators[0]))

        self.optimizer.zero_grad(set_to_none=True)
        at_once = vmap(losses, randomness="same")
        terms: dict[str, torch.Tensor] = at_once(self.weights, self.buffers, batches, members)
        torch.stack([term.float() for term in terms.values()]).sum().backward()
        return terms

    def _update(self, rate: float, ema: float) -> None:
        """Move the weights along their gradients, each one's cut at its own norm."""
        self.rate = rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        slopes = [value.grad for value in self.weights.values() if value.grad is not None]
        norm = torch.stack([slope.flatten(1).square().sum(1) for slope in slopes]).sum(0).sqrt()
        share = (MOST_NORM / (norm + 1e-6)).clamp_max(1.0)
        for slope in slopes:
            slope.mul_(share.view(-1, *[1] * (slope.dim() - 1)))
        self.optimizer.step()
        keep = min(ema, (1 + self.taken) / (10 + self.taken))
        now = [value.detach() for value in self._followed.values()]
        torch._foreach_lerp_(list(self.average.values()), now, 1.0 - keep)
        self.taken += 1


class _Losses(nn.Module):
    """A module's losses as what it does when called."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(
        self, batch: Any, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Terms of the loss."""
        return dict(self.module.losses(batch, progress=progress, generator=generator))  # type: ignore[operator]


class _OwnNoise(TorchFunctionMode):
    """Where a member draws from a generator, it gets what its own would have given."""

    def __init__(self, generators: Sequence[torch.Generator], member: torch.Tensor) -> None:
        super().__init__()
        self.generators, self.member = generators, member

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> torch.Tensor:
        kwargs = kwargs or {}
        if kwargs.get("generator") is None:
            return func(*args, **kwargs)
        try:
            drawn = [func(*args, **{**kwargs, "generator": each}) for each in self.generators]
        except RuntimeError as error:  # vmap knows no such draws whose law depends on the member
            raise ValueError(f"These models cannot be trained together: {error}") from None
        return torch.stack(drawn).index_select(0, self.member)[0]


def _stacked(drawn: Sequence[Any]) -> dict[str, torch.Tensor]:
    """Every tensor of the batches, (m, ...)."""
    first = drawn[0]
    names = [f.name for f in fields(first)] if is_dataclass(first) else list(first)
    return {
        name: torch.stack([
            getattr(each, name) if is_dataclass(first) else each[name] for each in drawn
        ])
        for name in names
    }  # fmt: skip


def _refuse(modules: Sequence[nn.Module]) -> None:
    makes = {
        (type(each), *(tuple(value.shape) for value in each.state_dict().values()))
        for each in modules
    }
    if len(makes) != 1:
        raise ValueError("Only modules of one make can be trained together.")
    parts = modules[0].modules()
    if any(isinstance(part, _DropoutNd | _BatchNorm) for part in parts) or isinstance(
        modules[0], Surveyor
    ):
        raise ValueError(
            f"A {type(modules[0]).__name__} cannot be trained together with others (dropout, batch "
            "norm or a survey of its samples). Train one after another."
        )
