"""Adversarial variational Bayes where the truth can be computed: four pictures, two latents.

    python benchmarks/avb_toy.py

Four pictures of 2 × 2 binary pixels, one pixel lit in each, as in Mescheder et al. 2017, section
6.1. Two decoders: *learned*, as in the paper, and *mirrored*, which is given and cannot tell z from
−z, so that every true posterior has two modes. The truth needs neither discriminator nor encoder
density: millions of latents are counted in cells of 0.05, and KL and evidence are sums over the
cells. Trained by the package's one loop (`training.fit`) with one optimizer.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage, special
from torch import nn

from napari_vaemed.data.progress import finish
from napari_vaemed.models.vae.adversarial import Discriminator, NoisyHead, contrast
from napari_vaemed.training.fit import fit

PICTURES = torch.eye(4)
EDGE, CELL = 5.0, 0.05
Grid = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Draws:
    """The four pictures, so many times each."""

    picture: torch.Tensor

    def __len__(self) -> int:
        return len(self.picture)

    def to(self, device: str) -> Draws:
        """The same on another device."""
        return Draws(self.picture.to(device))

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Pictures (n, 4)."""
        return self.picture[rows]


class Mirrored(nn.Module):
    """A decoder without weights: each picture is lit in two opposite directions."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Logits (…, 4) of latents (…, 2)."""
        x, y = z.unbind(-1)
        length = (x * x + y * y + 1e-6).sqrt()
        across, along = (x * x - y * y) / length, 2 * x * y / length
        return 4.0 * torch.stack([across, along, -across, -along], dim=-1) - 2.0


def learned_decoder() -> nn.Module:
    """Logits (…, 4) of latents (…, 2)."""
    return nn.Sequential(
        nn.Linear(2, 64), nn.ELU(), nn.Linear(64, 64), nn.ELU(), nn.Linear(64, 4)
    )  # fmt: skip


class Toy(nn.Module):
    """The adversarial VAE's head and discriminator; the pictures are their own features."""

    def __init__(self, decoder: nn.Module, contrasts: int = 16) -> None:
        super().__init__()
        self.decoder, self.contrasts = decoder, contrasts
        self.head = NoisyHead(features=4, latent_dims=2, noise_dims=4, bases=4, width=32)
        self.discriminator = Discriminator(features=4, latent_dims=2, width=64)
        # Wide from the start: from one mode no small step leads to the other.
        nn.init.constant_(self.head.amounts.bias, 5.0)

    def losses(
        self, batch: torch.Tensor, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Evidence lower bound, its sign turned, and the discriminator's loss."""
        z, kl, judged = contrast(self.head, self.discriminator, batch, self.contrasts, generator)
        wanted = batch[:, None].expand(-1, self.contrasts, -1)
        pixels = F.binary_cross_entropy_with_logits(self.decoder(z), wanted, reduction="none")
        return {"pixels": pixels.sum(-1).mean(), "kl": kl.mean(), "discriminator": judged}


def trained_toy(decoder: nn.Module, *, steps: int, seed: int = 0, lr: float = 1e-2) -> Toy:
    """Train for so many steps of 32 pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        toy = Toy(decoder)
    draws = Draws(PICTURES.repeat(8 * 50, 1))
    work = fit(toy, draws, epochs=max(1, steps // 50), batch=32, lr=lr, seed=seed, weight_decay=0.0)
    return finish(work)


def caught_up(toy: Toy, *, steps: int, seed: int = 2) -> Toy:
    """Let the discriminator learn on while the encoder is held still; it has been behind."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(toy.discriminator.parameters(), 3e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    toy.discriminator.requires_grad_(True)
    for _ in range(steps):
        optimizer.zero_grad()
        contrast(toy.head, toy.discriminator, PICTURES, 512, generator)[2].backward()
        optimizer.step()
        schedule.step()
    return toy


def middles() -> Grid:
    """Middles of the cells along one axis."""
    return np.arange(-EDGE + CELL / 2, EDGE, CELL)


def prior_mass() -> Grid:
    """Mass of N(0, 1) in each cell, (k, k)."""
    ends = special.ndtr(np.append(middles() - CELL / 2, EDGE))
    return np.outer(np.diff(ends), np.diff(ends))


def counted(z: NDArray[np.floating]) -> Grid:
    """Share of latents (n, 2) in each cell, (k, k)."""
    edges = np.append(middles() - CELL / 2, EDGE)
    share, *_ = np.histogram2d(z[:, 0], z[:, 1], bins=(edges, edges))
    return share / len(z)


def divergence(q: Grid, p: Grid) -> float:
    """KL(q‖p) in nats of two distributions over cells."""
    at = q > 0
    return float((q[at] * np.log(q[at] / p[at])).sum())


def likelihood(decoder: nn.Module, picture: torch.Tensor) -> Grid:
    """ln p(x|z) of a picture in the middle of each cell, (k, k)."""
    grid = np.stack(np.meshgrid(middles(), middles(), indexing="ij"), axis=-1)
    with torch.no_grad():
        logits = decoder(torch.from_numpy(grid.astype(np.float32)))
        wanted = picture.expand_as(logits)
        missed = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return -missed.sum(-1).double().numpy()


def modes(q: Grid) -> int:
    """How many separate regions of high density hold a twentieth of the mass each, at any level."""
    smooth = ndimage.gaussian_filter(q, 2.0)
    most = 1
    for level in np.linspace(0.1, 0.9, 9) * smooth.max():
        pieces, n = ndimage.label(smooth > level)
        mass = ndimage.sum_labels(smooth, pieces, range(1, n + 1))
        most = max(most, int((np.asarray(mass) >= 0.05).sum()))
    return most


@torch.no_grad()
def latents(toy: Toy, picture: torch.Tensor, n: int, seed: int = 1) -> tuple[Grid, float]:
    """Where so many latents of a picture lie, by cells, and the mean estimate of their KL."""
    generator = torch.Generator().manual_seed(seed)
    share, estimates, part = np.zeros((len(middles()),) * 2), [], 20_000
    for _ in range(n // part):
        z, kl, _ = contrast(toy.head, toy.discriminator, picture[None], part, generator)
        share += counted(z[0].numpy())
        estimates.append(kl.mean().item())
    return share / (n // part), float(np.mean(estimates))


def judged(toy: Toy, n: int) -> list[dict[str, float]]:
    """For each picture the estimate of KL(q‖p), the truth, and how good the posterior is."""
    rows = []
    prior = prior_mass()
    for picture in PICTURES:
        share, estimate = latents(toy, picture, n)
        log_likelihood = likelihood(toy.decoder, picture)
        joint = prior * np.exp(log_likelihood)
        evidence = float(np.log(joint.sum()))
        rows.append({
            "estimate": estimate,
            "true": divergence(share, prior),
            "ideal": divergence(joint / joint.sum(), prior),
            "bound": float((share * log_likelihood).sum()) - divergence(share, prior),
            "evidence": evidence,
            "modes": modes(share),
            "true modes": modes(joint / joint.sum()),
        })  # fmt: skip
    return rows


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--steps", type=int, default=4000)
    ask.add_argument("--catch-up", type=int, default=3000, help="steps of T alone, afterwards")
    ask.add_argument("--latents", type=int, default=400_000, help="counted of each picture")
    ask.add_argument("--seed", type=int, default=0)
    given = ask.parse_args()
    torch.set_num_threads(1)
    for name, decoder in (("mirrored", Mirrored()), ("learned", learned_decoder())):
        start = time.perf_counter()
        toy = trained_toy(decoder, steps=given.steps, seed=given.seed)
        before = [latents(toy, picture, 100_000)[1] for picture in PICTURES]
        rows = judged(caught_up(toy, steps=given.catch_up), given.latents)
        print(f"\n{name} decoder, {given.steps} steps and {given.catch_up} of T alone, "
              f"{time.perf_counter() - start:.0f} s; nats")  # fmt: skip
        print(f"{'picture':>8}{'KL by T':>9}{'T caught up':>13}{'counted':>9}{'off':>8}"
              f"{'of truth':>10}{'bound':>9}{'ln p(x)':>9}{'modes':>7}{'of truth':>9}")  # fmt: skip
        for number, (early, row) in enumerate(zip(before, rows, strict=True)):
            print(f"{number:>8}{early:>9.3f}{row['estimate']:>13.3f}{row['true']:>9.3f}"
                  f"{row['estimate'] - row['true']:>+8.3f}{row['ideal']:>10.3f}"
                  f"{row['bound']:>9.3f}{row['evidence']:>9.3f}{row['modes']:>7}"
                  f"{row['true modes']:>9}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
