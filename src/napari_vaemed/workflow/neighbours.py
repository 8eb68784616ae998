"""The twins of a nodule with all that is said of them: filters, votes, why near, by what distance.

Filters decide which twins are shown. Votes never heed them: they are those that were calibrated, of
the nearest nodules of other patients with a clear score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import ATTRIBUTES
from napari_vaemed.data.posterior import AnyPosterior
from napari_vaemed.data.twin_wish import TwinWish
from napari_vaemed.data.volume import Volume
from napari_vaemed.data.vote_calibration import VoteBin, VoteCalibration, VoteCurve
from napari_vaemed.distances.families import distance_named
from napari_vaemed.distances.properties import Distance, properties_of
from napari_vaemed.explanation.why_near import LatentGap, latent_gaps
from napari_vaemed.io.checkpoints import Model
from napari_vaemed.retrieval.comparison import (
    Ranking,
    askable,
    rankings,
    similarity_percentile,
)
from napari_vaemed.retrieval.filters import of_same_patient, of_size, of_texture, rated_density
from napari_vaemed.retrieval.neighbours import (
    Neighbour,
    Vote,
    known_volumes,
    nearest,
    nearest_by_volume,
    vote,
)
from napari_vaemed.retrieval.votes import VOTERS, clear_rows, vote_score
from napari_vaemed.workflow.examine import Expert, Marked


@dataclass(frozen=True, eq=False)
class TwinQuery:
    """A nodule whose twins are looked for.

    Parameters
    ----------
    posterior : Posterior or DirichletPosterior of shape (d,)
    patient, series_uid : str or None
        Whose it is, as far as is known.
    volume_mm3 : float
        As a click measures it.
    density : str
        One of `data.guideline.DENSITIES`; "" where it is not known.
    """

    posterior: AnyPosterior
    patient: str | None
    series_uid: str | None
    volume_mm3: float
    density: str


@dataclass(frozen=True)
class WeighedVote:
    """A vote of the nearest with a clear score, and what such votes were worth.

    Parameters
    ----------
    vote : Vote
    score : float
        Its share of malignant, near ones counting more.
    chance : float or None
        That readers score the nodule 4 or 5; None where votes of this index were not calibrated.
    like : VoteBin or None
        The held-out votes most like it.
    curve : VoteCurve or None
        What the chance was read from.
    """

    vote: Vote
    score: float
    chance: float | None = None
    like: VoteBin | None = None
    curve: VoteCurve | None = None


@dataclass(frozen=True, eq=False)
class Twins:
    """The twins of a nodule.

    Parameters
    ----------
    query : TwinQuery
    wish : TwinWish
    distance : str
        Title of the distance that they are near by.
    neighbours : tuple of Neighbour
        Nearest first.
    percentiles : tuple of float or None
        Share of random pairs that are less alike than query and twin, 0 to 100; None where there
        is no similarity.
    left_out : int
        Nodules of the query's patient that would have been among them.
    same_patient : int
        Nodules of the query's patient in the index; its model has learned from that patient.
    candidates : int
        How many nodules pass the filters.
    vote, ruler : WeighedVote
        By the distance, and by volume alone.
    calibration : VoteCalibration or None
    distances : mapping
        Titles of the distances there are, by name, the default first.
    """

    query: TwinQuery
    wish: TwinWish
    distance: str
    neighbours: tuple[Neighbour, ...]
    percentiles: tuple[float | None, ...]
    left_out: int
    same_patient: int
    candidates: int
    vote: WeighedVote
    ruler: WeighedVote
    calibration: VoteCalibration | None
    distances: Mapping[str, str]


@dataclass(frozen=True)
class DistanceVote:
    """One distance's own twins and vote."""

    title: str
    ranking: Ranking
    vote: WeighedVote


@dataclass(frozen=True, eq=False)
class Why:
    """Why a twin is near.

    Parameters
    ----------
    gaps : tuple of LatentGap
        Every informative latent, most informative first.
    ratings : mapping
        By attribute, what the model reads of the query and what the twin's readers said; empty for
        a model that reads none.
    volumes_mm3 : (query, twin)
    """

    gaps: tuple[LatentGap, ...]
    ratings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    volumes_mm3: tuple[float, float] = (0.0, 0.0)


def query_of_finding(posterior: AnyPosterior, volume: Volume, marked: Marked) -> TwinQuery:
    """The query that a marked nodule is."""
    measured = marked.measurement
    return TwinQuery(
        posterior, volume.patient, volume.series_uid, measured.volume_mm3, measured.density
    )


def query_of_row(index: NoduleIndex, row: int) -> TwinQuery:
    """The query that a nodule of the index is."""
    record = index.records[row]
    return TwinQuery(
        index.posterior[row],
        record.patient,
        record.series_uid,
        float(known_volumes(index)[row]),
        rated_density(record),
    )


def find_twins(expert: Expert, query: TwinQuery, wish: TwinWish) -> Twins:
    """Find the twins of a nodule, and what they and the ruler vote.

    Raises
    ------
    ValueError
        If there is no such distance, or query and index come from different models.
    """
    index = expert.index
    own, passing = _own(index, query), _passing(index, query, wish)
    allowed = passing & ~own if wish.others_only else passing
    distance = _distance(index, wish)
    near = _nearest(expert, query, distance, wish.k, allowed)
    left_out = 0
    if wish.others_only and (passing & own).any():
        left_out = sum(
            bool(own[one.row]) for one in _nearest(expert, query, distance, wish.k, passing)
        )
    return Twins(
        query,
        wish,
        properties_of(distance).title,
        near,
        tuple(_percentile(index, one) for one in near),
        left_out,
        int(own.sum()),
        int(allowed.sum()),
        _vote(expert, query, distance, own),
        _ruler_vote(expert, query, own),
        expert.calibration,
        {each.__name__: properties_of(each).title for each in askable(index.posterior)},
    )


def compare_distances(expert: Expert, query: TwinQuery, wish: TwinWish) -> tuple[DistanceVote, ...]:
    """The twins and the vote by every distance, the family's default first."""
    index = expert.index
    own, passing = _own(index, query), _passing(index, query, wish)
    allowed = passing & ~own if wish.others_only else passing
    return tuple(
        DistanceVote(properties_of(distance).title, one, _vote(expert, query, distance, own))
        for one in rankings(index, query.posterior, allowed, wish.k)
        for distance in [distance_named(one.name, index.posterior)]
    )


def why_near(expert: Expert, query: TwinQuery, row: int) -> Why:
    """What a known nodule has in common with the query, and what not."""
    index = expert.index
    record = index.records[row]
    read = read_ratings(expert.model, np.asarray(query.posterior.mean, np.float32)[None])
    ratings = {} if read is None else {
        name: (float(value), record.ratings[name])
        for name, value in zip(ATTRIBUTES, read[0], strict=True)
        if name in record.ratings
    }  # fmt: skip
    gaps = latent_gaps(query.posterior, index.posterior[row], expert.axes)
    return Why(gaps, ratings, (query.volume_mm3, float(known_volumes(index)[row])))


def read_ratings(model: Model, means: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The nine ratings (n, 9) that a model reads from codes (n, d); None where it reads none."""
    head = getattr(model.module, "rating_head", None)
    if head is None:
        return None
    import torch

    with torch.inference_mode():
        read = head(torch.from_numpy(means).to(model.device)).float().cpu().numpy() + 3.0
    highest = np.where(np.array(ATTRIBUTES) == "calcification", 6.0, 5.0)
    return np.clip(read, 1.0, highest).astype(np.float32)


def _distance(index: NoduleIndex, wish: TwinWish) -> Distance[Any]:
    every = askable(index.posterior)
    if wish.distance is None:
        return every[0]
    return distance_named(wish.distance, index.posterior)


def _own(index: NoduleIndex, query: TwinQuery) -> NDArray[np.bool_]:
    return of_same_patient(index, query.patient, query.series_uid)


def _passing(index: NoduleIndex, query: TwinQuery, wish: TwinWish) -> NDArray[np.bool_]:
    """What the filters let through, whoever's it is."""
    passing = np.ones(len(index), bool)
    if wish.size_within is not None:
        passing &= of_size(index, query.volume_mm3, wish.size_within)
    if wish.same_texture and query.density:
        passing &= of_texture(index, query.density)
    return passing


def _nearest(
    expert: Expert, query: TwinQuery, distance: Distance[Any], k: int, allowed: NDArray[np.bool_]
) -> tuple[Neighbour, ...]:
    return nearest(
        expert.index,
        query.posterior,
        k=k,
        distance=distance,
        patient=query.patient,
        series_uid=query.series_uid,
        among=allowed,
        model_sha256=expert.model.sha256,
    )


def _percentile(index: NoduleIndex, one: Neighbour) -> float | None:
    return None if one.similarity is None else similarity_percentile(index, one.similarity)


def _vote(
    expert: Expert, query: TwinQuery, distance: Distance[Any], own: NDArray[np.bool_]
) -> WeighedVote:
    voters = _nearest(expert, query, distance, VOTERS, _may_vote(expert.index, own))
    found = expert.calibration
    return _weighed(voters, None if found is None else found.curves.get(distance.__name__))


def _ruler_vote(expert: Expert, query: TwinQuery, own: NDArray[np.bool_]) -> WeighedVote:
    among = _may_vote(expert.index, own)
    voters = nearest_by_volume(expert.index, query.volume_mm3, k=VOTERS, among=among)
    found = expert.calibration
    return _weighed(voters, None if found is None else found.ruler)


def _may_vote(index: NoduleIndex, own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    clear = np.zeros(len(index), bool)
    clear[clear_rows(index)] = True
    return clear & ~own


def _weighed(voters: tuple[Neighbour, ...], curve: VoteCurve | None) -> WeighedVote:
    score = vote_score(voters) if voters else 0.0
    if curve is None or len(voters) < VOTERS:  # the curve is of as many
        return WeighedVote(vote(voters), score)
    return WeighedVote(vote(voters), score, curve.chance(score), curve.like(score), curve)
