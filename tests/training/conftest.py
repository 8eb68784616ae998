"""Nodules that every network can learn, for tests of the loop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_vaemed.training.samples import NoduleSamples


@pytest.fixture(scope="session")
def balls() -> Callable[[int], NoduleSamples]:
    """Makes so many balls of growing radius in lung, four looks each."""

    def make(n: int) -> NoduleSamples:
        radii = torch.linspace(2, 7, n)
        at = torch.stack(torch.meshgrid(*[torch.arange(32) - 15.5] * 3, indexing="ij"))
        mask = at.norm(dim=0)[None] <= radii[:, None, None, None]
        hu = torch.where(mask, 30, -850).to(torch.int16)
        return NoduleSamples(
            views=hu[:, None, 14:18].repeat(1, 4, 1, 1, 1),
            target=hu,
            measured=torch.ones_like(mask),
            mask=mask,
            ratings=torch.linspace(1, 5, n)[:, None].repeat(1, 9),
            log_volume=torch.log(4 / 3 * torch.pi * radii**3),
        )

    return make
