"""Every encoder by every distance on held-out patients, beside rulers on the same folds."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.bench import BenchRow, Codes
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress
from napari_vaemed.data.run_settings import BENCH_EPOCHS, NODULE_RUN, RunSettings
from napari_vaemed.io.bench_report import write_bench
from napari_vaemed.io.bench_results import CLICKS_FILE, read_codes, write_codes
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.workflow.bench_cases import SMALL, BenchSet, bench_set
from napari_vaemed.workflow.bench_codes import Entrant, codes_of, entrants_named, made_by
from napari_vaemed.workflow.bench_collected import Collected
from napari_vaemed.workflow.bench_pictures import bench_pictures, table_picture
from napari_vaemed.workflow.card import LATENT, card_figures
from napari_vaemed.workflow.fitted import on_device

if TYPE_CHECKING:
    from napari_vaemed.training.fit import Epoch
    from napari_vaemed.training.samples import NoduleSamples

BENCH_RUN = replace(NODULE_RUN, epochs=BENCH_EPOCHS)
"""How a bench trains unless it is told otherwise."""


def bench(
    folder: Path,
    out: Path,
    *,
    models: tuple[str, ...] | None = None,
    distances: tuple[str, ...] | None = None,
    seeds: int = 1,
    folds: int = 5,
    run: RunSettings = BENCH_RUN,
) -> Generator[Progress | Epoch, None, tuple[BenchRow, ...]]:
    """Train, judge and write table and pictures into ``out``; the rows, best first.

    Seed by seed, each with folds of its own, an encoder is trained on the other folds' patients;
    held-out nodules are clicked and their nearest known nodules vote. Every fold's codes are kept
    in ``out/codes`` as soon as they are there and are not made again, so a bench that was stopped
    goes on. Table and pictures are written anew after each seed.

    Parameters
    ----------
    models : tuple of str or None
        Names of `bench_codes.entrants`; the floors always take part.
    distances : tuple of str or None
        Names of `distances.DISTANCES`; default all.
    seeds, folds : int
        How often with other weights and other folds, and how many folds each time.
    run : RunSettings
        Its seed is not heeded.

    Raises
    ------
    ValueError
        If a name is unknown, or ``out`` holds codes that were made by other settings.
    """
    run = on_device(run)
    chosen = entrants_named(models)
    measures = _distances(distances)
    codes_folder = out / "codes"
    codes_folder.mkdir(parents=True, exist_ok=True)
    data = yield from bench_set((yield from read_nodule_set(folder)), out / CLICKS_FILE)
    found = Collected(data)
    rows: tuple[BenchRow, ...] = ()
    for seed in range(seeds):
        trainer = _Trainer(data, replace(run, seed=seed))
        for fold, (known, held_out) in enumerate(data.folds(folds, seed)):
            found.add_rulers(seed, fold, known, held_out)
            for number, entrant in enumerate(chosen):
                doing = f"Seed {seed + 1} of {seeds}, fold {fold + 1}: {entrant.name}"
                yield Progress(doing, fold * len(chosen) + number, folds * len(chosen))
                path = codes_folder / f"{entrant.name}-seed{seed}-fold{fold}.safetensors"
                place = {"nodules": len(data.nodules), "folds": folds, "fold": fold}
                wanted = {**made_by(entrant, trainer.run), **place}
                codes = read_codes(path, wanted)
                if codes is None:
                    codes = yield from trainer.codes(entrant, known)
                    write_codes(path, codes, wanted)
                found.add(entrant.name, codes, seed, fold, known, held_out, measures)
                if seed == fold == number == 0:
                    pictured = entrant.name, codes, known, held_out
        yield Progress("Judging")
        rows = found.rows()
        about = {"seeds": seed + 1, "folds": folds, "epochs": run.epochs}
        pictures = {**bench_pictures(data, *pictured), "table": table_picture(rows)}
        write_bench(out, rows, _about(data, about), pictures)
    return rows


def knn_bench(
    nodules: NoduleSet,
    samples: NoduleSamples,
    *,
    model: str = "GaussianVAE",
    arguments: Mapping[str, Any] | None = None,
    repeats: int = 1,
    epochs: int = BENCH_EPOCHS,
    folds: int = 5,
    seed: int = 0,
    device: str = "cpu",
    **settings: Any,
) -> Generator[Progress | Epoch, None, dict[str, Any]]:
    """Measure the figures of a model's card: one seed's folds, 2-Wasserstein distance.

    Beside the latent stand log volume, the mask features, principal components of the patch, and
    how much of the nodule's height its crop shows, which no encoder must live on.

    Returns
    -------
    dict
        JSON-able: what was measured, and for each the AUC overall and inside 6–10 mm.
    """
    from napari_vaemed.retrieval.comparison import askable

    data = yield from bench_set(nodules)
    found = Collected(data)
    run = RunSettings(epochs=epochs, seed=seed, device=device, **settings)
    judged = (Entrant(LATENT, model, arguments or {}, repeats=repeats), Entrant("PCA", ""))
    for fold, (known, held_out) in enumerate(data.folds(folds, seed)):
        yield Progress(f"Fold {fold + 1} of {folds}", fold, folds)
        found.add_rulers(seed, fold, known, held_out)
        for entrant in judged:
            codes = yield from codes_of(entrant, data, samples, known, run)
            default = askable(codes.clicked)[:1]
            found.add(entrant.name, codes, seed, fold, known, held_out, default)
    reach = (samples.views.shape[2] - 1) / 2
    found.add_score("crop height", seed, crop_heights(nodules, within_mm=np.inf))
    found.add_score("crop height in reach", seed, crop_heights(nodules, within_mm=reach))
    about = {"epochs": epochs, "folds": folds, "seed": seed}
    return card_figures(found.rows(), _about(data, about))


def crop_heights(nodules: NoduleSet, *, within_mm: float) -> NDArray[np.float64]:
    """Height in mm, (n,), that each crop shows below and above its nodule's centre.

    No more than ``within_mm`` is counted on either side.
    """
    heights = np.empty(len(nodules))
    for row, (record, volume) in enumerate(zip(nodules.records, nodules.volumes, strict=True)):
        below = volume.to_voxel(record.centre_mm)[0] * volume.spacing[0]
        whole = (volume.shape[0] - 1) * volume.spacing[0]
        heights[row] = np.clip([below, whole - below], 0.0, within_mm).sum()
    return heights


def _about(data: BenchSet, about: Mapping[str, Any]) -> dict[str, Any]:
    cases = data.cases
    small = cases.strata[SMALL]
    return {
        "n": len(cases.rows),
        "malignant": int(cases.positive.sum()),
        "n_6_to_10_mm": int(small.sum()),
        "malignant_6_to_10_mm": int(cases.positive[small].sum()),
        "patients": len(set(cases.patients.tolist())),
        **about,
    }


def _distances(names: tuple[str, ...] | None) -> list[Any]:
    from napari_vaemed.distances import DISTANCES

    known = {distance.__name__: distance for distance in DISTANCES}
    wrong = [name for name in names or () if name not in known]
    if wrong:
        raise ValueError(f"There is no distance {wrong[0]!r}; there are {', '.join(known)}.")
    return [known[name] for name in names] if names else list(DISTANCES)


@dataclass
class _Trainer:
    """Trains one seed's encoders; patches to learn from are cut when the first needs them."""

    data: BenchSet
    run: RunSettings
    _samples: dict[int, NoduleSamples] = field(default_factory=dict)

    def codes(self, entrant: Entrant, known: NDArray[np.int_]) -> Generator[Any, None, Codes]:
        """Codes by an encoder trained on these rows."""
        samples = None
        if entrant.model and entrant.trained:
            samples = yield from self._cut(entrant)
        return (yield from codes_of(entrant, self.data, samples, known, self.run))

    def _cut(self, entrant: Entrant) -> Generator[Progress, None, NoduleSamples]:
        from napari_vaemed.training.samples import nodule_samples
        from napari_vaemed.workflow.train import new_module

        slices = int(new_module(entrant.model, entrant.arguments, 0).slices)  # type: ignore[arg-type]
        if slices not in self._samples:
            made = yield from nodule_samples(self.data.nodules, slices=slices, seed=self.run.seed)
            self._samples[slices] = made
        return self._samples[slices]
