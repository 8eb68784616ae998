"""Grad-CAM of the slice looked at, as a layer on the CT's grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.plugin.theme import PROBABILITIES

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.plugin.slices import Scored

WHERE = "Grad-CAM"
REST_MS = 80
"""How long a slice is looked at before it is asked about."""


class Where(QObject):
    """On or off; while on, the layer follows the slice looked at.

    Signals
    -------
    switched : bool
    """

    switched = Signal(bool)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.on = False
        self._asked: tuple[Scored, int] | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._on_rest)
        session.slice_view.moved.connect(self._sync)
        session.slices.explained.connect(self._on_explained)
        session.viewer.layers.events.removing.connect(self._on_removing)

    @property
    def waiting(self) -> bool:
        """Whether the slice looked at is still to be asked about."""
        return self._rest.isActive()

    def set_on(self, on: bool) -> None:
        """Show Grad-CAM, or no longer."""
        self.on = on
        self._sync()
        self.switched.emit(on)

    def toggle(self) -> None:
        """Switch to the other state."""
        self.set_on(not self.on)

    def _sync(self) -> None:
        """Ask about the slice looked at when it is a new one, and show no other CT's answer."""
        case, index = self._session.case, self._session.slice_view.current()
        for other in self._session.cases.values():
            if other is not case or not self.on:
                _hide(other)
        self._rest.stop()
        scored = None if case is None else case.scored
        if case is None or scored is None or index is None or not self.on:
            self._asked = None
        elif scored.place_of(index) is None:
            self._asked = None
            _hide(case)
        elif self._asked != (scored, index):
            self._rest.start()

    def _on_rest(self) -> None:
        case, index = self._session.case, self._session.slice_view.current()
        if case is not None and case.scored is not None and index is not None:
            self._asked = case.scored, index
            self._session.slices.explain(index)

    def _on_explained(self, case: Case, index: int, found: NDArray[np.float32]) -> None:
        flat = self._session.slice_view.current() is not None
        if case is not self._session.case or not self.on or not flat:
            return
        data, place = found[None], tuple(float(v) for v in case.world((index, 0, 0)))
        layer = case.made.get(WHERE)
        if layer is None or layer.data.shape != data.shape:
            attributes = {
                "name": WHERE,
                "colormap": heat(),
                "contrast_limits": (0.0, 1.0),
                "interpolation2d": "linear",
                "scale": case.layer.scale,
                "translate": place,
                "units": case.layer.units,
            }
            layer = self._session.put_made(case, WHERE, (data, attributes, "image"))
        else:
            layer.translate = place
            layer.data = data
            layer.visible = True
        layer.metadata["slice"] = index

    def _on_removing(self, event: Any) -> None:
        """The layer is removed by hand: it is not wanted any more."""
        case = self._session.case
        if case is not None and self._session.viewer.layers[event.index] is case.made.get(WHERE):
            self.set_on(False)


def heat() -> Any:
    """The colours of a probability, from transparent to nearly opaque."""
    from napari.utils.colormaps import Colormap
    from napari.utils.colormaps.standardize_color import transform_color

    colours = transform_color(list(PROBABILITIES))
    colours[:, 3] = (0.0, 0.5, 0.8)
    return Colormap(colours, name="vaemed heat")


def _hide(case: Case) -> None:
    if WHERE in case.made:
        case.made[WHERE].visible = False
