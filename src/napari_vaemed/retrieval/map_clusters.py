"""Classes of nodules that nobody named, and how far they agree with what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.latent_map import Colouring
from napari_vaemed.data.nodule import UNDECIDED
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.retrieval.latent_map import Floats, drawn
from napari_vaemed.retrieval.neighbours import known_volumes

K_MEANS, MIXTURE, MODEL = METHODS = ("k-means", "mixture", "model")
"""Ways to sort nodules into classes."""

STARTS = 10
"""Of k-means and of each mixture; the best is taken."""
LOOKED_AT = 20_000
"""Nodules that clusters are found by, at most; the others are sorted into these."""

IN_SAMPLE = "in sample where the model has learned from these ratings"

ALL_ALIKE = "there is nothing that they could agree with"

Labels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Classes:
    """A class (n,) for every nodule, how many classes there might be, and who says so.

    ``word`` is what a class is called; where it is "class" its number is its finder's own.
    """

    labels: Labels
    k: int
    by: str
    word: str = "cluster"


def sorted_out(points: Floats, method: str, k: int, seed: int = 0) -> Work[Classes]:
    """Find ``k`` clusters in coordinates (n, d) by k-means or a mixture of Gaussians.

    Of the mixture's covariances, diagonal or full, those are taken that the Bayesian information
    criterion likes better. It can be stopped between starts.

    Raises
    ------
    ValueError
        There is no such method, or there are fewer nodules than clusters.
    """
    if method not in (K_MEANS, MIXTURE):
        raise ValueError(f"There are no clusters by {method!r}; there are {', '.join(METHODS)}.")
    if not 1 <= k <= len(points):
        raise ValueError(
            f"Of {len(points)} nodules 1 to {len(points)} clusters can be made; {k} were asked for."
        )
    seen = points[drawn(len(points), LOOKED_AT, seed)]
    fitted, by = yield from (_k_means if method == K_MEANS else _mixture)(seen, k, seed)
    by += "" if len(seen) == len(points) else f" by {len(seen)} that were drawn"
    return Classes(np.asarray(fitted.predict(points)), k, by)


def as_colouring(index: NoduleIndex, found: Classes) -> Colouring:
    """Classes as colours, the most frequent first, with what they agree with."""
    used, counts = np.unique(found.labels, return_counts=True)
    order = used[np.argsort(-counts, kind="stable")]
    place = np.empty(found.k, np.int32)
    place[order] = np.arange(len(order))
    labels = place[found.labels].astype(np.int32)
    figures = agreement(index, labels)
    own = found.word == "class"
    names = tuple(f"{found.word} {cls if own else n}" for n, cls in enumerate(order.tolist(), 1))
    empty = "" if len(used) == found.k else f", {len(used)} of {found.k} in use"
    compared = [*map(_agreement_text, figures.items()), IN_SAMPLE] if figures else [ALL_ALIKE]
    told = "; ".join([f"{found.by}{empty}", *compared])
    return Colouring("clusters", "class", told, labels=labels, names=names, figures=figures)


def agreement(index: NoduleIndex, labels: NDArray[np.integer]) -> dict[str, dict[str, float]]:
    """How classes (n,) agree with malignancy and with size, and size with malignancy.

    Malignancy is below or above 3, of nodules that were scored so; size is as many equally large
    groups by volume as there are classes. "size alone with malignancy" is the ruler's answer: what
    such groups share with malignancy, whatever the classes. What is all of one class or score is
    left out: there the scores of agreement are 1 or 0 whatever the rest.
    """
    from napari_vaemed.training.clustering import agreement_figures

    volumes = known_volumes(index)
    ranks = np.argsort(np.argsort(volumes, kind="stable"), kind="stable")
    size = ranks * len(np.unique(labels)) // len(ranks)
    score = np.array([record.ratings.get("malignancy", np.nan) for record in index.records], float)
    clear = ~np.isnan(score) & (score != UNDECIDED)
    malignant = (score > UNDECIDED).astype(int)
    compared = {"with size": (labels, size)}
    if clear.any():
        compared |= {
            "with malignancy": (labels[clear], malignant[clear]),
            "size alone with malignancy": (size[clear], malignant[clear]),
        }
    return {
        name: {figure: value for figure, value in agreement_figures(*pair).items()
               if figure in ("nmi", "ari")} | {"n": len(pair[0])}
        for name, pair in compared.items() if all(len(np.unique(side)) > 1 for side in pair)
    }  # fmt: skip


def _agreement_text(item: tuple[str, Mapping[str, float]]) -> str:
    what, figures = item
    return f"{what} NMI {figures['nmi']:.2f}, ARI {figures['ari']:.2f} (n = {figures['n']:.0f})"


def _k_means(points: Floats, k: int, seed: int) -> Work[tuple[Any, str]]:
    from sklearn.cluster import KMeans

    best: Any = None
    for start in range(STARTS):
        yield Progress("Finding clusters", start, STARTS)
        fitted = KMeans(k, n_init=1, random_state=seed + start).fit(points)
        if best is None or fitted.inertia_ < best.inertia_:
            best = fitted
    return best, f"k-means, {STARTS} starts, k = {k}"


def _mixture(points: Floats, k: int, seed: int) -> Work[tuple[Any, str]]:
    """The best of each kind of covariance by likelihood, of those the one of the lower BIC."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    best: dict[str, Any] = {}
    for number in range(2 * STARTS):
        yield Progress("Fitting a mixture", number, 2 * STARTS)
        kind, start = ("diag", "full")[number // STARTS], number % STARTS
        with warnings.catch_warnings():  # a start that needs longer is seldom the best
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = GaussianMixture(k, covariance_type=kind, random_state=seed + start)
            fitted.fit(points)
        if kind not in best or fitted.lower_bound_ > best[kind].lower_bound_:
            best[kind] = fitted
    kind = min(best, key=lambda each: best[each].bic(points))
    words = {"diag": "diagonal", "full": "full"}[kind]
    return best[kind], f"mixture of Gaussians, {words} covariances by BIC, k = {k}"
