"""What is true of a distance, kept with its function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Properties:
    """What is true of a distance.

    Parameters
    ----------
    title : str
        Its name in the field.
    symmetric : bool
        d(a, b) = d(b, a).
    metric : bool
        Symmetric, 0 only between equals, and the triangle inequality holds.
    largest : float
        No value is larger; inf where there is no such bound.
    """

    title: str
    symmetric: bool
    metric: bool
    largest: float = inf

    @property
    def bounded(self) -> bool:
        """Whether values have a scale of their own."""
        return self.largest < inf


Kind = TypeVar("Kind", contravariant=True)


class Distance(Protocol[Kind]):
    """A plain function from n posteriors and m others to their distances (n, m) in float64."""

    __name__: str

    def __call__(self, a: Kind, b: Kind, /) -> NDArray[np.float64]:
        """From each of ``a`` to each of ``b``."""
        ...

    def __hash__(self) -> int:
        """Functions can be keys; mypy wants to be told so of a protocol."""
        ...


Function = TypeVar("Function", bound=Callable[..., Any])


def stated(
    title: str, *, symmetric: bool, metric: bool, largest: float = inf
) -> Callable[[Function], Function]:
    """Write the `Properties` of a distance on its function."""

    def write(function: Function) -> Function:
        function.properties = Properties(  # type: ignore[attr-defined]
            title, symmetric, metric, largest
        )
        return function

    return write


def properties_of(distance: Distance[Any]) -> Properties:
    """What is true of a distance.

    Raises
    ------
    ValueError
        If its function does not say.
    """
    said: Properties | None = getattr(distance, "properties", None)
    if said is None:
        raise ValueError(
            f"{distance!r} does not state its properties. Put @stated(...) above the function."
        )
    return said
