"""The label values every mask of the package uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RIGHT_LUNG = 1
LEFT_LUNG = 2
AIRWAYS = 3

LUNG_NAMES = {RIGHT_LUNG: "Right lung", LEFT_LUNG: "Left lung", AIRWAYS: "Airways"}


def in_lungs(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where labels, of any shape, say right or left lung; the airways are not."""
    return (labels == RIGHT_LUNG) | (labels == LEFT_LUNG)
