"""Letters of the body's sides at the edges of a canvas, true however it is turned."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.sides import NO_EDGES, Edges, edges_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

PLACES = Edges("top_center", "bottom_center", "middle_left", "middle_right")
"""napari's names of the four edges."""


class EdgeLetters:
    """Keeps the letters at the edges of one canvas, the main one or another.

    They follow the axes shown, the camera's orientation and, in 3-D, its angles. A letter is
    written only when it is another one, so a drag that turns the body costs next to nothing.

    Parameters
    ----------
    viewer : ViewerModel
        Its world is the patient's LPS mm reversed, (z, y, x), unless `set_shown` says otherwise.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)  # a session must not keep its viewer alive
        self._shown = False
        self._patient_from_world: NDArray[np.float64] = np.eye(3)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        for event in (dims.order, dims.ndisplay, dims.ndim, camera.orientation, camera.angles):
            event.connect(self._write)

    @property
    def edges(self) -> Edges:
        """The letters as they should be now."""
        viewer = self._viewer()
        if not self._shown or viewer is None:
            return NO_EDGES
        right, up = screen_directions(viewer)
        return edges_of(self._patient_from_world @ right, self._patient_from_world @ up)

    def set_shown(self, on: bool, patient_from_world: NDArray[np.float64] | None = None) -> None:
        """Show the letters, or take them away.

        Parameters
        ----------
        on : bool
        patient_from_world : (3, 3) or None
            Patient directions (x, y, z) of the world's, for a CT that does not lie in the world
            as it lies in the patient; None when the world is the patient's LPS.
        """
        self._shown = on
        self._patient_from_world = np.eye(3) if patient_from_world is None else patient_from_world
        self._write()

    def _write(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            for place, letters in zip(PLACES, self.edges, strict=True):
                _write_at(viewer, place, letters)


def screen_directions(viewer: ViewerModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """World directions (x, y, z) that point to the right and up on a canvas.

    A shown axis that is none of the last three, such as time, has no direction: zeros.
    """
    camera, dims = viewer.scene.camera, viewer.dims
    depth, vertical, horizontal = (str(end) for end in camera.orientation)
    right, up = np.zeros(dims.ndisplay), np.zeros(dims.ndisplay)
    if dims.ndisplay == 2:
        right[1] = 1.0 if horizontal == "right" else -1.0
        up[0] = 1.0 if vertical == "up" else -1.0
    else:
        up[:] = camera.up_direction
        # Unturned, the first axis runs along the view or against it, the second down or up.
        unturned = (depth == "away") == (vertical == "down")
        right[:] = np.cross(camera.up_direction, camera.view_direction)
        right *= 1.0 if unturned == (horizontal == "right") else -1.0
    return _as_patient_axes(right, viewer), _as_patient_axes(up, viewer)


def put_upright(viewer: ViewerModel) -> None:
    """Turn a canvas as CTs are read: head or front up, the patient's right or front at the left.

    Space is shown as it is; napari's own "towards" would show its mirror image in 3-D.
    """
    rows_run_up = viewer.dims.displayed[-2] == viewer.dims.ndim - 3
    upright = ("away", "up" if viewer.dims.ndisplay == 2 and rows_run_up else "down", "right")
    if viewer.scene.camera.orientation != upright:
        viewer.scene.camera.orientation = upright


def _as_patient_axes(shown: NDArray[np.float64], viewer: ViewerModel) -> NDArray[np.float64]:
    """A direction along the axes shown as one (x, y, z) of the world."""
    axes, world = viewer.dims.displayed, np.zeros(max(3, viewer.dims.ndim))
    for axis, along in zip(axes, shown[-len(axes) :], strict=True):  # two axes, seen in 3-D
        world[viewer.dims.ndim - 1 - axis] = along
    return world[:3]


def _write_at(viewer: ViewerModel, place: str, letters: str) -> None:
    from napari.components.overlays import TextOverlay

    name, overlays = f"vaemed_{place}", viewer.canvas.overlays
    if name not in overlays:
        overlays[name] = TextOverlay(position=place, font_size=14)
    if overlays[name].text != letters:
        overlays[name].text = letters
    overlays[name].visible = bool(letters)
