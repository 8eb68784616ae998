"""COVID-19 against other, slice by slice, beside a plain peer: on COVID-CT and on whole scans.

    python benchmarks/slices.py --data ../shared/data              shipped weights, published split
    python benchmarks/slices.py --data ../shared/data --train      and splits grouped by paper
    python benchmarks/slices.py --data ../shared/data --scans      instead, three whole scans

The peer is a logistic regression on histograms of oriented gradients and of grey values, of the
same pictures and of the uncropped ones; the difference between those two is what the framing of a
figure tells. Intervals are 95 % bootstraps of slices and, in brackets, of papers. With ``--card``
the check on whole scans is written into the card of the weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog
from skimage.transform import resize
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.data.slice_set import SliceSet, split_by_group
from napari_vaemed.io.checkpoints import Model, read_model, write_model
from napari_vaemed.io.ct import read_ct
from napari_vaemed.io.slices import read_slice_set
from napari_vaemed.io.weights import shipped_slice_model_path
from napari_vaemed.training.metrics import auc, best_threshold
from napari_vaemed.training.slice_samples import slice_pictures
from napari_vaemed.workflow.check_scans import RULE, KnownScan, check_scan, checked_card
from napari_vaemed.workflow.train_slices import (
    PUBLISHED,
    fit_slices,
    part_figures,
    slice_figures,
)

SCANS = (
    KnownScan("covid-P002", "COVID-19", True),
    KnownScan("cap-cap002", "community-acquired pneumonia", False),
    KnownScan("normal-normal001", "normal", False),
)

LABELLED = {"covid-P002": (1, 1), "cap-cap002": (56, 2)}
"""Row of the table of infected slices, and how many of its columns lie between two slices here."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with covid_ct_png")
    parser.add_argument("--model", type=Path, default=shipped_slice_model_path())
    parser.add_argument("--train", action="store_true", help="train on splits grouped by paper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of those splits")
    parser.add_argument("--scans", action="store_true", help="only score three whole scans")
    parser.add_argument("--card", action="store_true", help="write what the scans say into it")
    asked = parser.parse_args()
    model = read_model(asked.model, "cpu")
    if asked.scans:
        whole_scans(model, asked.data / "covid_ct_md", asked.model if asked.card else None)
        return
    slices = finish(read_slice_set(asked.data / "covid_ct_png"))
    print(f"Published (DenseNet-169, ImageNet start, Self-Trans): {PUBLISHED}")
    print("Published split, test part")
    show(f"{model.name} {model.sha256[:12]}", finish(slice_figures(model, slices)))
    peers(slices)
    if asked.train:
        grouped(slices, model, asked.seeds)


def show(name: str, figures: dict[str, Any]) -> None:
    cells = []
    for measure in ("auc", "f1", "accuracy"):
        value, low, high = figures[measure]
        _, wide_low, wide_high = figures[f"{measure}_by_group"]
        cells.append(f"{measure} {value:.3f} {low:.3f}–{high:.3f} [{wide_low:.3f}–{wide_high:.3f}]")
    print(f"{name:>34}: n {figures['n']}, {', '.join(cells)}", flush=True)


def grouped(slices: SliceSet, shipped: Model, seeds: list[int]) -> None:
    """Train anew on each split; nothing of a test paper is seen in training."""
    training = {key: shipped.card["training"][key] for key in ("epochs", "batch", "lr")}
    values = []
    for seed in seeds:
        split = split_by_group(slices, seed)
        print(f"Split by paper, seed {seed}")
        run = RunSettings(**training, seed=seed, device="cpu")
        with TemporaryDirectory() as folder:
            work = fit_slices(split, Path(folder) / "run.safetensors", model=shipped.name, run=run)
            trained = finish(work)
        figures = finish(slice_figures(trained, split))
        show(f"{shipped.name} trained here", figures)
        peers(split)
        values.append([figures[name][0] for name in ("auc", "f1", "accuracy")])
    mean, sd = np.mean(values, 0), np.std(values, 0, ddof=min(1, len(values) - 1))
    cells = (f"{v:.3f} ± {s:.3f}" for v, s in zip(mean, sd, strict=True))
    print(f"Mean of {len(seeds)} splits: auc, f1, accuracy {', '.join(cells)}", flush=True)


def peers(slices: SliceSet) -> None:
    """Plain features of the same pictures and of the whole figures."""
    everything = np.arange(len(slices))
    cut = finish(slice_pictures(slices, everything, size=128, lungs_only=False))
    whole = np.stack(
        [resize(p, (128, 128), anti_aliasing=True, preserve_range=True) for p in slices.pictures]
    )
    for name, pictures in (("HOG + histogram", cut), ("HOG + histogram, uncropped", whole)):
        show(name, peer_figures(slices, pictures))


def peer_figures(slices: SliceSet, pictures: NDArray) -> dict[str, Any]:
    features = np.stack([plain_features(picture) for picture in pictures])
    train, val, test = (slices.rows(part) for part in ("train", "val", "test"))
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, max_iter=500, class_weight="balanced")
    ).fit(features[train], slices.labels[train])
    score = model.predict_proba(features)[:, 1]
    threshold = best_threshold(slices.labels[val] > 0, score[val])
    return part_figures(slices, "test", score[test], threshold)


def plain_features(picture: NDArray) -> NDArray[np.float64]:
    gradients = hog(picture, orientations=8, pixels_per_cell=(16, 16), cells_per_block=(1, 1))
    histogram = np.histogram(picture, 32, (0, 256))[0] / picture.size
    return np.concatenate([gradients, histogram])


def whole_scans(model: Model, folder: Path, card_of: Path | None) -> None:
    """Each scan's value, and how its labelled infected slices rank among the scored ones."""
    labels = np.load(folder / "Slice-level-labels-updated-1.npy")
    lines = []
    for scan in SCANS:
        volume = finish(read_ct(folder / scan.name))
        line, said = finish(check_scan(model, scan, volume))
        lines.append(line)
        print(line, said.subject.reason)
        if scan.name in LABELLED:
            infected = np.fromiter(infected_slices(labels, scan.name, len(volume.hu)), bool)
            mine = infected[said.scores.indices]
            area = auc(mine, said.scores.covid)
            print(f"    slice AUC {area:.3f}, {mine.sum()} infected of {len(mine)} scored slices")
    card = checked_card(model.card, SCANS, lines)
    print(f"separates: {card['separates']} ({RULE})")
    if card_of is not None:
        write_model(card_of, model.module, card)


def infected_slices(labels: NDArray, name: str, n: int) -> Iterator[bool]:
    """Whether each slice, from the feet up, is labelled infected.

    Labels run from the head down (as instance numbers do): so they fit what is to be seen, while
    from the feet up P002's ground glass at its slices 52 to 64 would lie in a gap.
    """
    row, step = LABELLED[name]
    return (bool(labels[row, (n - 1 - z) * step]) for z in range(n))


if __name__ == "__main__":
    main()
