"""The Dirichlet VAE beside its Gaussian twin: labels, sparsity, disentanglement.

    python benchmarks/dirichlet.py --data ../shared/data --out /tmp/dirichlet

Three tables. *Labels*: nine ratings as labels (`models.vae.dirichlet.CUTS`), read off the latents
of patients never seen; AUC of each by either model, and their difference on the same draws of
patients. *Sparsity*: the latents against the prior's concentration. *Factors*: MIG and DCI of
models that learned phantom nodules of known making, without labels. What is trained is kept in
``--out``, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.phantom_factors import FACTORS, FactorNodules, factor_nodules
from napari_vaemed.data.progress import finish
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.models.networks import to_unit
from napari_vaemed.models.protocols import DigitBatch
from napari_vaemed.models.vae.dirichlet import CUTS, DirichletVAE
from napari_vaemed.training.bootstrap import interval, patient_draws, weighted_auc
from napari_vaemed.training.digit_samples import UNKNOWN
from napari_vaemed.training.disentanglement import dci, gini, hoyer, mutual_information_gap
from napari_vaemed.training.fit import fit
from napari_vaemed.training.folds import SAME_SCAN, patient_folds
from napari_vaemed.training.samples import NoduleSamples, nodule_samples
from napari_vaemed.training.steps import Samples

FAMILIES = ("dirichlet", "gaussian")
WIDTHS = {"encoder_width": 16, "decoder_width": 8}
"""Narrower than the defaults, for half the time; the same for all."""
PRIORS = (0.1, 0.9, 3.0)
SLICES = 4


def trained(samples: Samples, epochs: int, seed: int, **arguments: Any) -> DirichletVAE:
    """A model of these samples, its first weights drawn from the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = DirichletVAE(**WIDTHS, **arguments)
    return finish(fit(module, samples, epochs=epochs, batch=96, lr=3e-3, seed=seed))


@torch.no_grad()
def read(module: DirichletVAE, looks: torch.Tensor) -> dict[str, np.ndarray]:
    """Mean latents (n, d), logits of the labels (n, 9) and KL (n,) of pictures (n, 1, …)."""
    mean, _, kl = module._latent(looks, torch.Generator().manual_seed(0))
    return {
        "mean": mean.numpy(), "logits": module.label_logits(mean).numpy(), "kl": kl.numpy(),
    }  # fmt: skip


def kept(path: Path, make: Any) -> dict[str, np.ndarray]:
    """What ``make`` gives, once."""
    if not path.exists():
        start = time.perf_counter()
        made = make()
        np.savez(path, seconds=time.perf_counter() - start, **made)
        print(f"  {path.stem}: {time.perf_counter() - start:.0f} s", flush=True)
    with np.load(path) as held:
        return {name: held[name] for name in held.files}


def fold_run(
    out: Path,
    samples: NoduleSamples,
    known: Any,
    held_out: Any,
    name: str,
    given: Any,
    **model: Any,
) -> dict[str, np.ndarray]:
    """What a model that learned from ``known`` says of ``held_out``."""

    def make() -> dict[str, np.ndarray]:
        module = trained(samples.subset(known), given.epochs, given.seed, **model)
        looks = to_unit(samples.subset(held_out).views[:, 0].float())[:, None]
        return read(module, looks)

    return kept(out / f"{name}.npz", make)


def labels(nodules: NoduleSet, samples: NoduleSamples, given: Any, out: Path) -> None:
    """AUC of each label by each family, held out, with paired differences."""
    patients = np.array([SAME_SCAN.get(r.patient, r.patient) for r in nodules.records])
    scores = np.full((given.seeds, len(FAMILIES), len(samples), len(CUTS)), np.nan)
    for seed in range(given.seeds):
        given.seed = seed
        for fold, (known, rest) in enumerate(patient_folds(patients, folds=5, seed=seed)):
            if fold not in given.folds:
                continue
            for place, family in enumerate(FAMILIES):
                name = f"labels-{family}-{given.epochs}-seed{seed}-fold{fold}"
                said = fold_run(out, samples, known, rest, name, given, family=family)
                scores[seed, place, rest] = said["logits"]
    judged = np.isfinite(scores).all(axis=(0, 1, 3))
    scores, patients = scores[:, :, judged], patients[judged]
    truth = samples.ratings.numpy()[judged] >= np.array([CUTS[name] for name in ATTRIBUTES])
    weights = patient_draws(patients.tolist())
    print(f"\nAUC of {len(patients)} nodules of {len(set(patients))} patients, held out in folds "
          f"{given.folds} of 5, {given.seeds} seed(s), {given.epochs} epochs, widths "
          f"{tuple(WIDTHS.values())}; 95 % intervals over patients")  # fmt: skip
    print(f"{'label':<26}{'positive':>9}{'Dirichlet':>22}{'Gaussian':>22}{'difference':>24}")
    drawn = []
    for column, name in enumerate(ATTRIBUTES):
        positive = truth[:, column]
        what = f"{name} >= {CUTS[name]}"
        if min(positive.sum(), (~positive).sum()) < 5:
            print(f"{what:<26}{positive.sum():>9}   too few to be judged")
            continue
        area = [
            np.mean([weighted_auc(positive, s[place, :, column], weights) for s in scores], axis=0)
            for place in range(2)
        ]
        drawn.append(area)
        print(f"{what:<26}{positive.sum():>9}{told(area[0]):>22}{told(area[1]):>22}"
              f"{told(area[0] - area[1], sign=True):>24}")  # fmt: skip
    mean = np.mean(drawn, axis=0)
    print(f"{'mean of these labels':<26}{'':>9}{told(mean[0]):>22}{told(mean[1]):>22}"
          f"{told(mean[0] - mean[1], sign=True):>24}")  # fmt: skip


def sparsity(nodules: NoduleSet, samples: NoduleSamples, given: Any, out: Path) -> None:
    """How the latents' mass is shared out, against the prior's concentration."""
    patients = [SAME_SCAN.get(r.patient, r.patient) for r in nodules.records]
    known, rest = next(patient_folds(patients, folds=5, seed=0))
    truth = samples.ratings.numpy()[rest] >= np.array([CUTS[name] for name in ATTRIBUTES])
    ones = np.ones((1, len(rest)))
    given.seed = 0
    print(f"\nmean latents of {len(rest)} held-out nodules (fold 0, seed 0, {given.epochs} epochs)")
    print(f"{'prior':>6}{'Hoyer':>8}{'Gini':>7}{'largest':>9}{'KL nats':>9}{'mean AUC':>10}")
    for prior in PRIORS:
        default = prior == DirichletVAE().prior
        name = f"labels-dirichlet-{given.epochs}-seed0-fold0" if default else (
            f"prior-{prior}-{given.epochs}")  # fmt: skip
        said = fold_run(out, samples, known, rest, name, given, prior=prior)
        mean = said["mean"]
        areas = [
            weighted_auc(truth[:, i], said["logits"][:, i], ones)[0]
            for i in range(len(CUTS)) if 5 <= truth[:, i].sum() <= len(truth) - 5
        ]  # fmt: skip
        print(f"{prior:>6}{_mass(mean)}{said['kl'].mean():>9.2f}{np.mean(areas):>10.3f}",
              flush=True)  # fmt: skip


def factors(given: Any, out: Path) -> None:
    """MIG and DCI of either family on phantom nodules of known making."""
    learned, judged = factor_nodules(480, seed=0), factor_nodules(600, seed=1)
    print(f"\nmiddle sections of 480 phantoms ({', '.join(FACTORS)}), judged on 600 others; "
          f"10 latents, no labels, {given.factor_epochs} epochs")  # fmt: skip
    print(f"{'family':<12}{'prior':>6}{'seed':>5}{'MIG':>8}{'D':>7}{'C':>7}{'I':>7}{'KL':>8}"
          f"{'Hoyer':>8}{'Gini':>7}{'largest':>9}")  # fmt: skip
    for seed in range(given.factor_seeds):
        for family, prior in (*(("dirichlet", prior) for prior in PRIORS), ("gaussian", 0.9)):
            name = f"factors-{family}-{prior}-{given.factor_epochs}-seed{seed}"

            def make(family: str = family, prior: float = prior, seed: int = seed) -> Any:
                module = trained(
                    Sections.of(learned), given.factor_epochs, seed, family=family, prior=prior,
                    latent_dims=10, images="digit", pixel_weight=3000.0,
                )  # fmt: skip
                return read(module, Sections.of(judged).picture)

            said = kept(out / f"{name}.npz", make)
            found = dci(said["mean"], judged.factors)
            gap = mutual_information_gap(said["mean"], judged.factors)
            print(f"{family:<12}{prior if family == 'dirichlet' else '':>6}{seed:>5}{gap:>8.3f}"
                  f"{found.disentanglement:>7.3f}{found.completeness:>7.3f}"
                  f"{found.informativeness:>7.3f}"
                  f"{said['kl'].mean():>8.2f}", end="")  # fmt: skip
            print(_mass(said["mean"]) if family == "dirichlet" else "", flush=True)


def _mass(mean: np.ndarray) -> str:
    """How the shares of mean latents (n, d) are dealt out: Hoyer, Gini, the largest."""
    return (
        f"{hoyer(mean).mean():>8.3f}{gini(mean).mean():>7.3f}{mean.max(1).mean():>9.3f}"
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sections:
    """Axial pictures (n, 1, 28, 28) in [0, 1] to learn from as they are."""

    picture: torch.Tensor

    @classmethod
    def of(cls, phantoms: FactorNodules) -> Sections:
        """The middle sections of phantoms."""
        middle = torch.from_numpy(phantoms.hu[:, phantoms.hu.shape[1] // 2, 2:-2, 2:-2])
        return cls(to_unit(middle.float())[:, None])

    def __len__(self) -> int:
        return len(self.picture)

    def to(self, device: str) -> Sections:
        """The same on another device."""
        return Sections(self.picture.to(device))

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> DigitBatch:
        """The pictures, twice."""
        picture = self.picture[rows]
        return DigitBatch(picture, picture, picture, torch.full((len(rows),), UNKNOWN))


def told(drawn: np.ndarray, sign: bool = False) -> str:
    """A figure with its interval."""
    found = interval(drawn)
    assert found is not None
    form = "+.3f" if sign else ".3f"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--data", type=Path, help="folder that holds lidc_nodules")
    ask.add_argument("--out", type=Path, required=True, help="what is trained is kept here")
    ask.add_argument("--epochs", type=int, default=15)
    ask.add_argument("--seeds", type=int, default=1)
    ask.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of the five")
    ask.add_argument("--factor-epochs", type=int, default=50)
    ask.add_argument("--factor-seeds", type=int, default=1)
    ask.add_argument("--part", choices=["labels", "sparsity", "factors", "all"], default="all")
    given = ask.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if given.part in ("labels", "sparsity", "all"):
        nodules = finish(read_nodule_set(given.data / "lidc_nodules"))
        samples = finish(nodule_samples(nodules, slices=SLICES, views=8, seed=0))
        if given.part != "sparsity":
            labels(nodules, samples, given, given.out)
        if given.part != "labels":
            sparsity(nodules, samples, given, given.out)
    if given.part in ("factors", "all"):
        factors(given, given.out)


if __name__ == "__main__":
    main()
