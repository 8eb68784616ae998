"""Which distances there are between the posteriors of a model: those of its family."""

from __future__ import annotations

from typing import Any

from napari_vaemed.data.posterior import AnyPosterior, DirichletPosterior
from napari_vaemed.distances import DIRICHLET_DISTANCES, DISTANCES, cosine, dirichlet, euclidean
from napari_vaemed.distances.gaussian import Numbers, bhattacharyya_coefficient
from napari_vaemed.distances.properties import Distance


def distances_of(posterior: AnyPosterior) -> tuple[Distance[Any], ...]:
    """Every distance between posteriors of this family, its default first.

    Those between points go with every family: of a posterior only the mean counts.
    """
    if isinstance(posterior, DirichletPosterior):
        return (*DIRICHLET_DISTANCES, euclidean, cosine)
    return DISTANCES


def distance_named(name: str, posterior: AnyPosterior | None = None) -> Distance[Any]:
    """The distance of that name between posteriors of this family; None: of any family.

    Raises
    ------
    ValueError
        If there is no such distance.
    """
    every = (*DISTANCES, *DIRICHLET_DISTANCES) if posterior is None else distances_of(posterior)
    for distance in every:
        if distance.__name__ == name.replace("-", "_"):
            return distance
    known = ", ".join(dict.fromkeys(distance.__name__ for distance in every))
    between = " between Dirichlets" if isinstance(posterior, DirichletPosterior) else ""
    raise ValueError(f"There is no distance {name!r}{between}; choose one of {known}.")


def overlap(a: AnyPosterior, b: AnyPosterior) -> Numbers:
    """∫√(ab), (n, m), of two sets of one family: a similarity in [0, 1], 1 between equals."""
    if isinstance(a, DirichletPosterior) and isinstance(b, DirichletPosterior):
        return dirichlet.bhattacharyya_coefficient(a, b)
    if isinstance(a, DirichletPosterior) or isinstance(b, DirichletPosterior):
        raise ValueError("A Dirichlet posterior and a Gaussian one have no overlap to be told.")
    return bhattacharyya_coefficient(a, b)
