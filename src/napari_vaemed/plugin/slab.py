"""Thick slices: maximum, minimum or mean of the CT over some millimetres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_vaemed.preprocessing.slabs import MEAN, MINIP, MIP, slices_beyond

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session

KINDS = {MIP: "max", MINIP: "min", MEAN: "mean"}
"""What readers call a slab, and napari's name for its projection."""
WHOLE = 0.9
"""Part of a slice added behind: napari leaves out a slice that its margin only just reaches."""


class Slab(QObject):
    """Shows the CT spoken of, and its CLAHE view, as slabs in every canvas.

    A slab holds the slices whose middles lie within half its thickness of the slice looked at; it
    follows the scroll and stays in HU.

    Signals
    -------
    changed : nothing; another kind or thickness is shown
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.kind, self.thickness_mm = "MIP", 0.0
        session.case_changed.connect(self.show)
        session.lungs_changed.connect(self.show)
        session.three_views.arranged.connect(self.show)

    def set(self, kind: str, thickness_mm: float) -> None:
        """Show slabs of a kind, one of `KINDS`, so many mm thick; 0 for single slices."""
        if kind not in KINDS:
            raise ValueError(f"A slab is one of {', '.join(KINDS)}, not {kind!r}.")
        self.kind, self.thickness_mm = kind, max(0.0, float(thickness_mm))
        self.show()
        self.changed.emit()

    def beyond(self, axis: int) -> int:
        """How many slices on each side of the one looked at belong to a slab across an axis."""
        case = self._session.case
        if case is None:
            return 0
        return slices_beyond(self.thickness_mm, float(case.layer.scale[axis]))

    def show(self) -> None:
        """Make all canvases and the CT's layers show the slab as it is set."""
        spoken = self._session.case
        for case in self._session.cases.values():
            on = case is spoken and self.thickness_mm > 0
            for layer in case.in_hu:
                layer.projection_mode = KINDS[self.kind] if on else "none"
        if spoken is not None:
            for viewer in (self._session.viewer, *self._session.three_views.side_viewers):
                self._widen(viewer, spoken)

    def _widen(self, viewer: ViewerModel, case: Case) -> None:
        """Give a canvas the margins of the slab, in mm of the world."""
        dims = viewer.dims
        if dims.ndim != 3:
            return
        slices = np.array([self.beyond(axis) for axis in range(3)], float)
        spacing, more = np.abs(case.layer.scale), WHOLE if self.thickness_mm > 0 else 0.0
        left, right = slices * spacing, (slices + more) * spacing
        for name, margin in (("margin_left", left), ("margin_right", right)):
            if not np.allclose(getattr(dims, name), margin):
                setattr(dims, name, tuple(float(mm) for mm in margin))
