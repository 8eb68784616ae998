"""The published one-step clustering loss in a plain loop, as its program trains it.

    python benchmarks/published_one_step.py --data ../shared/data --seeds 0

Adam at a constant rate, no decay and no average of the weights: beside `vaemed digits --model
OneStepVAE --set paper=true --set latent_dims=20 --epochs 50 --batch 100 --lr 1e-3 --schedule
constant` it tells what the package's loop does to the published method. Prints the last losses and
the accuracy by majority on MNIST's test pictures as it goes. Published: 84.5 % after 50 epochs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from napari_vaemed.io.digits import DigitSet, read_digits
from napari_vaemed.models.protocols import DigitBatch
from napari_vaemed.models.vae.one_step import OneStepVAE
from napari_vaemed.training.clustering import majority_accuracy
from napari_vaemed.workflow.train_digits import clusters_of

BATCH = 100
SHOWN = (1, 2, 4, 6, 8)
"""Epochs after which it is judged, and every tenth."""


def train(digits: DigitSet, seed: int, epochs: int, published_networks: bool) -> None:
    """Train one model, printing what it has come to."""
    pictures = torch.from_numpy(digits.pictures).float()[:, None] / 255
    torch.manual_seed(seed)
    module = OneStepVAE(
        images="digit", paper=True, latent_dims=20, published_networks=published_networks
    )
    adam = torch.optim.Adam(module.parameters(), 1e-3, eps=1e-7)
    generator = torch.Generator().manual_seed(seed)
    unknown, start = torch.full((BATCH,), -1), time.perf_counter()
    for epoch in range(1, epochs + 1):
        module.train()
        for rows in torch.randperm(len(pictures), generator=generator).split(BATCH):
            seen = pictures[rows]
            batch = DigitBatch(seen, seen, seen, unknown[: len(seen)])
            losses = module.losses(batch, progress=0.5, generator=generator)
            adam.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            adam.step()
        if epoch in SHOWN or epoch % 10 == 0 or epoch == epochs:
            found = clusters_of(module.eval(), digits)
            told = "  ".join(f"{name} {loss.item():.2f}" for name, loss in losses.items())
            print(f"seed {seed}, epoch {epoch}, {time.perf_counter() - start:.0f} s  {told}  "
                  f"majority {majority_accuracy(found, digits.test_labels):.4f}",
                  flush=True)  # fmt: skip


def main() -> None:
    """Train a model a seed."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--data", type=Path, required=True, help="folder that holds digits/mnist.npz")
    ask.add_argument("--seeds", type=int, nargs="+", default=[0])
    ask.add_argument("--epochs", type=int, default=50)
    ask.add_argument("--published-networks", action="store_true", help="about ten times as slow")
    given = ask.parse_args()
    torch.set_num_threads(1)
    digits = read_digits(given.data / "digits" / "mnist.npz")
    for seed in given.seeds:
        train(digits, seed, given.epochs, given.published_networks)


if __name__ == "__main__":
    main()
