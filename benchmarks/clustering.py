"""Benign or malignant without a label: what do the clustering models find among LIDC's nodules?

    python benchmarks/clustering.py --data ../shared/data [--epochs 66] [--folds 5] [--seeds 1]

Every model learns from the nodules of some patients, told neither rating nor volume, and sorts
those of the others into two clusters. Beside it stand k-means (2) of its codes, k-means of an
autoencoder's codes and of 32 principal components, and the ruler: k-means of log volume. All are
compared with malignancy 1–2 against 4–5: NMI, ARI and accuracy, one cluster to one class. The
benign are the larger class: saying so of all has the accuracy of the row "all alike".

Size regressed out: what a straight line in log volume explains of every number of the code (fitted
on the training patients) is taken away, and k-means groups what is left.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import NODULE_RUN
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.models.networks import to_unit
from napari_vaemed.training.clustering import agreement_figures
from napari_vaemed.training.fit import fit
from napari_vaemed.training.folds import patient_folds
from napari_vaemed.training.samples import NoduleSamples, nodule_samples
from napari_vaemed.workflow.train import new_module

ENTRANTS = {
    "OneStepVAE": ("OneStepVAE", {}),
    "OneStepVAE, published loss": ("OneStepVAE", {"paper": True}),
    "VaDE": ("VaDE", {}),
    "DEC": ("DEC", {"reconstruct": False}),
    "IDEC": ("DEC", {}),
    "IDEC, 2-Wasserstein": ("DEC", {"distance": "wasserstein"}),
    "IDEC, Bhattacharyya": ("DEC", {"distance": "bhattacharyya"}),
}
CLUSTERS = {"clusters": 2}
UNDECIDED = 3

Codes = NDArray[np.float64]
Rows = NDArray[np.int_]


def main() -> None:
    """Measure, and print a table."""
    options = _options()
    torch.set_num_threads(options.threads)
    nodules = finish(read_nodule_set(options.data / "lidc_nodules"))
    samples = finish(nodule_samples(nodules))
    score = np.array([record.malignancy for record in nodules.records])
    patients = [record.patient for record in nodules.records]
    table: dict[str, list[dict[str, float]]] = {}
    for seed in range(options.seeds):
        folds = list(patient_folds(patients, folds=5, seed=seed))[: options.folds]
        for known, held_out in folds:
            judge = _judge(score, known, held_out)
            for name, clusters in _fold(samples, known, seed, options):
                for figures in judge(name, clusters, samples.log_volume.double().numpy()):
                    table.setdefault(figures.pop("name"), []).append(figures)
    rows = {name: _mean(found) for name, found in table.items()}
    _print(rows, options)


def _fold(samples: NoduleSamples, known: Rows, seed: int, options: argparse.Namespace):
    """Name, and codes or clusters of all nodules, of everyone that takes part."""
    looks = to_unit(samples.views[:, 0].float())[:, None]
    yield "log volume", samples.log_volume.double().numpy()[:, None]
    flat = looks.flatten(1).double().numpy()
    yield "PCA", PCA(32, random_state=0).fit(flat[known]).transform(flat)
    everyone = {"Autoencoder": ("Autoencoder", {"mask_weight": 300.0}), **ENTRANTS}
    for name in options.models or everyone:
        model, arguments = everyone[name]
        given = arguments | (CLUSTERS if model != "Autoencoder" else {})
        start = time.perf_counter()
        module = new_module(model, given, seed)
        run = {"epochs": options.epochs, "batch": NODULE_RUN.batch, "lr": NODULE_RUN.lr}
        module = finish(fit(module, samples.subset(known), seed=seed, **run))
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
        with torch.inference_mode():
            codes = module.posterior(looks)[0].double().numpy()
            if hasattr(module, "class_probabilities"):
                yield f"{name}, own clusters", module.class_probabilities(looks).argmax(1).numpy()
        yield name, codes


def _judge(score: NDArray, known: Rows, held_out: Rows) -> Callable:
    """Figures of codes, (n, d), or clusters, (n,), on the scored nodules that are held out."""
    rows = held_out[score[held_out] != UNDECIDED]
    truth = (score[rows] > UNDECIDED).astype(int)

    def judge(name: str, codes: Codes | Rows, log_volume: Codes):
        if codes.ndim == 1:
            yield {"name": name, **agreement_figures(codes[rows], truth)}
            return
        yield {"name": f"{name}, k-means", **agreement_figures(_grouped(codes, known)[rows], truth)}
        if codes.shape[1] > 1:
            left = _without(log_volume, codes, known)
            found = agreement_figures(_grouped(left, known)[rows], truth)
            yield {"name": f"{name}, k-means, size regressed out", **found}
        else:
            everyone = agreement_figures(np.zeros(len(rows), int), truth)
            yield {"name": "all alike", **everyone}

    return judge


def _grouped(codes: Codes, known: Rows) -> Rows:
    return KMeans(2, n_init=20, random_state=0).fit(codes[known]).predict(codes)


def _without(log_volume: Codes, codes: Codes, known: Rows) -> Codes:
    """Codes less what a straight line in log volume tells of them."""
    line = np.column_stack([np.ones_like(log_volume), log_volume])
    fitted, *_ = np.linalg.lstsq(line[known], codes[known], rcond=None)
    return codes - line @ fitted


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in found])) for name in found[0]}


def _print(rows: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    told = f"{options.seeds} seed(s), {options.folds} of 5 folds, {options.epochs} epochs"
    print(f"{told}, means over folds\n\n| by | NMI | ARI | accuracy |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['nmi']:.3f} | {row['ari']:.3f} | {row['hungarian']:.3f} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=66)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", nargs="+", choices=["Autoencoder", *ENTRANTS])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
