"""Known nodules laid out on a plane by their codes, and what they can be coloured by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PCA, UMAP, TSNE = METHODS = ("PCA", "UMAP", "t-SNE")
"""Ways to make a map."""


@dataclass(frozen=True, eq=False)
class LatentMap:
    """A place on a plane for every nodule of an index.

    Parameters
    ----------
    places : (n, 2) float32
    method : str
        One of `METHODS`.
    told : str
        What it is a map of and how far it can be believed, in one line.
    onto : function
        From coordinates (m, d) (see `retrieval.latent_map.coordinates`) to places (m, 2); how a
        nodule comes onto the map that it was not made of.
    model_sha256 : str
        Of the index's model: posteriors of another have no place here.
    trust : float
        Trustworthiness: 1 where everyone's neighbours on the map are neighbours in the latent
        space as well, about 0.5 where they are anybody.
    figures : mapping
        Further numbers that tell how the map came about.
    """

    places: NDArray[np.float32]
    method: str
    told: str
    onto: Callable[[NDArray[np.float64]], NDArray[np.float64]] = field(repr=False)
    model_sha256: str
    trust: float
    figures: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, eq=False)
class Colouring:
    """What the nodules of a map can be coloured by: a number each, or a class each.

    Parameters
    ----------
    name : str
        For example ``"malignancy"``.
    kind : {"number", "class"}
    told : str
        Where it comes from and of how many nodules it is known.
    values : (n,) float32 or None
        Of numbers; NaN where not known.
    labels : (n,) int32 or None
        Of classes: the place in ``names``; −1 where not known.
    names : tuple of str
        Of the classes.
    ends : (low, high)
        Numbers at the two ends of the scale of colours; what lies beyond takes the end's colour.
    unit : str
        Of the numbers; "" without.
    unknown : str
        What nodules have in common that have no value and no class.
    figures : mapping
        How far classes that nobody named agree with what is known, by what and by which figure.

    Raises
    ------
    ValueError
        Numbers without ``values``, or classes without ``labels``.
    """

    name: str
    kind: Literal["number", "class"]
    told: str
    values: NDArray[np.float32] | None = None
    labels: NDArray[np.int32] | None = None
    names: tuple[str, ...] = ()
    ends: tuple[float, float] = (0.0, 1.0)
    unit: str = ""
    unknown: str = "not known"
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = "values" if self.kind == "number" else "labels"
        if getattr(self, wanted) is None:
            raise ValueError(f"A colouring by {self.kind} wants {wanted}; {self.name} has none.")

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which nodules it is known of, (n,)."""
        if self.labels is not None:
            return self.labels >= 0
        assert self.values is not None
        return ~np.isnan(self.values)

    def told_of(self, row: int) -> str:
        """What it says of one nodule, in words; "" where that is not known."""
        if self.labels is not None:
            label = int(self.labels[row])
            return self.names[label] if label >= 0 else ""
        assert self.values is not None
        value = float(self.values[row])
        return "" if isnan(value) else f"{value:.3g} {self.unit}".strip()
