"""The Nodule tool: from a click on the canvas, in 2-D or 3-D, to a voxel of the CT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_vaemed.plugin.cases import PREVIEW
from napari_vaemed.preprocessing.ray import nodule_on_ray

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session


class NoduleTool(QObject):
    """On or off; while on, a click that is no drag marks a nodule.

    Signals
    -------
    toggled : bool
    """

    toggled = Signal(bool)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.on = False

    def set_on(self, on: bool) -> None:
        """Switch the tool."""
        if on == self.on:
            return
        viewer, self.on = self._session.viewer, on
        if on:
            viewer.mouse_drag_callbacks.append(self.press)
            viewer.cursor.style = "crosshair"
            self._session.answers.warm_up()
        else:
            viewer.mouse_drag_callbacks.remove(self.press)
            viewer.cursor.style = "standard"
        self.toggled.emit(on)

    def toggle(self) -> None:
        """Switch to the other state."""
        self.set_on(not self.on)

    def click(self, position: Any, view_direction: Any, displayed: list[int]) -> None:
        """Mark what lies under a click at a position of napari's world, (z, y, x) mm."""
        case = self._session.case
        if case is None:
            self._session.say("nodule", "Open a CT first.", "warning")
            return
        if len(displayed) == 2:
            self._session.click(case.voxel(position))
            return
        voxel = voxel_on_ray(case, position, view_direction, displayed)
        if voxel is None:
            self._session.say("nodule", "No nodule here: this line of sight misses the lungs.",
                              "warning")  # fmt: skip
        else:
            self._session.click(voxel)

    def press(self, viewer: Any, event: Any) -> Iterator[None]:
        """What a press on a canvas begins: a click if the mouse stays where it is."""
        active = viewer.layers.selection.active
        drawing = getattr(active, "mode", "pan_zoom") != "pan_zoom"
        if event.button != 1 or event.modifiers or drawing:
            return
        at, direction, displayed = event.position, event.view_direction, event.dims_displayed
        yield
        while event.type == "mouse_move":
            if np.linalg.norm(np.subtract(event.position, at)) > 1e-6:
                return  # a drag pans or turns
            yield
        self.click(at, direction, list(displayed))


def voxel_on_ray(
    case: Case, position: Any, view_direction: Any, displayed: list[int]
) -> NDArray[np.float64] | None:
    """The voxel of the CT that a line of sight through what is shown in 3-D means.

    None when the line misses it, or the lungs.

    Parameters
    ----------
    position : (z, y, x)
        A point of the line in napari's world, mm.
    view_direction : (z, y, x)
    displayed : list of int
        The world axes shown.
    """
    copy = case.made.get(PREVIEW)
    shown = copy if copy is not None and copy.visible else case.layer
    ends = shown.get_ray_intersections(position, view_direction, displayed)
    if ends[0] is None or ends[1] is None:
        return None
    start, end = (case.voxel(shown.data_to_world(point)) for point in ends)
    return nodule_on_ray(case.volume, start, end, case.lungs)
