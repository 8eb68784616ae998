"""What a form makes of an index: blocks of float32 that a matrix product turns into scores.

A score computed from them is never above the true one: a last feature takes off the largest error
that rounding to float32 can have made, (features + 3) 2⁻²⁴ ‖f‖ ‖g‖ whatever the order of summation
(Higham, Accuracy and Stability of Numerical Algorithms, 3.5).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.retrieval.forms import Form

Singles = NDArray[np.float32]

BLOCK = 8192
"""Known posteriors a matrix product takes at once on a CPU."""

CUDA_BLOCK = 1 << 20

_SAMPLE = 2048  # rows that centre, width and scale are taken from
_STRIP = 1024  # rows made at a time: their temporary arrays stay in the cache
_UNIT = 2.0**-24  # half the gap between 1 and the next float32
_LARGEST = 1e17  # of a feature, so that no product leaves float32


class OutOfRange(ValueError):
    """Features so large that float32 cannot hold their product; the distance must be asked."""


@dataclass(frozen=True, eq=False)
class Features:
    """What a form makes of an index, in blocks (features, rows) of float32.

    Parameters
    ----------
    form : Form
    posterior : Posterior of shape (m, d)
    centre, width : (d,)
        Taken off all means, and divided by, as far as the form allows: smaller features are
        rounded to smaller errors.
    scale : (features,)
        Known features are divided, a query's multiplied by it.
    kept : tuple of arrays
        The blocks; empty if they are made anew from the posteriors at every search.
    device : str
        "cpu", or a CUDA device on which the blocks lie.
    flat : faiss.IndexFlatIP or None
        Holds all features, with their signs turned, in place of ``kept``.
    """

    form: Form
    posterior: Posterior
    centre: NDArray[np.float64]
    width: NDArray[np.float64]
    scale: NDArray[np.float64]
    kept: tuple[Any, ...] = field(default=(), repr=False)
    device: str = "cpu"
    flat: Any = None

    @property
    def block(self) -> int:
        """Rows of a block."""
        return BLOCK if self.device == "cpu" else CUDA_BLOCK

    def of_query(self, query: Posterior) -> tuple[Singles, NDArray[np.float64]]:
        """Features (n, features) and what is to be added to the scores (n,)."""
        vectors, offset = self.form.query(self._moved(query))
        vectors = vectors * self.scale
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return _single(np.concatenate([vectors, length], axis=1)), offset

    def of_known(self, place: slice) -> Singles:
        """One block (features, rows)."""
        margin = 1.1 * (len(self.scale) + 4) * _UNIT
        out = np.empty((len(self.scale) + 1, place.stop - place.start), np.float32)
        for start in range(place.start, place.stop, _STRIP):
            rows = slice(start, min(start + _STRIP, place.stop))
            vectors = self.form.known(self._moved(self.posterior[rows])) / self.scale
            error = -margin * np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
            strip = out[:, rows.start - place.start : rows.stop - place.start]
            strip[:-1], strip[-1] = _single(vectors).T, error
        return out

    def places(self) -> list[slice]:
        """The rows of each block."""
        starts = range(0, len(self.posterior), self.block)
        return [slice(s, min(s + self.block, len(self.posterior))) for s in starts]

    def at(self, place: slice) -> Any:
        """The block of some rows, made anew if it was not kept."""
        return self.kept[place.start // self.block] if self.kept else self.of_known(place)

    def _moved(self, posterior: Posterior) -> Posterior:
        mean, sd = posterior.mean - self.centre, posterior.sd
        if self.form.invariant == "affine":
            mean, sd = mean / self.width, sd / self.width
        return Posterior(mean, sd)


def make_features(
    form: Form, posterior: Posterior, *, keep: bool = True, device: str = "cpu"
) -> Features:
    """Prepare an index for search; ``keep`` holds its features in memory (on ``device``).

    ``device`` "faiss" leaves the product to FAISS on the CPU, where that is installed.
    """
    flat, device = device == "faiss", "cpu" if device == "faiss" else device
    sample = posterior[:: max(1, len(posterior) // _SAMPLE)]
    centre, width = np.zeros(sample.mean.shape[1]), np.ones(sample.mean.shape[1])
    if form.invariant:
        centre = np.asarray(sample.mean, float).mean(axis=0)
    if form.invariant == "affine":
        width = np.sqrt(np.square(sample.sd, dtype=float).mean(axis=0))
    bare = Features(form, posterior, centre, width, np.ones(1), device=device)
    scale = np.sqrt(np.square(form.known(bare._moved(sample))).mean(axis=0))
    bare = replace(bare, scale=np.where(scale > 0, scale, 1.0))
    if not keep:
        return bare
    if flat:
        return replace(bare, flat=_flat_index(bare))
    kept = tuple(_put(bare.of_known(place), device) for place in bare.places())
    return replace(bare, kept=kept)


def _flat_index(features: Features) -> Any:
    """All features in a `faiss.IndexFlatIP`, signs turned: it looks for the largest product."""
    try:
        faiss = import_module("faiss")
    except ImportError:
        raise ImportError(
            "FAISS is not installed. Install faiss-cpu, or search without it: it gives the same."
        ) from None
    index = None
    for place in features.places():
        block = features.of_known(place)
        index = index or faiss.IndexFlatIP(len(block))
        index.add(np.ascontiguousarray(-block.T))
    return index


def _single(vectors: NDArray[np.float64]) -> Singles:
    largest = max(vectors.max(initial=0.0), -vectors.min(initial=0.0))
    if not largest < _LARGEST:
        raise OutOfRange(f"A feature of {largest:.3g} is too large for products in float32.")
    return vectors.astype(np.float32)


def _put(block: Singles, device: str) -> Any:
    if device == "cpu":
        return block
    import torch

    return torch.from_numpy(block).to(device)
