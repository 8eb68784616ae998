"""How well held-out nodules' neighbours vote, beside a ruler and beside plain pixels."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.progress import Progress
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.workflow.encode import encode_patches
from napari_vaemed.workflow.index import click_all

if TYPE_CHECKING:
    from napari_vaemed.training.fit import Epoch
    from napari_vaemed.training.samples import NoduleSamples

RULERS = ("latent", "log volume", "PCA-32 of pixels")
K = 20


@dataclass(frozen=True, eq=False)
class _Scored:
    """Nodules with a clear malignancy score (1–2 or 4–5) as rows of the set."""

    rows: NDArray[np.int_]
    positive: NDArray[np.bool_]
    small: NDArray[np.bool_]

    @classmethod
    def of(cls, nodules: NoduleSet) -> _Scored:
        score = np.array([record.malignancy for record in nodules.records])
        diameter = np.array([record.diameter_mm for record in nodules.records])
        rows = np.flatnonzero(score != 3)
        small = (diameter >= 6) & (diameter <= 10)
        return cls(rows, score[rows] > 3, small[rows])


def knn_bench(
    nodules: NoduleSet,
    samples: NoduleSamples,
    *,
    model: str = "GaussianVAE",
    arguments: Mapping[str, Any] | None = None,
    epochs: int = 66,
    folds: int = 5,
    seed: int = 0,
    device: str = "cpu",
    **settings: Any,
) -> Generator[Progress | Epoch, None, dict[str, Any]]:
    """Patient-grouped k-fold AUC of 20-NN votes, malignancy 1–2 against 4–5.

    Each fold trains a model on the other patients from nothing; held-out nodules are clicked at
    their centre and vote with the training nodules nearest by 2-Wasserstein distance. On the same
    folds stand the neighbours by log volume and by 32 principal components of the patch,
    and, as scores by themselves, log volume and how much of the nodule's height its crop shows.

    Returns
    -------
    dict
        JSON-able: what was measured, and for each ruler the AUC overall and inside 6–10 mm.
    """
    from napari_vaemed.training.fit import fit
    from napari_vaemed.training.folds import patient_folds
    from napari_vaemed.workflow.train import new_module

    patches = (yield from click_all(nodules)).patches
    scored = _Scored.of(nodules)
    votes = {name: np.full(len(nodules), np.nan) for name in RULERS}
    patients = [record.patient for record in nodules.records]
    for number, (known, held_out) in enumerate(patient_folds(patients, folds=folds, seed=seed)):
        yield Progress(f"Fold {number + 1} of {folds}", number, folds)
        module = new_module(model, arguments or {}, seed)
        module = yield from fit(
            module, samples.subset(known), epochs=epochs, seed=seed, device=device, **settings
        )
        fold_model = Model(model, module, "", {}, device)
        known, held_out = (np.intersect1d(rows, scored.rows) for rows in (known, held_out))
        for name, apart in _apart(fold_model, nodules, patches, known, held_out).items():
            votes[name][held_out] = _vote(apart, nodules, known)
    votes["log volume itself"] = np.log(nodules.volumes_mm3())
    votes["crop height itself"] = crop_heights(nodules, within_mm=np.inf)
    reach = (samples.views.shape[2] - 1) / 2
    votes["crop height in reach itself"] = crop_heights(nodules, within_mm=reach)
    return _figures(votes, scored, {"epochs": epochs, "folds": folds, "seed": seed})


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


def _apart(
    model: Model,
    nodules: NoduleSet,
    patches: NDArray[np.int16],
    known: NDArray[np.int_],
    held_out: NDArray[np.int_],
) -> dict[str, NDArray[np.float64]]:
    """Distances from held-out rows to known ones by each ruler."""
    from napari_vaemed.distances import wasserstein2

    latent: tuple[Posterior, Posterior] = (
        encode_patches(model, patches[held_out]),
        encode_patches(model, patches[known]),
    )
    log_volume = np.log(nodules.volumes_mm3())
    pixels = _principal_components(patches, known)
    gaps = np.linalg.norm(pixels[held_out][:, None] - pixels[known][None], axis=2)
    return {
        "latent": wasserstein2(*latent),
        "log volume": np.abs(log_volume[held_out][:, None] - log_volume[known]),
        "PCA-32 of pixels": gaps,
    }


def _principal_components(patches: NDArray[np.int16], known: NDArray[np.int_]) -> NDArray:
    from sklearn.decomposition import PCA

    flat = np.clip(patches.reshape(len(patches), -1), -1000, 400).astype(np.float32)
    pca = PCA(min(32, len(known)), svd_solver="randomized", random_state=0)
    return pca.fit(flat[known]).transform(flat)


def _vote(
    apart: NDArray[np.float64], nodules: NoduleSet, known: NDArray[np.int_]
) -> NDArray[np.float64]:
    from napari_vaemed.training.metrics import knn_score

    positive = np.array([nodules.records[row].malignancy > 3 for row in known])
    return knn_score(apart, positive, k=K)


def _figures(
    votes: Mapping[str, NDArray[np.float64]], scored: _Scored, about: Mapping[str, Any]
) -> dict[str, Any]:
    from napari_vaemed.training.metrics import auc

    def area(score: NDArray[np.float64], among: NDArray[np.bool_]) -> float | None:
        value = auc(scored.positive[among], score[scored.rows][among])
        return None if np.isnan(value) else round(value, 4)

    everyone = np.ones(len(scored.rows), bool)
    measured = {
        name: {"auc": area(score, everyone), "auc_6_to_10_mm": area(score, scored.small)}
        for name, score in votes.items()
    }
    return {
        "measure": f"AUC of {K}-NN votes, malignancy 1–2 against 4–5, patient-grouped folds",
        "n": len(scored.rows),
        "n_6_to_10_mm": int(scored.small.sum()),
        **about,
        **measured,
    }
