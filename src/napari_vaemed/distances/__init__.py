"""How far apart two posteriors are: one function each, its properties written on it."""

from napari_vaemed.distances import dirichlet
from napari_vaemed.distances.gaussian import (
    bhattacharyya,
    fisher_rao,
    geometric_jensen_shannon,
    hellinger,
    jeffreys,
    kl,
    mmd,
    reverse_kl,
    wasserstein2,
)
from napari_vaemed.distances.jensen_shannon import jensen_shannon
from napari_vaemed.distances.points import cosine, euclidean

DISTANCES = (
    wasserstein2,
    fisher_rao,
    hellinger,
    bhattacharyya,
    jeffreys,
    jensen_shannon,
    geometric_jensen_shannon,
    mmd,
    kl,
    reverse_kl,
    euclidean,
    cosine,
)
"""Every distance between `Posterior`; the first is the default, docs/distances.md says why."""

DIRICHLET_DISTANCES = (
    dirichlet.hellinger,
    dirichlet.bhattacharyya,
    dirichlet.jeffreys,
    dirichlet.geometric_jensen_shannon,
    dirichlet.kl,
    dirichlet.reverse_kl,
)
"""Every distance between `DirichletPosterior`; the first is the default."""
