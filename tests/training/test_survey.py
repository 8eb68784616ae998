"""A module that looks over all samples before every epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from napari_vaemed.data.progress import finish
from napari_vaemed.models.protocols import Surveyor
from napari_vaemed.training.fit import fit


@dataclass(frozen=True, eq=False)
class Numbers:
    """As many numbers as there are rows; a batch is the numbers."""

    value: torch.Tensor

    def __len__(self) -> int:
        return len(self.value)

    def to(self, device: str) -> Numbers:
        return Numbers(self.value.to(device))

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return self.value[rows]


class Jumping(nn.Module):
    """Learns a mean; half-way it jumps to one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[float, float]] = []

    def survey(
        self, batches: Iterable[torch.Tensor], *, progress: float, generator: torch.Generator
    ) -> bool:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen.append((progress, sum(float(batch.sum()) for batch in batches)))
        if progress != 0.5:
            return False
        self.mean.fill_(100.0)
        return True

    def losses(
        self, batch: torch.Tensor, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        return {"off": (self.mean - batch.mean()).square()}


def test_it_sees_all_samples_once_before_every_epoch():
    module = Jumping()
    assert isinstance(module, Surveyor)
    finish(fit(module, Numbers(torch.arange(10.0)), epochs=4, batch=3))
    assert module.seen == [(share / 4, 45.0) for share in range(4)]


def test_the_average_and_the_best_epoch_start_over_when_its_loss_is_another():
    module, samples = Jumping(), Numbers(torch.arange(10.0))
    means, losses, best = [], [], []
    for epoch in fit(module, samples, epochs=4, batch=3, lr=1e-6, held_out=samples):
        means.append(round(epoch.state["average.mean"].item()))
        losses.append(epoch.held_out["off"])
        best.append(epoch.best)
    assert means == [0, 0, 100, 100]
    assert max(losses[:2]) < 100 < min(losses[2:])
    assert best[1] <= 2
    assert best[3] >= 3  # though they are worse
    assert round(module.mean.item()) == 100
