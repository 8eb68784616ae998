"""Several models trained as one (`training.ensemble`) beside one after another: seconds a step.

Members are seeds of the shipped recipe, each with its own order, variations and noise, on balls in
lung. Both ways give the same losses, which are compared. On the CPU the time told is that of the
processor, so that what else runs does not count; on a graphics card it is the clock's.

    python benchmarks/ensemble.py [--members 5] [--batch 96] [--device cuda]
"""

from __future__ import annotations

import argparse
import os
import time

import torch

from napari_vaemed.data.progress import finish
from napari_vaemed.models.device import choose_device, device_name
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.training.ensemble import fit_together
from napari_vaemed.training.fit import fit
from napari_vaemed.training.samples import NoduleSamples

STEPS = 2


def balls(n: int) -> NoduleSamples:
    """Balls of growing radius in lung, four looks each."""
    radii = torch.linspace(2, 12, n)
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


def members(count: int) -> list[GaussianVAE]:
    """Untrained models, each with first weights of its own."""
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(GaussianVAE())
    return made


def seconds(device: str) -> float:
    """Of the processor, or of the clock once the card is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=3, help="the first is not timed")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    count, epochs = options.members, options.epochs
    samples = balls(STEPS * options.batch)
    settings = {"epochs": epochs, "batch": options.batch, "lr": 3e-3, "device": device}
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{device_name(device)}, {torch.get_num_threads()} threads, load {load}")
    print(f"{count} x GaussianVAE, batch {options.batch}, {epochs} epochs of {STEPS} steps")

    clock: list[float] = []
    one_by_one, alone = 0.0, []
    for seed, module in enumerate(members(count)):
        clock, losses = [], []

        def note(epoch, clock=clock, losses=losses) -> None:
            clock.append(seconds(device))
            losses.append(sum(epoch.losses.values()))

        work = fit(module, samples, seed=seed, precision="fp32", compile="off", **settings)
        finish(work, note)
        one_by_one += clock[-1] - clock[0]
        alone.append(losses[-1])

    clock, together = [], []

    def note_all(epochs) -> None:
        clock.append(seconds(device))
        together[:] = [sum(epoch.losses.values()) for epoch in epochs]

    work = fit_together(members(count), [samples] * count, seeds=range(count), **settings)
    finish(work, note_all)
    at_once = clock[-1] - clock[0]

    steps = (epochs - 1) * STEPS
    apart = max(abs(a - b) / abs(a) for a, b in zip(alone, together, strict=True))
    print(f"one after another  {one_by_one / steps:8.3f} s a step of all")
    print(f"together           {at_once / steps:8.3f} s a step of all")
    print(f"ratio              {one_by_one / at_once:8.2f} x")
    losses = ", ".join(f"{a:.3f} {b:.3f}" for a, b in zip(alone, together, strict=True))
    print(f"final losses, alone and together: {losses}")
    print(f"largest difference {apart:.1e} of the loss")


if __name__ == "__main__":
    main()
