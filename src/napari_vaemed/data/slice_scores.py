"""What a slice classifier says of a CT: slice by slice, and of the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SliceScores:
    """Scores of the slices that show enough lung.

    Parameters
    ----------
    indices : (n,) int
        Slices of the volume (z), rising.
    covid : (n,) float32
        Probability of COVID-19 against anything else.
    unlike : (n,) float32
        Distance to the training pictures over its 99th percentile; above 1 the slice is unlike
        what the model has learned from.
    """

    indices: NDArray[np.intp]
    covid: NDArray[np.float32]
    unlike: NDArray[np.float32]

    def __post_init__(self) -> None:
        lengths = {len(self.indices), len(self.covid), len(self.unlike)}
        if len(lengths) != 1:
            raise ValueError(
                "Each scored slice needs an index, a probability and an unlikeness; got "
                f"{len(self.indices)}, {len(self.covid)} and {len(self.unlike)}."
            )

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class SubjectAnswer:
    """What follows for the whole scan.

    Parameters
    ----------
    covid_probability : float or None
        None when the model should not be believed here.
    reason : str
        Why there is no value, or by which rule there is one; plain words.
    """

    covid_probability: float | None
    reason: str
