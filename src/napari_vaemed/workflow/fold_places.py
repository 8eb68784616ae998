"""Where nodules lie, fold by fold, by what has learned from other patients alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import ATTRIBUTES, UNDECIDED, NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.decision.label_errors import FoldSpace
from napari_vaemed.io.bench_results import read_kept_codes
from napari_vaemed.preprocessing.patch import PATCH_SHAPE, cut_patch
from napari_vaemed.segmentation.mask_features import mask_features
from napari_vaemed.training.folds import patient_folds, standardised

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS = 5
COMPONENTS = 32
"""At most, and no more than one for four known nodules: the last ones would be noise."""
CODE_WEIGHT = 0.25
"""What a code counts beside the mask features; at 1 it would count as much as they do."""
OUTER_HU = -1000, 400


@dataclass(frozen=True, eq=False)
class Places:
    """A set of nodules laid out fold by fold.

    Parameters
    ----------
    folds : tuple of FoldSpace
    by : str
        What they are compared by.
    notes : tuple of str
        What must be known of it.
    """

    folds: tuple[FoldSpace, ...]
    by: str
    notes: tuple[str, ...] = ()


def sides_of(records: Sequence[NoduleRecord], task: str = "malignancy") -> tuple[Bools, Bools]:
    """Which nodules have a score above 3, and which have one that takes a side, (n,) each.

    Raises
    ------
    ValueError
        There is no such rating.
    """
    if task not in ATTRIBUTES:
        raise ValueError(f"There is no rating {task!r}; there are {', '.join(ATTRIBUTES)}.")
    score = np.array([record.ratings[task] for record in records], float)
    clear = ~np.isnan(score) & (score != UNDECIDED)
    return clear & (score > UNDECIDED), clear


def patches_of(nodules: NoduleSet) -> Work[NDArray[np.int16]]:
    """The cube around each nodule's centre, (n, 32, 32, 32) HU at 1 mm."""
    patches = np.empty((len(nodules), *PATCH_SHAPE), np.int16)
    for row, (record, volume) in enumerate(zip(nodules.records, nodules.volumes, strict=True)):
        patches[row] = np.rint(cut_patch(volume, record.centre_mm).hu)
        if row % 25 == 0:
            yield Progress("Cutting patches", row, len(nodules))
    return patches


def mask_feature_rows(nodules: NoduleSet) -> Floats:
    """The mask features of every nodule, (n, 11)."""
    pairs = zip(nodules.volumes, nodules.masks, strict=True)
    return np.array([mask_features(volume, mask) for volume, mask in pairs])


def places_by_pictures(
    patients: Sequence[str], features: Floats, patches: NDArray, *, folds: int = FOLDS
) -> Work[Places]:
    """Mask features and principal components of the patches; labels take no part.

    Parameters
    ----------
    features : (n, f)
    patches : (n, z, y, x)
        In HU.
    """
    from sklearn.decomposition import PCA

    flat = np.clip(patches.reshape(len(patches), -1), *OUTER_HU).astype(np.float32)
    spaces = []
    for number, (known, held_out) in enumerate(folds_of(patients, folds)):
        yield Progress("Finding principal components", number, folds)
        dims = min(COMPONENTS, max(1, len(known) // 4))
        pca = PCA(dims, svd_solver="randomized", random_state=0).fit(flat[known])
        place = joined(features, pca.transform(flat), known)
        spaces.append(FoldSpace(known, held_out, place))
    return Places(tuple(spaces), "mask features and principal components, held out by patient")


def places_by_codes(
    patients: Sequence[str], features: Floats, folder: Path, name: str, *, seed: int = 0
) -> Places:
    """Mask features and the codes that a bench kept of an encoder trained fold by fold.

    Parameters
    ----------
    folder : Path
        What ``vaemed bench`` was given as output; ``codes/`` in it is read.
    name : str
        The entrant, for example ``"VAE-mask"``.
    seed : int
        Of the bench.

    Raises
    ------
    FileNotFoundError
        A fold's codes are not there.
    ValueError
        They are of other nodules.
    """
    spaces: list[FoldSpace] = []
    settings: Mapping[str, Any] = {"folds": 1}
    while len(spaces) < settings["folds"]:
        path = folder / "codes" / f"{name}-seed{seed}-fold{len(spaces)}.safetensors"
        if not path.is_file():
            raise FileNotFoundError(
                f"No codes at {path}. Make them with: vaemed bench FOLDER -o {folder} "
                f"--models {name}"
            )
        codes, settings = read_kept_codes(path)
        if settings["nodules"] != len(features):
            raise ValueError(
                f"{path.name} holds codes of {settings['nodules']} nodules; the folder has "
                f"{len(features)}. Give the bench of this folder."
            )
        known, held_out = folds_of(patients, settings["folds"], seed)[len(spaces)]
        place = joined(features, codes.clicked.mean, known)
        spaces.append(FoldSpace(known, held_out, place))
    notes = () if blind_to_labels(settings) else (LABELS_SEEN.format(name=name),)
    return Places(tuple(spaces), f"mask features and {name}, held out by patient", notes)


LABELS_SEEN = (
    "{name} has learned from the ratings of each fold's known patients: a wrong label there has "
    "shaped its codes. An encoder blind to ratings (VAE-mask, VAE, Autoencoder, PCA) is safer."
)


FROM_RATINGS = ("rating_weight", "attribute_weight", "kinship_weight", "label_weight")
"""Arguments of the package's encoders by which ratings enter their training."""


def blind_to_labels(settings: Mapping[str, Any]) -> bool:
    """Whether what a bench kept was made without any rating.

    Parameters
    ----------
    settings : mapping
        As `io.bench_results.read_kept_codes` gives them.
    """
    learned = any(settings["arguments"].get(name) for name in FROM_RATINGS)
    return not (settings["training"] and learned)


def places_by_index(index: NoduleIndex, *, folds: int = FOLDS) -> Places:
    """The codes of an index, whose encoder may have seen all of its labels."""
    known_sets = folds_of([record.patient for record in index.records], folds)
    mean = np.asarray(index.posterior.mean, float)
    spaces = [FoldSpace(known, out, standardised(mean, known)) for known, out in known_sets]
    by = f"codes of the model {index.model_sha256[:12]}"
    return Places(tuple(spaces), by, (IN_SAMPLE,))


IN_SAMPLE = (
    "In sample: the encoder of this index was trained on these nodules and their labels, which it "
    "has in part learned by heart. Fewer wrong labels stand out than on a folder of crops."
)


def joined(features: Floats, codes: NDArray[np.floating], known: NDArray[np.int_]) -> Floats:
    """Mask features and codes side by side, standardised over the known rows."""
    code = standardised(codes, known) * np.sqrt(features.shape[1] / codes.shape[1])
    return np.concatenate([standardised(features, known), CODE_WEIGHT * code], axis=1)


def folds_of(
    patients: Sequence[str], folds: int, seed: int = 0
) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """Folds by patient, fewer where there are fewer patients; as a bench has them."""
    folds = min(folds, len(set(patients)))
    if folds < 2:
        raise ValueError("Labels of one patient cannot be judged by those of others. Add patients.")
    return list(patient_folds(patients, folds=folds, seed=seed))
