"""A caliper that is being drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.caliper import Caliper, MeasuredCaliper, Reading
from napari_vaemed.preprocessing.calipers import (
    DRAGS,
    SHORTEST_MM,
    NoCaliper,
    caliper_from_drags,
    measure_caliper,
)

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case

Drag = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Draft:
    """A caliper that is being drawn, on a slice of a CT."""

    case: Case
    kind: str
    axis: int
    slice_index: int
    drags: tuple[Drag, ...] = ()

    def caliper(self) -> Caliper:
        """What it is by now."""
        spacing = self.case.volume.spacing
        return caliper_from_drags(self.kind, self.axis, self.slice_index, self.drags, spacing)

    def measured(self) -> MeasuredCaliper:
        """It with what it reads by now, if anything; it has no number yet."""
        caliper = self.caliper()
        try:
            return MeasuredCaliper(0, caliper, measure_caliper(caliper, self.case.volume))
        except NoCaliper:
            return MeasuredCaliper(0, caliper, Reading())

    def goes_on(self, other: Draft) -> bool:
        """Whether another drag of this kind, on this slice, carries it on."""
        mine, its = ((d.case, d.kind, d.axis, d.slice_index) for d in (self, other))
        return mine == its

    @property
    def clicked(self) -> bool:
        """Whether the last drag was none; for the last point of an angle a click will do."""
        start, end = self.drags[-1]
        apart = np.linalg.norm((end - start) * self.case.volume.spacing)
        return bool(apart < SHORTEST_MM) and not (self.kind == "angle" and self.whole)

    @property
    def whole(self) -> bool:
        """Whether nothing is left to be drawn."""
        return len(self.drags) == DRAGS[self.kind]
