"""Posteriors of either family as named tensors, as files hold them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import AnyPosterior, DirichletPosterior, Posterior


def posterior_tensors(posterior: AnyPosterior) -> dict[str, NDArray[np.float32]]:
    """``concentration`` of Dirichlets, ``mean`` and ``sd`` of Gaussians, (n, d) float32 each."""
    names = ("concentration",) if isinstance(posterior, DirichletPosterior) else ("mean", "sd")
    return {name: np.ascontiguousarray(getattr(posterior, name), np.float32) for name in names}


def posterior_of(tensors: Mapping[str, NDArray[np.float32]]) -> AnyPosterior:
    """Read what `posterior_tensors` made; other tensors beside them are no matter.

    Raises
    ------
    KeyError
        If neither family's are there.
    """
    if "concentration" in tensors:
        return DirichletPosterior(tensors["concentration"])
    return Posterior(tensors["mean"], tensors["sd"])
