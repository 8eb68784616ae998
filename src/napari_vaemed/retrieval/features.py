"""What a form makes of an index: features in float32 that matrix products turn into scores.

A score computed from them is never above the true one: a last feature takes off the largest error
that float32 can have made. That is at most u ‖f‖ ‖g‖ (u = 2⁻²⁴) for each rounding that a product
of a query's and a known posterior's feature goes through: features + 3 for the matrix product and
what goes into it, whatever the order of summation (Higham, Accuracy and Stability of Numerical
Algorithms, 3.5), and 2d + 16 for making the features of d dimensions in float32, as is done of
posteriors that are given so. A logarithm is off by one rounding more, of 1 and not of itself, where
deviations were divided by ``width`` before.

Features are kept in memory, or made anew at each search, a strip at a time: then posteriors may be
mapped from a file larger than memory, and are read once, from its beginning to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.posterior import Posterior
from napari_vaemed.retrieval.forms import Form
from napari_vaemed.retrieval.mapped import scattered

Singles = NDArray[np.float32]

BLOCK = 8192
"""Known posteriors a matrix product takes at once on a CPU."""

CUDA_BLOCK = 1 << 20

_SAMPLE = 2048  # rows that centre, width and scale are taken from
_STRIP = 2048  # rows made at a time: their temporary arrays stay in the cache
_UNIT = 2.0**-24  # half the gap between 1 and the next float32
_LARGEST = 1e17  # ‖f‖ or ‖g‖, so that no product leaves float32
_WIDE = 64  # usual deviations within a factor of this of 1 are left as they are
_SMALLEST = 1e-20  # error of a feature too small for float32, and more


class OutOfRange(ValueError):
    """Features so large that float32 cannot hold their product; the distance must be asked."""


@dataclass(frozen=True, eq=False)
class Features:
    """What a form makes of an index, in blocks of float32.

    Parameters
    ----------
    form : Form
    posterior : Posterior of shape (m, d)
    centre, width : (d,) float32 or None
        Taken off all means, and divided by, as far as the form allows and it makes features, and
        so their errors, smaller.
    scale : (parts + 1,)
        Usual size of the numbers of each part and of the constant; in ‖g‖ they are divided, in ‖f‖
        multiplied by it.
    kept : tuple of arrays
        The blocks, (rows, features + 1); empty if they are made anew at every search.
    device : str
        "cpu", or a CUDA device on which the blocks lie.
    flat : faiss.IndexFlatIP or None
        Holds all features, with their signs turned, in place of ``kept``.
    """

    form: Form
    posterior: Posterior
    centre: Singles | None
    width: Singles | None
    scale: NDArray[np.float64]
    kept: tuple[Any, ...] = field(default=(), repr=False)
    device: str = "cpu"
    flat: Any = None

    @property
    def block(self) -> int:
        """Rows of a block."""
        return BLOCK if self.device == "cpu" else CUDA_BLOCK

    def of_query(self, query: Posterior) -> tuple[Singles, NDArray[np.float64]]:
        """Features (n, features + 1) and what is to be added to the scores (n,)."""
        vectors, offset = self.form.query(self._moved(_doubled(query)))
        weights = np.repeat(self.scale, query.mean.shape[1])[: vectors.shape[1]]
        length = np.linalg.norm(vectors * weights, axis=1, keepdims=True)
        _check_range(length)
        return np.concatenate([vectors, length], axis=1).astype(np.float32), offset

    def of_known(self, place: slice) -> Singles:
        """Features of some rows (rows, features + 1)."""
        strips = [np.concatenate(self._pieces(strip), axis=1) for strip in _strips(place)]
        return np.concatenate(strips)

    def places(self) -> list[slice]:
        """The rows of each block."""
        starts = range(0, len(self.posterior), self.block)
        return [slice(s, min(s + self.block, len(self.posterior))) for s in starts]

    def product(self, vectors: Singles, place: slice, out: Singles) -> None:
        """Scores (n, rows) of one block, on the CPU."""
        if self.kept:
            np.matmul(vectors, self.kept[place.start // self.block].T, out=out)
            return
        for strip in _strips(place):
            scores = out[:, strip.start - place.start : strip.stop - place.start]
            start = vectors.shape[1]
            for piece in reversed(self._pieces(strip)):
                start, stop = start - piece.shape[1], start
                if stop == vectors.shape[1]:
                    np.matmul(vectors[:, start:], piece.T, out=scores)
                else:
                    scores += vectors[:, start:stop] @ piece.T

    def _pieces(self, rows: slice) -> tuple[Singles, ...]:
        """Features of some rows: the parts of the form, and its constant beside the margin."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # refused below
            made = self.form.known(self._moved(self.posterior[rows]))
            parts = tuple(part.astype(np.float32, copy=False) for part in made.parts)
            squares = made.squares or tuple(np.vecdot(part, part) for part in parts)
            *weights, weight = (self.scale**-2.0).tolist()
            square = sum(w * s for w, s in zip(weights, squares, strict=True))
            last = np.empty((len(parts[0]), 1 if made.constant is None else 2), np.float32)
            if made.constant is not None and made.size is not None:
                last[:, 0] = made.constant
                square = square + weight * np.square(made.size)
            length = np.sqrt(square)
            dims = parts[0].shape[1]
            roundings = dims * (len(parts) + 2) + last.shape[1] + 18
            least = _SMALLEST
            if self.width is not None:
                least += dims * _UNIT / self.scale.min()
            last[:, -1] = -1.1 * (roundings * _UNIT * length + least)
        _check_range(length)
        return *parts, last

    def _moved(self, posterior: Posterior) -> Posterior:
        mean, sd = posterior.mean, posterior.sd
        if self.centre is not None:
            mean = _by_column(np.subtract, mean, self.centre)
        if self.width is not None:
            mean, sd = (_by_column(np.divide, values, self.width) for values in (mean, sd))
        return Posterior(mean, sd)


def make_features(
    form: Form, posterior: Posterior, *, keep: bool = True, device: str = "cpu"
) -> Features:
    """Prepare an index for search; ``keep`` holds its features in memory (on ``device``).

    ``device`` "faiss" leaves the product to FAISS on the CPU, where that is installed.
    """
    flat, device = device == "faiss", "cpu" if device == "faiss" else device
    sample = _sample(posterior)
    centre = width = None
    middle, spread = sample.mean.mean(axis=0), sample.mean.std(axis=0)
    if form.invariant and (np.abs(middle) > spread).any():
        centre = middle.astype(np.float32)
    usual = _usual(sample.sd)
    ordinary = usual.min() > 1 / _WIDE and usual.max() < _WIDE
    if form.invariant == "affine" and not (form.tight and ordinary):
        width = usual.astype(np.float32)
    bare = Features(form, posterior, centre, width, np.ones(1), device=device)
    made = form.known(bare._moved(sample))
    sizes = [_usual(part.reshape(-1, 1)) for part in made.parts]
    sizes.append(np.ones(1) if made.size is None else _usual(made.size[:, None]))
    bare = replace(bare, scale=np.clip(np.concatenate(sizes), 1e-6, 1e6))
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
        index = index or faiss.IndexFlatIP(block.shape[1])
        index.add(-block)
    return index


def _sample(posterior: Posterior) -> Posterior:
    """Runs of rows from all over an index: few places of a file have to be read."""
    run = max(1, _SAMPLE // 16)
    starts = np.arange(16) * max(run, len(posterior) // 16)
    rows = (starts[:, None] + np.arange(run)).ravel()
    with scattered(posterior):
        return _doubled(posterior[rows[rows < len(posterior)]])


def _doubled(posterior: Posterior) -> Posterior:
    """In float64."""
    return Posterior(np.asarray(posterior.mean, float), np.asarray(posterior.sd, float))


def _strips(place: slice) -> list[slice]:
    starts = range(place.start, place.stop, _STRIP)
    return [slice(s, min(s + _STRIP, place.stop)) for s in starts]


def _by_column(operation: np.ufunc, values: NDArray[Any], numbers: Singles) -> NDArray[Any]:
    """``operation`` of each row and ``numbers``: many short rows at a time, which is quicker."""
    together = gcd(len(values), 16)
    wide = values.reshape(-1, together * values.shape[1])
    made: NDArray[Any] = operation(wide, np.tile(numbers, together)).reshape(values.shape)
    return made


def _usual(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Root mean square of each column; 1 where that is 0 or no number."""
    square = np.square(values).mean(axis=0)
    return np.sqrt(np.where((square > 0) & (square < np.inf), square, 1.0))


def _check_range(lengths: NDArray[np.floating]) -> None:
    """Refuse features too long for float32."""
    largest = lengths.max(initial=0.0)
    if not largest < _LARGEST:
        raise OutOfRange(f"Features of length {largest:.3g} are too large for float32.")


def _put(block: Singles, device: str) -> Any:
    if device == "cpu":
        return block
    import torch

    return torch.from_numpy(block).to(device)
