"""What maps and clusters of nodules are worth, and how long the map of many takes.

    python benchmarks/latent_map.py --bench BENCH --data ../shared/data

Of the shipped index, in sample: trustworthiness of every kind of map, and how far clusters agree
with malignancy and size. Out of sample, where a folder is given that ``vaemed bench`` wrote of
DATA/lidc_nodules: clusters found in the codes of the patients that an encoder has learned from,
the held-out ones sorted into them; mean over the folds. Then seconds for 100,000 codes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.latent_map import METHODS
from napari_vaemed.data.nodule import UNDECIDED, NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.progress import finish
from napari_vaemed.io.bench_results import read_kept_codes
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.io.weights import shipped_index_path
from napari_vaemed.training.folds import patient_folds
from napari_vaemed.workflow.latent_map import clusters, colourings, project

MANY, DIMS = 100_000, 24


def in_sample(index: NoduleIndex) -> None:
    for method in METHODS:
        begun = perf_counter()
        try:
            made = finish(project(index, method))
        except ValueError as error:
            print(error)
            continue
        print(f"{made.told}; {perf_counter() - begun:.1f} s")
    for method in ("k-means", "mixture"):
        for k in (2, 4):
            print(finish(clusters(index, method, k)).told)


def out_of_sample(bench: Path, data: Path, entrant: str) -> None:
    records = finish(read_nodule_set(data / "lidc_nodules")).records
    score = np.array([record.malignancy for record in records])
    size = np.array([record.diameter_mm for record in records])
    found, folds = [], 1
    while len(found) < folds:
        path = bench / "codes" / f"{entrant}-seed0-fold{len(found)}.safetensors"
        codes, settings = read_kept_codes(path)
        folds = settings["folds"]
        patients = [record.patient for record in records]
        known, out = list(patient_folds(patients, folds=folds, seed=0))[len(found)]
        means = np.asarray(codes.clicked.mean, float)
        label = KMeans(2, n_init=10, random_state=0).fit(means[known]).predict(means[out])
        large = size[out] > np.median(size[known])
        clear, malignant = score[out] != UNDECIDED, score[out] > UNDECIDED
        pairs = ((malignant[clear], label[clear]), (large, label), (malignant[clear], large[clear]))
        found.append([(normalized_mutual_info_score(*pair), adjusted_rand_score(*pair))
                      for pair in pairs])  # fmt: skip
    for name, (nmi, ari) in zip(
        ("with malignancy", "with size", "size alone with malignancy"),
        np.mean(found, axis=0),
        strict=True,
    ):
        print(
            f"k-means 2 of {entrant}, held out, {folds} folds, {name}: NMI {nmi:.2f} ARI {ari:.2f}"
        )


def seconds() -> None:
    rng = np.random.default_rng(0)
    mean = (rng.normal(size=(MANY, DIMS)) * np.linspace(1.5, 0.3, DIMS)).astype(np.float32)
    records = tuple(
        NoduleRecord(f"N{i}", f"P{i // 2}", "1", (0.0, 0.0, 0.0), 5.0 + i % 20,
                     {"malignancy": 1.0 + i % 5})
        for i in range(MANY)
    )  # fmt: skip
    index = NoduleIndex(records, Posterior(mean, np.full_like(mean, 0.5)), "0" * 64, "made here")
    for name, work in (
        ("PCA", lambda: finish(project(index))),
        ("colours", lambda: colourings(index)),
        ("k-means of 4", lambda: finish(clusters(index, "k-means", 4))),
    ):
        begun = perf_counter()
        work()
        print(f"{MANY} codes of {DIMS} numbers, {name}: {perf_counter() - begun:.2f} s")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--bench", type=Path)
    ask.add_argument("--data", type=Path)
    ask.add_argument("--entrant", default="GaussianVAE")
    given = ask.parse_args()
    in_sample(read_index(shipped_index_path()))
    if given.bench and given.data:
        out_of_sample(given.bench, given.data, given.entrant)
    seconds()


if __name__ == "__main__":
    main()
