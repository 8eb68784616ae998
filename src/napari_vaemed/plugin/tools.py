"""The Nodule tool: from clicks and drags on the canvas, in 2-D or 3-D, to voxels of the CT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_vaemed.plugin.cases import PREVIEW
from napari_vaemed.preprocessing.ray import nodule_on_ray

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session


MODES = ("new", "add", "remove", "box")
"""What a click or a drag is for: a new finding, or to correct the chosen one."""

HELD = {(): None, ("Shift",): "add", ("Control",): "remove"}
"""Keys held with the mouse, and the mode they stand for; None for the one chosen."""


class NoduleTool(QObject):
    """On or off; while on, a click marks a nodule, or corrects the chosen one.

    Signals
    -------
    toggled : bool
    turned : nothing; another mode was chosen
    """

    toggled = Signal(bool)
    turned = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.on = False
        self.mode = MODES[0]

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
            self.turn_to(MODES[0])
        self.toggled.emit(on)

    def toggle(self) -> None:
        """Switch to the other state."""
        self.set_on(not self.on)

    def turn_to(self, mode: str) -> None:
        """Choose what clicks and drags are for; any but the first switches the tool on."""
        if mode != self.mode:
            self.mode = mode
            self.turned.emit()
        if mode != MODES[0]:
            self.set_on(True)

    def click(
        self, position: Any, view_direction: Any, displayed: list[int], mode: str = MODES[0]
    ) -> None:
        """Mark what lies under a click at a position of napari's world, (z, y, x) mm.

        In another ``mode`` correct the chosen finding there.
        """
        case = self._session.case
        if case is None:
            self._session.say("nodule", "Open a CT first.", "warning")
            return
        voxel: NDArray[np.float64] | None = case.voxel(position)
        if len(displayed) == 3:
            voxel = voxel_on_ray(case, position, view_direction, displayed)
        if voxel is None:
            self._session.say("nodule", "No nodule here: this line of sight misses the lungs.",
                              "warning")  # fmt: skip
        elif mode in ("add", "remove"):
            self._hint(case, [voxel], mode)
        else:
            self._session.click(voxel)

    def press(self, viewer: Any, event: Any) -> Iterator[None]:
        """What a press on a canvas begins: a click, or with a drag a scribble or a box."""
        active = viewer.layers.selection.active
        drawing = getattr(active, "mode", "pan_zoom") != "pan_zoom"
        held = tuple(str(key) for key in event.modifiers)
        if event.button != 1 or held not in HELD or drawing:
            return
        mode = HELD[held] or self.mode
        if mode != MODES[0] and len(event.dims_displayed) == 2:
            yield from self._draw(viewer, event, mode)
            return
        at, direction, displayed = event.position, event.view_direction, event.dims_displayed
        yield
        while event.type == "mouse_move":
            if np.linalg.norm(np.subtract(event.position, at)) > 1e-6:
                return  # a drag pans or turns
            yield
        self.click(at, direction, list(displayed), mode)

    def _draw(self, viewer: Any, event: Any, mode: str) -> Iterator[None]:
        """Follow the mouse; once it is let go the path is a scribble, or its ends a box."""
        case, camera = self._session.case, viewer.scene.camera
        if case is None:
            self._session.say("nodule", "Open a CT first.", "warning")
            return
        path = [case.voxel(event.position[-3:])]
        try:
            camera.mouse_pan = False
            yield
            while event.type == "mouse_move":
                path.append(case.voxel(event.position[-3:]))
                shown = _outline(path[0], path[-1]) if mode == "box" else path
                self._session.findings.show_at(case, shown)
                camera.mouse_pan = False  # a new layer switches it on
                yield
        finally:
            camera.mouse_pan = True
        if mode == "box":
            self._box(case, path[0], path[-1])
        else:
            self._hint(case, scribbled(path), mode)

    def _box(self, case: Case, first: Any, last: Any) -> None:
        if (np.abs(np.subtract(first, last)) < 1).sum() > 1:
            self._session.findings.show_at(case, [])
            self._session.say("nodule", "That is no box. Drag from one corner to the opposite one.",
                              "warning")  # fmt: skip
        else:
            self._session.findings.hint(box=[first, last])

    def _hint(self, case: Case, voxels: Any, mode: str) -> None:
        on_scan = [voxel for voxel in voxels if case.volume.contains(voxel)]
        if on_scan:
            where = "inside" if mode == "add" else "outside"
            self._session.findings.hint(**{where: on_scan})
        else:
            self._session.say("nodule", "That is outside the CT.", "warning")


def scribbled(path: Sequence[Any]) -> NDArray[np.float64]:
    """Every voxel (n, 3) that a path through voxels passes, once."""
    points = [np.asarray(path[0], float)[None]]
    for start, end in pairwise(path):
        steps = int(np.ceil(np.abs(np.subtract(end, start)).max()))
        points.append(np.linspace(start, end, max(steps, 1) + 1)[1:])
    found: NDArray[np.float64] = np.unique(np.rint(np.concatenate(points)), axis=0)
    return found


def _outline(first: Any, last: Any) -> NDArray[np.float64]:
    """Points on the sides of the box between two voxels of a slice."""
    first, last = np.asarray(first, float), np.asarray(last, float)
    along, down = np.argsort(np.abs(last - first))[1:]
    corners = [first.copy() for _ in range(4)]
    corners[1][along] = corners[2][along] = last[along]
    corners[2][down] = corners[3][down] = last[down]
    sides = zip(corners, corners[1:] + corners[:1], strict=True)
    return np.concatenate([np.linspace(a, b, 12, endpoint=False) for a, b in sides])


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
