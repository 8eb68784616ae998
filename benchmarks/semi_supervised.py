"""Few labels: does what has none help?

    python benchmarks/semi_supervised.py --data ../shared/data --out /tmp/semi --part mnist
    python benchmarks/semi_supervised.py --data ../shared/data --out /tmp/semi --part lidc

The same labels to all: a supervised network, the same with pictures that M2 has drawn beside the
real ones, pseudo-labels, FixMatch, M2, and the three phases with a VAE, with an autoencoder, and
with a VAE that learns on at the whole rate in the third.

*mnist*: accuracy on the test pictures, as they are and with noise, and the difference to the
supervised network on the same pictures; 95 % intervals over test pictures, seeds averaged. *lidc*:
AUC of malignancy 1–2 against 4–5 for patients held out, of the others' a share told with all of
their nodules; the mean over folds and seeds, and differences to the supervised network and to the
ruler, a logistic regression of log volume on the same labels; 95 % intervals over patients, the
same draws for all. Models are kept in ``--out``, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import DIGIT_RUN, NODULE_RUN
from napari_vaemed.io.bench_report import interval_told, markdown_table
from napari_vaemed.io.checkpoints import Model, read_model, write_model
from napari_vaemed.io.digits import read_digits
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.models import VAES
from napari_vaemed.models.networks import to_unit
from napari_vaemed.models.vae.labels import malignancy_classes
from napari_vaemed.training.bootstrap import (
    Weights,
    interval,
    patient_draws,
    weighted_auc,
    weighted_mean,
)
from napari_vaemed.training.digit_samples import UNKNOWN, DigitSamples, digit_samples
from napari_vaemed.training.fit import fit
from napari_vaemed.training.folds import SAME_SCAN, patient_folds
from napari_vaemed.training.generated import generated_digits, generated_nodules, joined
from napari_vaemed.training.noise import NOISE
from napari_vaemed.training.repeated import repeated
from napari_vaemed.training.samples import NoduleSamples, nodule_samples
from napari_vaemed.workflow.fitted import new_model
from napari_vaemed.workflow.train_digits import clusters_of

SUPERVISED, GENERATED, RULER = "supervised", "supervised + generated", "log volume, logistic"
PAINTER = "M2"
"""Who draws what is learned from beside the real ones."""

ENTRANTS: dict[str, tuple[str, dict[str, Any]]] = {
    SUPERVISED: ("SelfTraining", {"method": "supervised"}),
    GENERATED: ("SelfTraining", {"method": "supervised"}),
    "pseudo-labels": (
        "SelfTraining",
        {"method": "pseudo-labels", "threshold": 0.0, "unlabelled_weight": 3.0},
    ),
    "FixMatch": ("SelfTraining", {"method": "fixmatch"}),
    PAINTER: ("M2", {}),
    "three phases, VAE": ("ThreePhases", {}),
    "three phases, AE": ("ThreePhases", {"variational": False}),
    "three phases, VAE, whole rate": ("ThreePhases", {"joint_rate": 1.0, "encoder_plays": False}),
}
EPOCHS = {"mnist": 10, "lidc": 60}
NARROW = {"decoder_width": 8}
"""Of nodules: half as wide as the defaults, for half the time; the same for all."""

Seconds = dict[str, list[float]]


def main() -> None:
    """Train what is not kept yet, and print a table."""
    given = _options()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    {"mnist": mnist, "lidc": lidc}[given.part](given)


def mnist(given: argparse.Namespace) -> None:
    """Accuracy on MNIST's test pictures, with noise and without."""
    digits = read_digits(given.data / "digits" / "mnist.npz")
    first = slice(given.train_count)
    right: dict[str, list[Any]] = {name: [] for name in given.models}
    seconds: Seconds = {name: [] for name in given.models}
    for seed in given.seeds:
        samples = digit_samples(
            digits.pictures[first], digits.labels[first], share=given.labels, seed=seed
        )
        told = int((samples.label != UNKNOWN).sum())
        case = Case(given, samples, told, seed, f"mnist-{len(samples)}")
        for name in given.models:
            model = case.trained(name)
            classes = [clusters_of(model.module, digits, noise=sd) for sd in (0.0, *NOISE)]
            right[name].append([found == digits.test_labels for found in classes])
            seconds[name].append(model.card["seconds"])
            print(f"  {name}, seed {seed}: {np.mean(right[name][-1][0]):.4f}", flush=True)
    print(f"\n{told} labels of {len(samples)} pictures, {given.repeats} times an epoch, "
          f"{given.epochs} epochs, seeds {given.seeds}; {len(digits.test_labels)} test "
          "pictures\n")  # fmt: skip
    _print_digits({name: np.array(found) for name, found in right.items()}, seconds)


def _print_digits(right: dict[str, NDArray[np.bool_]], seconds: Seconds) -> None:
    """Table of what was right, (seeds, noises, n) by entrant."""
    weights = patient_draws([str(row) for row in range(right[SUPERVISED].shape[2])])
    rows = []
    for name, found in right.items():
        clean = found[:, 0].astype(float) - right[SUPERVISED][:, 0]
        each = ", ".join(f"{100 * d:+.2f}" for d in clean.mean(1))
        above = "–" if name == SUPERVISED else (
            interval_told(interval(weighted_mean(100 * clean.mean(0), weights)), signed=True)
        )  # fmt: skip
        shown = [f"{100 * share:.2f}" for share in found.mean((0, 2))]
        rows.append([name, *shown, above, each, f"{np.mean(seconds[name]):.0f}"])
    noises = [f"noise {sd}" for sd in NOISE]
    columns = ["by", "accuracy, %", *noises, "above supervised, points", "each seed", "seconds"]
    print(markdown_table(columns, rows))


def lidc(given: argparse.Namespace) -> None:
    """AUC of malignancy for patients held out."""
    nodules = finish(read_nodule_set(given.data / "lidc_nodules"))
    samples = finish(nodule_samples(nodules, views=8, seed=0))
    patients = np.array([SAME_SCAN.get(r.patient, r.patient) for r in nodules.records])
    classes = malignancy_classes(samples.ratings).numpy()
    weights = patient_draws(patients.tolist())
    areas: dict[str, list[Weights]] = {}
    seconds: Seconds = {RULER: [0.0]}
    labels = []
    for seed, fold, known, held_out in _folds(patients, given):
        told = samples.subset(known).with_labels(given.labels, patients[known].tolist(), seed)
        labels.append(int((malignancy_classes(told.ratings) >= 0).sum()))
        case = Case(given, told, labels[-1], seed, f"lidc-fold{fold}")
        rows = held_out[classes[held_out] >= 0]
        looks = to_unit(samples.views[rows, 0].float())[:, None]
        scores: dict[str, NDArray] = {RULER: _ruled(told, samples.log_volume[rows].numpy())}
        for name in given.models:
            model = case.trained(name)
            scores[name] = _malignant(model, looks)
            seconds.setdefault(name, []).append(model.card["seconds"])
        for name, score in scores.items():
            area = weighted_auc(classes[rows] == 1, score, weights[:, rows])
            areas.setdefault(name, []).append(area)
            print(f"  {name}, seed {seed}, fold {fold}: {area[0]:.3f}", flush=True)
    print(f"\n{np.mean(labels):.0f} labels of benign and malignant of {len(known)} nodules, "
          f"{given.epochs} epochs, folds {given.folds} of 5, seeds {given.seeds}\n")  # fmt: skip
    _print_nodules({name: np.mean(found, axis=0) for name, found in areas.items()}, seconds)


@torch.no_grad()
def _malignant(model: Model, looks: torch.Tensor) -> NDArray[np.float32]:
    """Chance of malignant (n,) of patches (n, 1, s, y, x)."""
    module: Any = model.module
    found: NDArray[np.float32] = module.class_probabilities(looks)[:, 1].numpy()
    return found


def _print_nodules(areas: dict[str, Weights], seconds: Seconds) -> None:
    rows = []
    for name, area in areas.items():
        beside = [
            "–" if name == other else interval_told(interval(area - areas[other]), signed=True)
            for other in (SUPERVISED, RULER)
        ]
        rows.append([name, interval_told(interval(area)), *beside, f"{np.mean(seconds[name]):.0f}"])
    print(markdown_table(["by", "AUC", "above supervised", "above the ruler", "seconds"], rows))


def _folds(
    patients: NDArray[np.str_], given: argparse.Namespace
) -> Iterator[tuple[int, int, NDArray[np.int_], NDArray[np.int_]]]:
    """Seed, number of the fold, rows to learn from, rows held out."""
    for seed in given.seeds:
        for fold, rows in enumerate(patient_folds(patients.tolist(), folds=5, seed=seed)):
            if fold in given.folds:
                yield seed, fold, *rows


def _ruled(told: NoduleSamples, log_volume: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores of log volumes by a logistic regression on the labelled nodules' own."""
    label = malignancy_classes(told.ratings).numpy()
    known = told.log_volume.numpy()[label >= 0, None]
    found: NDArray[np.float64] = (
        LogisticRegression().fit(known, label[label >= 0]).decision_function(log_volume[:, None])
    )
    return found


@dataclass(frozen=True, eq=False)
class Case:
    """What all entrants of a seed and a fold learn from.

    Parameters
    ----------
    given : argparse.Namespace
    samples : DigitSamples or NoduleSamples
        Some of them with labels.
    labelled : int
        How many.
    seed : int
    place : str
        Of them in the names of files.
    """

    given: argparse.Namespace
    samples: Any
    labelled: int
    seed: int
    place: str

    def trained(self, name: str) -> Model:
        """An entrant, as it was kept or newly trained; its card tells the seconds."""
        given = self.given
        told = f"{self.place}-{given.labels}x{given.repeats}-{given.epochs}-seed{self.seed}"
        path = given.out / f"{name}-{told}.safetensors".replace(" ", "_").replace(",", "")
        if not path.exists():
            samples = repeated(self.samples, given.repeats)
            if name == GENERATED:
                samples = joined(samples, self._drawn())
            model, own = ENTRANTS[name]
            digits = isinstance(samples, DigitSamples)
            arguments = {**({"images": "digit"} if digits else NARROW), **own}
            module = new_model(VAES, model, arguments, self.seed)
            run = DIGIT_RUN if digits else NODULE_RUN
            how = {"epochs": given.epochs, "batch": run.batch, "lr": run.lr, "seed": self.seed}
            start = time.perf_counter()
            module = finish(fit(module, samples, **how))
            write_model(path, module, {"seconds": time.perf_counter() - start})
        return read_model(path, "cpu")

    def _drawn(self) -> Any:
        """As many drawn samples as have labels, or as was asked for."""
        painter: Any = self.trained(PAINTER).module
        many = self.given.per_class or -(-self.labelled // painter.clusters)
        digits = isinstance(self.samples, DigitSamples)
        draw = generated_digits if digits else generated_nodules
        return draw(painter, self.samples, many, seed=self.seed)


def _options() -> argparse.Namespace:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--data", type=Path, required=True, help="folder with digits, lidc_nodules")
    ask.add_argument("--out", type=Path, required=True, help="what is trained is kept here")
    ask.add_argument("--part", choices=list(EPOCHS), required=True)
    ask.add_argument("--labels", type=float, default=0.1, help="share that is told")
    ask.add_argument("--repeats", type=int, default=1, help="of what is labelled, every epoch")
    ask.add_argument("--seeds", type=int, nargs="+", default=[0])
    ask.add_argument("--epochs", type=int, help=f"default: {EPOCHS}")
    ask.add_argument("--train-count", type=int, help="first so many pictures; default: all")
    ask.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of the five")
    ask.add_argument("--models", nargs="+", choices=list(ENTRANTS), default=list(ENTRANTS))
    ask.add_argument(
        "--per-class", type=int,
        help="drawn of each class; default: as many as there are labels of one",
    )  # fmt: skip
    given = ask.parse_args()
    given.epochs = given.epochs or EPOCHS[given.part]
    given.models = list(dict.fromkeys((SUPERVISED, *given.models)))
    return given


if __name__ == "__main__":
    main()
