"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import nn

State = dict[str, torch.Tensor]
"""All that a training needs to go on: flat, tensors only."""


class Samples(Protocol):
    """What can be learned from: n samples that lie on one device and are varied there."""

    def __len__(self) -> int: ...

    def to(self, device: str) -> Self:
        """The same on another device."""
        ...

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> Any:
        """Varied looks at these rows, as the module's ``losses`` wants them."""
        ...


@dataclass(frozen=True, eq=False)
class Epoch:
    """One pass over the samples.

    Parameters
    ----------
    number, total : int
        Passes done, of how many.
    losses : mapping
        Mean of each weighted term of the loss.
    seconds : float
        Since the start of this run.
    device : str
    state : State
        Live tensors; whoever wants to keep them writes or copies them before the next epoch.
    """

    number: int
    total: int
    losses: Mapping[str, float]
    seconds: float
    device: str
    state: State


def fit(
    module: nn.Module,
    samples: Samples,
    *,
    epochs: int = 200,
    batch: int = 128,
    lr: float = 2e-3,
    weight_decay: float = 1e-4,
    ema: float = 0.995,
    seed: int = 0,
    device: str = "cpu",
    precision: str = "auto",
    resume: State | None = None,
) -> Generator[Epoch, None, nn.Module]:
    """Train ``module`` on ``samples``; yields each epoch, returns the averaged module.

    AdamW with a one-cycle learning rate; the result carries the exponential moving average of the
    weights. The same seed gives the same result on the CPU, also when resumed.

    Parameters
    ----------
    module : nn.Module
        With ``losses(batch, progress=, generator=)``, weighted terms of the loss (see
        `models.protocols`); trained in place.
    samples : Samples
        Their ``draw`` gives the batches.
    epochs, batch : int
        Passes over the samples, samples a step.
    lr : float
        Highest learning rate.
    ema : float
        Share of the average kept at each step.
    precision : {"auto", "bf16", "fp32"}
        bfloat16 is used on CUDA only; losses are computed in float32.
    resume : State or None
        ``state`` of a yielded epoch of the same settings.

    Raises
    ------
    ValueError
        If ``resume`` is of another model, or a loss is no longer a number.
    """
    module.to(device)
    samples = samples.to(device)
    averaged = {name: value.detach().clone() for name, value in module.state_dict().items()}
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    done = 0 if resume is None else _restore(resume, module, averaged, optimizer)
    steps = max(1, len(samples) // batch)
    start = time.perf_counter()
    for epoch in range(done, epochs):
        module.train()
        generator = torch.Generator(device).manual_seed(seed * 100_003 + epoch)
        order = torch.randperm(len(samples), generator=generator, device=device)
        sums: dict[str, torch.Tensor] = {}
        for step in range(steps):
            progress = (epoch * steps + step) / (epochs * steps)
            _set_rate(optimizer, lr * one_cycle(progress))
            rows = order[step * batch : (step + 1) * batch]
            terms = _step(module, optimizer, samples, rows, progress, generator, precision)
            taken = epoch * steps + step
            _average(averaged, module, min(ema, (1 + taken) / (10 + taken)))
            sums = {name: sums.get(name, 0.0) + value.detach() for name, value in terms.items()}
        losses = {name: float(value) / steps for name, value in sums.items()}
        _check(losses, epoch + 1)
        state = _state(module, averaged, optimizer, epoch + 1)
        yield Epoch(epoch + 1, epochs, losses, time.perf_counter() - start, device, state)
    module.load_state_dict(averaged)
    return module.eval()


def one_cycle(progress: float) -> float:
    """Share of the highest learning rate at a done share: up for 10 %, then a cosine down."""
    if progress < 0.1:
        return 0.04 + 0.96 * progress / 0.1
    fall = (progress - 0.1) / 0.9
    return 0.001 + 0.999 * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * fall))))


def _step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: Samples,
    rows: torch.Tensor,
    progress: float,
    generator: torch.Generator,
    precision: str,
) -> Mapping[str, torch.Tensor]:
    drawn = samples.draw(rows, generator)
    on_cuda = rows.is_cuda
    half = on_cuda and precision in ("auto", "bf16")
    with torch.autocast("cuda" if on_cuda else "cpu", torch.bfloat16, enabled=half):
        terms = module.losses(drawn, progress=progress, generator=generator)  # type: ignore[operator]
    optimizer.zero_grad(set_to_none=True)
    torch.stack([term.float() for term in terms.values()]).sum().backward()
    nn.utils.clip_grad_norm_(module.parameters(), 1000.0)
    optimizer.step()
    return terms


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _average(averaged: State, module: nn.Module, keep: float) -> None:
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            averaged[name].lerp_(value, 1.0 - keep)
        else:  # a batch norm's counter
            averaged[name].copy_(value)


def _check(losses: Mapping[str, float], epoch: int) -> None:
    bad = [name for name, value in losses.items() if value != value]
    if bad:
        raise ValueError(
            f"The {', '.join(bad)} loss is no longer a number in epoch {epoch}. "
            "Train again with a lower learning rate."
        )


def _state(
    module: nn.Module, averaged: State, optimizer: torch.optim.Optimizer, epoch: int
) -> State:
    state = {f"module.{name}": value for name, value in module.state_dict().items()}
    state |= {f"average.{name}": value for name, value in averaged.items()}
    for name, parameter in module.named_parameters():
        for key, value in optimizer.state[parameter].items():
            state[f"adam.{key}.{name}"] = value
    return state | {"epoch": torch.tensor(epoch)}


def _restore(
    state: State, module: nn.Module, averaged: State, optimizer: torch.optim.Optimizer
) -> int:
    wanted = {f"module.{name}": value.shape for name, value in module.state_dict().items()}
    if any(name not in state or state[name].shape != shape for name, shape in wanted.items()):
        raise ValueError(
            "This checkpoint belongs to a model of another make. Resume with the same settings, "
            "or start anew."
        )
    module.load_state_dict({name: state[f"module.{name}"] for name in averaged})
    for name, value in averaged.items():
        value.copy_(state[f"average.{name}"])
    for name, parameter in module.named_parameters():
        optimizer.state[parameter] = {
            key: state[f"adam.{key}.{name}"]
            .clone()
            .to("cpu" if key == "step" else parameter.device)
            for key in ("step", "exp_avg", "exp_avg_sq")
        }
    return int(state["epoch"])
