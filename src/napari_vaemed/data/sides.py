"""The sides of the body that directions point to: L and R, A and P, H and F."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

SIDES = (("F", "H"), ("A", "P"), ("R", "L"))
"""Where the low and the high end of z, y and x lie: feet and head, front and back, right, left."""
SLANT = 0.3
"""Cosine from which on a side is named too: less than 73 degrees away."""


class Edges(NamedTuple):
    """The sides of the body at the edges of a picture; empty where none is known."""

    top: str
    bottom: str
    left: str
    right: str


NO_EDGES = Edges("", "", "", "")


def side_of(direction: ArrayLike, slant: float = SLANT) -> str:
    """Letters of the side a direction points to, the nearest side first, for example ``"LA"``.

    DICOM names directions so (PS3.3 C.7.6.1.1.1), with H and F for head and feet.

    Parameters
    ----------
    direction : (x, y, z)
        In the patient's LPS coordinates, of any length; no letters for length zero.
    slant : float
        Further sides are named when the cosine of the angle to them is above this.
    """
    towards = np.asarray(direction, float)
    length = float(np.linalg.norm(towards))
    if not np.isfinite(length) or length < 1e-9:
        return ""
    cosines = np.round(towards / length, 3)  # no flicker between "LA" and "AL" at 45 degrees
    nearest = np.argsort(-np.abs(cosines), kind="stable")
    named = [axis for axis in nearest if axis == nearest[0] or abs(cosines[axis]) > slant]
    return "".join(SIDES[2 - axis][int(cosines[axis] > 0)] for axis in named)


def edges_of(right: ArrayLike, up: ArrayLike) -> Edges:
    """What stands at the edges of a picture whose right and upper edge lie in these directions.

    Parameters
    ----------
    right, up : (x, y, z)
        In the patient's LPS coordinates.
    """
    rightward, upward = np.asarray(right, float), np.asarray(up, float)
    return Edges(side_of(upward), side_of(-upward), side_of(-rightward), side_of(rightward))
