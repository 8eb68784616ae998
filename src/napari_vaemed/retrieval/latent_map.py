"""Codes onto a plane: principal components, t-SNE, UMAP, and what such a plane is worth.

Whatever the method, distances between the coordinates are Euclid's between posterior means; of
Dirichlets, whose means lie on a simplex, between their centred log-ratios (Aitchison, 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import AnyPosterior, DirichletPosterior

Floats = NDArray[np.float64]
Onto = Callable[[Floats], Floats]

NEIGHBOURS = 10
"""Neighbours whose truth trustworthiness asks for."""
ASKED = 2000
"""Nodules that trustworthiness is measured on, at most: its cost grows with their square."""
LAID_OUT = {"t-SNE": 5000, "UMAP": 20_000}
"""Nodules that are laid out, at most; more are put among these as a new one is."""
NEAREST = 5
"""Nodules among which one is put that the method itself has no place for."""
PERPLEXITY = 30.0
UMAP_NEIGHBOURS = 15

_UMAP = Lock()  # numba's threads refuse to be entered by two of ours
_CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Layout:
    """Places (n, 2), the way onto them for others, and numbers that tell how it came about."""

    places: Floats
    onto: Onto
    figures: Mapping[str, float]


def coordinates(posterior: AnyPosterior) -> Floats:
    """Coordinates (n, d) of posteriors: their means, of Dirichlets centred log-ratios of them."""
    means = np.atleast_2d(np.asarray(posterior.mean, float))
    if not isinstance(posterior, DirichletPosterior):
        return means
    logs = np.log(np.maximum(means, np.finfo(np.float32).tiny))
    return logs - logs.mean(axis=1, keepdims=True)


def main_axes(points: Floats) -> Layout:
    """The plane of the two principal components, each turned so that its largest loading is > 0.

    Parameters
    ----------
    points : (n, d)
    """
    from sklearn.decomposition import PCA

    dims = min(2, *points.shape)
    fitted = PCA(dims, svd_solver="covariance_eigh").fit(points)
    axes = np.zeros((2, points.shape[1]))
    axes[:dims] = fitted.components_
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.where(axes[np.arange(2), largest] < 0, -1.0, 1.0)[:, None]
    centre = fitted.mean_

    def onto(others: Floats) -> Floats:
        placed: Floats = (others - centre) @ axes.T
        return placed

    shares = np.zeros(2)
    shares[:dims] = np.nan_to_num(fitted.explained_variance_ratio_)
    figures = {"first_share": float(shares[0]), "second_share": float(shares[1])}
    return Layout(onto(points), onto, figures)


def stochastic_neighbours(points: Floats, seed: int) -> Layout:
    """t-SNE (van der Maaten, 2014) from the principal components; the same for the same seed.

    It has no way onto its map: others are put `among` those that lie there.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    perplexity = min(PERPLEXITY, (len(points) - 1) / 3.0)
    with threadpool_limits(1, "openmp"):  # several threads add up in no set order
        fitted = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit(points)
    places = np.asarray(fitted.embedding_, float)
    figures = {"perplexity": perplexity, "seed": seed}
    return Layout(places, lambda others: among(points, places, others), figures)


def uniform_manifold(points: Floats, seed: int) -> Layout:
    """UMAP (McInnes et al., 2018); the same for the same seed.

    Raises
    ------
    ValueError
        umap-learn is not installed.
    """
    umap = umap_module()
    neighbours = min(UMAP_NEIGHBOURS, len(points) - 1)
    start = "spectral" if len(points) > 2 * UMAP_NEIGHBOURS else "random"
    with _UMAP:
        fitted = umap.UMAP(
            n_neighbors=neighbours, init=start, random_state=seed, transform_seed=seed, n_jobs=1
        ).fit(points.astype(np.float32))

    def onto(others: Floats) -> Floats:
        with _UMAP:
            return np.asarray(fitted.transform(others.astype(np.float32)), float)

    figures = {"neighbours": neighbours, "seed": seed}
    return Layout(np.asarray(fitted.embedding_, float), onto, figures)


def umap_module() -> Any:
    """The package of UMAP.

    Raises
    ------
    ValueError
        It is not installed; says what to do.
    """
    try:
        return import_module("umap")
    except ModuleNotFoundError:
        raise ValueError(
            "UMAP is not installed. Install umap-learn, for example with: pip install "
            "'napari-vaemed[map]'. PCA and t-SNE work without it."
        ) from None


def among(points: Floats, places: Floats, others: Floats) -> Floats:
    """Places (m, 2) of others: mean of their nearest points' places, weighed by 1/distance.

    Parameters
    ----------
    points : (n, d)
    places : (n, 2)
        Of the points.
    others : (m, d)
    """
    nearest = min(NEAREST, len(points))
    placed = np.empty((len(others), 2))
    squares = np.square(points).sum(axis=1)
    for start in range(0, len(others), _CHUNK):
        some = others[start : start + _CHUNK]
        scores = squares - 2.0 * some @ points.T
        rows = np.argpartition(scores, nearest - 1, axis=1)[:, :nearest]
        apart = np.linalg.norm(points[rows] - some[:, None], axis=2)
        weights = 1.0 / np.maximum(apart, 1e-9)  # on a known point it alone counts
        weights /= weights.sum(axis=1, keepdims=True)
        placed[start : start + _CHUNK] = (weights[:, :, None] * places[rows]).sum(axis=1)
    return placed


def trustworthiness(points: Floats, places: Floats, seed: int = 0) -> tuple[float, int, int]:
    """How far neighbours on a map are neighbours in truth: the figure, neighbours, nodules asked.

    Venna and Kaski, Neighborhood Preservation in Nonlinear Projection Methods, 2001. Of more than
    `ASKED` nodules so many are drawn, and compared with each other.
    """
    from sklearn.manifold import trustworthiness as measured

    rows = drawn(len(points), ASKED, seed)
    neighbours = min(NEIGHBOURS, (len(rows) - 1) // 2)
    figure = float(measured(points[rows], places[rows], n_neighbors=neighbours))
    return figure, neighbours, len(rows)


def drawn(n: int, most: int, seed: int) -> NDArray[np.intp]:
    """All row numbers, or ``most`` of them drawn without replacement, in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
