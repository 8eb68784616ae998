"""One step of a training: from rows to terms of the loss, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch
from torch import nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric

State = dict[str, torch.Tensor]
"""Named tensors, flat: what a checkpoint holds."""

before_step: ContextVar[Callable[[], object]] = ContextVar("before_step", default=lambda: None)
"""Called before every step, in the thread that trains; what it raises ends the training there.

Its last checkpoint stays, so that it can be resumed.
"""

Terms = Mapping[str, torch.Tensor]
"""Weighted terms of the loss, scalars."""


class Samples(Protocol):
    """What can be learned from: n samples that lie on one device and are varied there."""

    def __len__(self) -> int: ...

    def to(self, device: str) -> Self:
        """The same on another device."""
        ...

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> Any:
        """Varied looks at these rows, as the module's ``losses`` wants them."""
        ...


class Step(nn.Module):
    """From rows of the samples to the module's terms of the loss."""

    def __init__(self, module: nn.Module, samples: Samples) -> None:
        super().__init__()
        self.module, self.samples = module, samples

    def forward(self, rows: torch.Tensor, progress: float, generator: torch.Generator) -> Terms:
        """Draw the rows, in float32 always, and ask the module for its losses on them."""
        with torch.autocast(rows.device.type, enabled=False):
            drawn = self.samples.draw(rows, generator)
        return dict(self.module.losses(drawn, progress=progress, generator=generator))  # type: ignore[operator]


class NotANumber(ValueError):
    """A loss is no longer a number.

    Parameters
    ----------
    message : str
        Names the terms and the samples.
    batch : State
        The ``rows`` of the samples, and every tensor that was drawn from them.
    """

    def __init__(self, message: str, batch: State) -> None:
        super().__init__(message, batch)
        self.message, self.batch = message, batch

    def __str__(self) -> str:
        return self.message


class Watch:
    """Adds up the losses of an epoch, and stops it when one is no longer a number.

    It looks every so many steps, and then draws the bad batch once more.
    """

    def __init__(self, fabric: Fabric, samples: Samples, epoch: int, every: int) -> None:
        self._fabric, self._samples, self._epoch, self._every = fabric, samples, epoch, every
        self._names: list[str] = []
        self._steps: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._sum, self._count = torch.zeros((), device=fabric.device), 0

    def add(self, rows: torch.Tensor, drawn_from: torch.Tensor, terms: Terms) -> None:
        """Take note of a step: its rows, the generator's state before they were drawn, its terms.

        Raises
        ------
        NotANumber
        """
        self._names = list(terms)
        values = torch.stack([term.detach().float() for term in terms.values()])
        self._steps.append((rows, drawn_from, values))
        if len(self._steps) == self._every:
            self._look()

    def means(self) -> dict[str, float]:
        """Mean of each term over the steps of the epoch."""
        self._look()
        means = torch.as_tensor(self._fabric.all_reduce(self._sum / self._count))
        return dict(zip(self._names, means.tolist(), strict=True))

    def _look(self) -> None:
        if not self._steps:
            return
        values = torch.stack([values for _, _, values in self._steps])
        bad = ~values.isfinite()
        if self._fabric.all_reduce(bad.any().float(), reduce_op="max"):
            self._stop(bad.cpu())
        self._sum, self._count = self._sum + values.sum(0), self._count + len(values)
        self._steps.clear()

    def _stop(self, bad: torch.Tensor) -> None:
        if not bad.any():
            raise NotANumber(f"Another process met a bad loss in epoch {self._epoch}.", {})
        step = int(bad.any(1).nonzero()[0])
        rows, drawn_from, _ = self._steps[step]
        names = ", ".join(n for n, b in zip(self._names, bad[step].tolist(), strict=True) if b)
        generator = torch.Generator(self._fabric.device)
        generator.set_state(drawn_from)
        raise NotANumber(
            f"The {names} loss is no longer a number in epoch {self._epoch}, at samples "
            f"{', '.join(map(str, rows.tolist()))}. Look at them, or train again with a lower "
            "learning rate.",
            {"rows": rows, **_tensors(self._samples.draw(rows, generator))},
        )


def out_of_memory(error: RuntimeError) -> bool:
    """Whether this says that memory does not suffice, on a graphics card or the processor."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


@contextmanager
def own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's own randomness, for dropout, and leave it afterwards as it was before."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _tensors(drawn: Any) -> State:
    """All tensors of a batch by name, whether it is a dataclass, a mapping or a sequence."""
    if isinstance(drawn, torch.Tensor):
        return {"batch": drawn.clone()}
    if is_dataclass(drawn):
        drawn = {field.name: getattr(drawn, field.name) for field in fields(drawn)}
    elif not isinstance(drawn, Mapping):
        drawn = {f"batch.{number}": value for number, value in enumerate(drawn)}
    return {str(k): v.clone() for k, v in drawn.items() if isinstance(v, torch.Tensor)}
