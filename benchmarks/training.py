"""The training loop beside pythae's trainer: seconds an epoch, with the same network and batches.

pythae's own VAE, with this package's encoder and decoder in it, is trained by both on patches of
nodules (of balls in noise without ``--data``); its class computes the loss in both. Patches are
not varied, since pythae does not. On the CPU both have ``--threads`` cores; with a graphics card,
both train on it as well, and how much of the card's bf16 peak is used is told.

pythae 0.1.2 wants an obsolete package beside it, so it is no dependency; it runs without:

    pip install --no-deps --target /tmp/pythae pythae==0.1.2
    PYTHONPATH=/tmp/pythae python benchmarks/training.py [--data FOLDER/lidc_nodules]
"""

from __future__ import annotations

import argparse
import copy
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from napari_vaemed.data.progress import finish
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.models.device import device_name
from napari_vaemed.models.networks import Decoder, SlabEncoder, to_unit
from napari_vaemed.training.fit import fit
from napari_vaemed.training.samples import nodule_samples

LATENT, BATCH, STEPS, HELD_OUT = 24, 96, 8, 27
LR = 1e-3
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0}
"""Dense bf16, as the maker's data sheets give it."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches (n, 1, z, y, x) in [0, 1], handed over as they are."""

    unit: torch.Tensor

    def __len__(self) -> int:
        return len(self.unit)

    def to(self, device: str) -> Patches:
        return Patches(self.unit.to(device))

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return self.unit[rows]


class Encoder(BaseEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.slab = SlabEncoder(slices=4, width=48, features=256)
        self.mean, self.log_variance = nn.Linear(256, LATENT), nn.Linear(256, LATENT)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        features = self.slab(x)
        return ModelOutput(
            embedding=self.mean(features), log_covariance=self.log_variance(features)
        )


class Drawing(BaseDecoder):
    def __init__(self) -> None:
        super().__init__()
        self.decoder = Decoder(latent_dims=LATENT, width=24)

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.decoder(z)[0]))


class Ours(nn.Module):
    """The parts of pythae's model, and its loss, as this package's loop wants them.

    Written out, as ``torch.compile`` cannot read pythae's outputs; `show` asks pythae's own class.
    """

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.slab, self.decoder = vae.encoder.slab, vae.decoder.decoder
        self.mean, self.log_variance = vae.encoder.mean, vae.encoder.log_variance

    def losses(
        self, batch: torch.Tensor, *, progress: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        features = self.slab(batch)
        mean, log_variance = self.mean(features).float(), self.log_variance(features).float()
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        z = mean + torch.exp(0.5 * log_variance) * noise
        drawn = torch.sigmoid(self.decoder(z)[0].float())
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        return {
            "reconstruction": 0.5 * (drawn - batch).square().flatten(1).sum(1).mean(),
            "kl": kl.sum(1).mean(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of nodule crops, as lidc_nodules")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2, help="each is timed so often; best counts")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    logging.disable(logging.INFO)
    unit = to_unit((nodules(asked.data) if asked.data else balls()).float())[:, None]
    known, held_out = unit[: BATCH * STEPS], unit[BATCH * STEPS :][:HELD_OUT]
    torch.manual_seed(0)
    config = VAEConfig(input_dim=(1, 32, 32, 32), latent_dim=LATENT)
    vae = VAE(config, encoder=Encoder(), decoder=Drawing())
    count = sum(p.numel() for p in vae.parameters())
    print(f"{len(known)} patches, batch {BATCH}, {asked.epochs} epochs, {count} weights")
    by_this_package(vae, known[:BATCH], 1, "cpu", "auto")  # warm up: what each imports and makes
    by_pythae(vae, known[:BATCH], 1, on_cuda=False)
    ours, pythae = [], []
    for _ in range(asked.rounds):  # in turn, so that both meet the same machine
        ours.append(by_this_package(vae, known, asked.epochs, "cpu", "auto"))
        pythae.append(by_pythae(vae, known, asked.epochs, on_cuda=False))
    here, theirs = min(s for s, _ in ours), min(s for s, _ in pythae)
    show(f"this package, {asked.threads} cores", here, ours[0][1], held_out)
    show(f"pythae, {asked.threads} cores", theirs, pythae[0][1], held_out)
    print(f"pythae / this package: {theirs / here:.2f}")
    if torch.cuda.is_available():
        on_card(vae, known, held_out, 10 * asked.epochs, theirs)


def on_card(
    vae: VAE, known: torch.Tensor, held_out: torch.Tensor, epochs: int, cpu_s: float
) -> None:
    """Both on the graphics card, and ours compiled."""
    card = device_name("cuda")
    peak = next((p for name, p in PEAK_TFLOPS.items() if name in card), None)
    flops = 8 * flops_of_a_step(vae, known)
    for kind in ("off", "on"):
        by_this_package(vae, known, 3, "cuda", kind)  # warm up
        seconds, trained = by_this_package(vae, known, epochs, "cuda", kind)
        show(f"this package, {card}, compile {kind}", seconds, trained, held_out)
        share = "" if peak is None else f", {flops / seconds / peak / 1e12:.1%} of the bf16 peak"
        print(f"  {cpu_s / seconds:.0f} times pythae on the CPU{share}")
    seconds, trained = by_pythae(vae, known, epochs, on_cuda=True)
    show(f"pythae, {card}", seconds, trained, held_out)


def by_this_package(
    vae: VAE, patches: torch.Tensor, epochs: int, device: str, compile: str
) -> tuple[float, VAE]:
    vae = copy.deepcopy(vae)
    start = time.perf_counter()
    settings = {"batch": BATCH, "epochs": epochs, "lr": LR, "device": device, "compile": compile}
    finish(fit(Ours(vae), Patches(patches), **settings))
    return (time.perf_counter() - start) / epochs, vae.cpu()


def by_pythae(vae: VAE, patches: torch.Tensor, epochs: int, *, on_cuda: bool) -> tuple[float, VAE]:
    model = copy.deepcopy(vae)
    data = BaseDataset(patches, torch.zeros(len(patches)))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            num_epochs=epochs,
            optimizer_cls="AdamW",
            optimizer_params={"weight_decay": 1e-4},
            learning_rate=LR,
            keep_best_on_train=True,
            no_cuda=not on_cuda,
            amp=on_cuda,
        )
        trainer = BaseTrainer(model, train_dataset=data, training_config=config)
        start = time.perf_counter()
        trainer.train()
    return (time.perf_counter() - start) / epochs, trainer.model.cpu()


def show(name: str, seconds: float, vae: VAE, held_out: torch.Tensor) -> None:
    """Seconds an epoch, and the loss on patches that neither saw, at the same noise."""
    torch.manual_seed(1)
    with torch.no_grad():
        out = vae.eval()(DatasetOutput(data=held_out))
    print(f"{name}: {seconds:.3f} s an epoch, final loss held out {float(out.loss):.1f}")


def flops_of_a_step(vae: VAE, patches: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        vae(DatasetOutput(data=patches[:BATCH])).loss.backward()
    return counter.get_total_flops()


def nodules(folder: Path) -> torch.Tensor:
    found = finish(read_nodule_set(folder))
    return finish(nodule_samples(found, views=1)).target


def balls() -> torch.Tensor:
    """Balls of 4 to 16 mm in lung and noise."""
    n, generator = BATCH * STEPS + HELD_OUT, torch.Generator().manual_seed(0)
    at = torch.stack(torch.meshgrid(*[torch.arange(32) - 15.5] * 3, indexing="ij"))
    radius = 2 + 6 * torch.rand(n, 1, 1, 1, generator=generator)
    hu = torch.where(at.norm(dim=0)[None] <= radius, 30.0, -850.0)
    return (hu + 20 * torch.randn(hu.shape, generator=generator)).round().to(torch.int16)


if __name__ == "__main__":
    main()
