"""The shipped encoder and its index on nodules of other people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import UNDECIDED
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Work
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.workflow.bench_cases import SMALL, cases_of
from napari_vaemed.workflow.bench_votes import Floats, K
from napari_vaemed.workflow.encode import encode_patches
from napari_vaemed.workflow.examine import load_expert
from napari_vaemed.workflow.index import click_all


def shipped_bench(
    folder: Path, *, model: Path | None = None, index: Path | None = None, device: str = "auto"
) -> Work[dict[str, Any]]:
    """Score an encoder and its index, the shipped ones by default, on a folder of nodules.

    Every nodule is clicked at its centre; of the index's nodules with a clear score the 20 nearest
    of other patients by 2-Wasserstein distance vote.

    Returns
    -------
    dict
        JSON-able: ``n`` nodules with a clear score, ``auc``, ``auc_6_10mm`` and
        ``auc_log_volume`` (None where a class is missing), the 95 % interval of each over patients
        as ``…_interval``, and how many of the patients the index knows, so are not held out.

    Raises
    ------
    ValueError
        If the index is of another model, or no nodule has a clear score.
    """
    expert = load_expert(device, model, index)
    nodules = yield from read_nodule_set(folder)
    if not len(cases_of(nodules).rows):
        raise ValueError(f"No nodule in {folder} has a malignancy of 1, 2, 4 or 5.")
    patches = (yield from click_all(nodules)).patches
    return _figures(expert.model, expert.index, nodules, patches)


def _figures(
    encoder: Model, index: NoduleIndex, nodules: NoduleSet, patches: Any
) -> dict[str, Any]:
    from napari_vaemed.training.bootstrap import interval, patient_draws, weighted_auc

    cases = cases_of(nodules)
    weights = patient_draws(cases.patients.tolist())
    votes = _votes(encoder, index, patches[cases.rows], cases.patients.tolist())
    small = cases.strata[SMALL]
    log_volume = np.log(nodules.volumes_mm3())[cases.rows]
    drawn = {
        "auc": weighted_auc(cases.positive, votes, weights),
        "auc_6_10mm": weighted_auc(cases.positive[small], votes[small], weights[:, small]),
        "auc_log_volume": weighted_auc(cases.positive, log_volume, weights),
    }
    figures: dict[str, Any] = {
        "n": len(cases.rows),
        "n_6_10mm": int(small.sum()),
        "malignant": int(cases.positive.sum()),
        "patients": len(set(cases.patients.tolist())),
        "patients_in_index": len(
            set(cases.patients.tolist()) & {record.patient for record in index.records}
        ),
    }
    for name, draws in drawn.items():
        found = interval(draws)
        figures[name] = None if found is None else found.value
        figures[f"{name}_interval"] = None if found is None else [found.low, found.high]
    return {**figures, "model": encoder.name, "model_sha256": encoder.sha256}


def _votes(encoder: Model, index: NoduleIndex, patches: Any, patients: list[str]) -> Floats:
    """Votes (n,) of the index's nodules of other patients on clicked patches."""
    from napari_vaemed.distances.families import distances_of
    from napari_vaemed.training.folds import SAME_SCAN
    from napari_vaemed.training.metrics import knn_score

    score = np.array([record.malignancy for record in index.records])
    clear = np.flatnonzero(score != UNDECIDED)
    apart = distances_of(index.posterior)[0](
        encode_patches(encoder, patches), index.posterior[clear]
    )
    owners = [index.records[row].patient for row in clear]
    owners = [SAME_SCAN.get(owner, owner) for owner in owners]
    apart[np.array(patients)[:, None] == np.array(owners)] = np.inf
    return knn_score(apart, score[clear] > UNDECIDED, k=K)
