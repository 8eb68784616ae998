"""What an index's votes are worth, from a bench whose encoders had not seen the nodules asked."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.bench import Codes
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.vote_calibration import VoteBin, VoteCalibration, VoteCurve
from napari_vaemed.io.bench_results import CLICKS_FILE, read_clicks, read_kept_codes
from napari_vaemed.retrieval.comparison import askable
from napari_vaemed.retrieval.neighbours import known_volumes
from napari_vaemed.retrieval.votes import VOTERS, clear_rows, is_malignant
from napari_vaemed.training.bootstrap import Weights, interval, patient_draws, weighted_mean
from napari_vaemed.training.calibration import calibrated, curve, expected_error
from napari_vaemed.training.folds import SAME_SCAN, patient_folds
from napari_vaemed.training.metrics import knn_score, precision_at

RULER = "log volume"
BINS = NEAREST = 10

Floats = NDArray[np.float64]


def calibrate_votes(
    bench: Path, index: NoduleIndex, *, entrant: str = "GaussianVAE"
) -> Work[VoteCalibration]:
    """Calibrate the votes of an index by the held-out votes of a bench on the same nodules.

    The index's own encoder has seen its nodules, so nothing can be learned from their votes on each
    other. A bench's encoders are of the same recipe, and each is asked only about nodules of
    patients that it has not seen, against those that it has, as a new nodule is against the index.

    Parameters
    ----------
    bench : Path
        Folder that `workflow.bench.bench` wrote into. Only seeds count of which every fold is
        there.
    entrant : str
        Which of its encoders.

    Raises
    ------
    FileNotFoundError
        If it holds no whole seed of that encoder.
    ValueError
        If it was made of other nodules than the index.
    """
    seeds = _whole_seeds(bench / "codes", entrant)
    if not seeds:
        raise FileNotFoundError(
            f"{bench} holds no whole seed of {entrant}. Make one with: vaemed bench FOLDER -o "
            f"{bench} --models {entrant}"
        )
    clicks = bench / CLICKS_FILE
    if clicks.is_file() and read_clicks(clicks, [record.id for record in index.records]) is None:
        raise ValueError(f"{bench} is of other nodules, or of another order, than the index.")
    votes = _HeldOutVotes(index)
    made_by: Mapping[str, Any] = {}
    for number, (seed, paths) in enumerate(sorted(seeds.items())):
        yield Progress("Asking held-out nodules' neighbours", number, len(seeds))
        folds = patient_folds(votes.owners, folds=len(paths), seed=seed)
        for fold, (path, (known, held_out)) in enumerate(zip(paths, folds, strict=True)):
            codes, made_by = read_kept_codes(path)
            votes.add(seed, fold, _checked(codes, path, index), known, held_out)
    yield Progress("Fitting curves")
    encoders = {name: value for name, value in made_by.items() if name not in ("seed", "fold")}
    return _calibration(index, votes, len(seeds), {"entrant": entrant, **encoders})


class _HeldOutVotes:
    """Scores and shares of the same class, of every distance, seed by seed."""

    def __init__(self, index: NoduleIndex) -> None:
        self.clear = clear_rows(index)
        self.malignant = is_malignant(index)
        self.owners = [SAME_SCAN.get(r.patient, r.patient) for r in index.records]
        self.log_volumes = np.log(known_volumes(index))
        self.fold: dict[int, NDArray[np.int_]] = {}
        self.score: dict[str, dict[int, Floats]] = defaultdict(dict)
        self.same: dict[str, dict[int, Floats]] = defaultdict(dict)

    def add(
        self,
        seed: int,
        fold: int,
        codes: Codes,
        known: NDArray[np.int_],
        held_out: NDArray[np.int_],
    ) -> None:
        """Take a fold's votes in."""
        others, asked = (np.intersect1d(rows, self.clear) for rows in (known, held_out))
        place = np.searchsorted(self.clear, asked)
        self.fold.setdefault(seed, np.full(len(self.clear), -1))[place] = fold
        volumes = self.log_volumes
        apart = {RULER: np.abs(volumes[asked][:, None] - volumes[others])}
        for distance in askable(codes.clicked):
            apart[distance.__name__] = distance(codes.clicked[asked], codes.clicked[others])
        wanted, malignant = self.malignant[asked], self.malignant[others]
        for name, values in apart.items():
            empty = np.full(len(self.clear), np.nan)
            score = knn_score(values, malignant, k=VOTERS)
            self.score[name].setdefault(seed, empty.copy())[place] = score
            same = precision_at(values, wanted, malignant, k=NEAREST)
            self.same[name].setdefault(seed, empty.copy())[place] = same


def _calibration(
    index: NoduleIndex, votes: _HeldOutVotes, seeds: int, made_by: Mapping[str, Any]
) -> VoteCalibration:
    clear, positive = votes.clear, votes.malignant[votes.clear]
    owners = [votes.owners[row] for row in clear]
    weights = patient_draws(owners)
    same = {name: _mean_same(votes, name, weights) for name in votes.same}
    curves = {name: _curve(votes, name, positive, weights, same[name]) for name in votes.score}
    ruler = curves.pop(RULER)
    above = {name: _told(same[name] - same[RULER]) for name in curves}
    about = {
        "task": "malignancy 4–5 against 1–2 as LIDC-IDRI's readers scored it; 3 is left out",
        "votes": "held out by patient, each encoder asked only about patients it has not seen",
        "data": index.source,
        "encoders": dict(made_by),
    }
    return VoteCalibration(
        index.model_sha256, VOTERS, len(clear), int(positive.sum()), len(set(owners)), seeds,
        about, curves, ruler, above,
    )  # fmt: skip


def _curve(
    votes: _HeldOutVotes,
    name: str,
    positive: NDArray[np.bool_],
    weights: Weights,
    same: Weights,
) -> VoteCurve:
    """One distance's curve, of all seeds' votes together."""
    by_seed = votes.score[name]
    chances = {s: calibrated(positive, score, votes.fold[s]) for s, score in by_seed.items()}
    errors = [expected_error(positive, chance, weights, bins=BINS) for chance in chances.values()]
    scores, truth = np.concatenate(list(by_seed.values())), np.tile(positive, len(by_seed))
    knots, values = curve(truth, scores)
    return VoteCurve(
        tuple(np.round(knots, 6).tolist()),
        tuple(np.round(values, 6).tolist()),
        _bins(scores, truth),
        _told(np.mean(errors, axis=0)),
        _told(same),
    )


def _mean_same(votes: _HeldOutVotes, name: str, weights: Weights) -> Weights:
    """Share of the same class over all nodules and seeds, for each draw."""
    return weighted_mean(np.mean(list(votes.same[name].values()), axis=0), weights)


def _bins(scores: Floats, truth: NDArray[np.bool_]) -> tuple[VoteBin, ...]:
    """Ten of equal mass; votes of one score stay together."""
    edges = np.unique(np.quantile(scores, np.arange(1, BINS + 1) / BINS, method="higher"))
    place = np.searchsorted(edges, scores)
    found = []
    for number, high in enumerate(edges.tolist()):
        inside = place == number
        low = round(float(scores[inside].min()), 6)
        found.append(VoteBin(low, round(high, 6), int(inside.sum()), int(truth[inside].sum())))
    return tuple(found)


def _told(drawn: Weights) -> Interval:
    found = interval(drawn)
    assert found is not None  # every draw holds nodules
    return Interval(*(round(value, 4) for value in (found.value, found.low, found.high)))


def _whole_seeds(folder: Path, entrant: str) -> dict[int, list[Path]]:
    """The folds' files of each seed of which all are there."""
    found: dict[int, dict[int, Path]] = defaultdict(dict)
    for path in folder.glob(f"{entrant}-seed*-fold*.safetensors"):
        if numbers := re.fullmatch(rf"{re.escape(entrant)}-seed(\d+)-fold(\d+)", path.stem):
            found[int(numbers[1])][int(numbers[2])] = path
    whole = {}
    for seed, paths in found.items():
        _, settings = read_kept_codes(paths[min(paths)])
        if len(paths) == settings["folds"]:
            whole[seed] = [paths[fold] for fold in sorted(paths)]
    return whole


def _checked(codes: Codes, path: Path, index: NoduleIndex) -> Codes:
    if len(codes.clicked) != len(index):
        raise ValueError(
            f"{path.name} holds codes of {len(codes.clicked)} nodules; the index holds "
            f"{len(index)}. Give the bench of the nodules the index was made of."
        )
    return codes
