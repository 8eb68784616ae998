"""How far apart two posteriors are: one function each."""

from napari_vaemed.distances.gaussian import bhattacharyya, jeffreys, kl, wasserstein2

DISTANCES = (wasserstein2, jeffreys, bhattacharyya, kl)
"""Every distance there is; the first is the default."""
