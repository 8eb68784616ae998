"""The chosen finding's diameters, drawn where they were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_vaemed.plugin.caliper_layer import scale_of
from napari_vaemed.plugin.theme import finding_colour

if TYPE_CHECKING:
    from napari_vaemed.plugin.session import Session

LAYER = "Diameters"
LINE_MM = 0.4


class Diameters(QObject):
    """Longest diameter and its perpendicular of the finding spoken of, as two lines of a layer."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        session.findings_changed.connect(self._on_changed)

    def _on_changed(self) -> None:
        case = self._session.case
        layer = None if case is None else case.made.get(LAYER)
        if case is None or (case.finding is None and layer is None):
            return
        scale = scale_of(case, 0)
        if layer is None:
            attributes = {
                "name": LAYER,
                "ndim": 3,
                "scale": scale,
                "translate": case.layer.translate,
                "units": case.layer.units,
                "opacity": 1.0,
            }
            layer = self._session.put_made(case, LAYER, (None, attributes, "shapes"))
        if case.finding is None:
            layer.data = []
            return
        sizes = case.finding.marked.measurement
        lines = np.array([sizes.longest_ends, sizes.perpendicular_ends])
        lines = lines * case.volume.spacing / scale
        if len(layer.data) == 2 and np.allclose(layer.data, lines, atol=1e-3):
            return
        colour = finding_colour(case.finding.label)
        if len(layer.data) == 2:  # they keep their width
            layer.data = list(lines)
            layer.edge_color = colour
        else:
            layer.data = []
            layer.add_lines(list(lines), edge_width=LINE_MM / float(scale[1]), edge_color=colour)
