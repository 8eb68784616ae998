"""How a CT is looked at: window presets, sides of the body, and 3-D without the wait."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.plugin import work
from napari_vaemed.plugin.theme import Window

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session

SIDES = (("F", "H"), ("A", "P"), ("R", "L"))
"""Where the low and the high end of z, y and x lie: feet and head, front and back, right, left."""

PREVIEW = "3-D copy"
FRONTAL = (0.0, 0.0, -90.0)
"""Camera angles that look at the patient from the front, head up."""


class Views(QObject):
    """Looks after the camera and the letters of one viewer.

    Signals
    -------
    window_changed : nothing; the CT is shown in another HU window
    """

    window_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._hidden: list[Layer] = []
        self._outlined: list[Layer] = []
        viewer = session.viewer
        viewer.dims.events.order.connect(self._on_axes)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        session.case_changed.connect(self._on_case_changed)
        if session.case is not None:
            QTimer.singleShot(0, self._on_case_changed)  # a dock that opens need not wait for it

    def set_window(self, window: Window) -> None:
        """Show the CT and its CLAHE view in a HU window."""
        case = self._session.case
        if case is not None:
            for layer in (case.layer, case.made.get("CLAHE")):
                if layer is not None:
                    layer.contrast_limits = window.limits
            self.window_changed.emit()

    def show_3d(self) -> None:
        """Switch to 3-D, with a small copy in the CT's place.

        Quicker than napari's own button: that one cuts and draws the full CT before anybody
        else is told.
        """
        if self._session.case is not None and self._session.viewer.dims.ndisplay == 2:
            self._leave_slices(self._session.case)
        self._session.viewer.dims.ndisplay = 3

    def show_2d(self) -> None:
        """Switch back to slices."""
        self._session.viewer.dims.ndisplay = 2

    def _on_case_changed(self) -> None:
        viewer = self._session.viewer
        # Around a CT the canvas is black in every theme, as on any reading station.
        black = None if self._session.case is None else "black"
        viewer.canvas.background_color_override = black
        if self._session.case is not None:
            scale_bar = viewer.canvas.overlays.scale_bar
            scale_bar.visible = True
            scale_bar.position = "bottom_left"
            if viewer.dims.ndim == 3:
                viewer.dims.axis_labels = ("z", "y", "x")
        self._on_axes()

    def _on_axes(self, event: Any = None) -> None:
        """Put the letters of the sides at the edges, and the head up."""
        viewer, case = self._session.viewer, self._session.case
        flat = viewer.dims.ndisplay == 2 and viewer.dims.ndim == 3 and case is not None
        rows, columns = viewer.dims.displayed[-2:]
        up = flat and rows == 0
        if case is not None:
            # "away" shows space as it is; napari's own "towards" would show its mirror image.
            orientation = ("away", "up" if up else "down", "right")
            if viewer.scene.camera.orientation != orientation:
                viewer.scene.camera.orientation = orientation
        top, bottom = SIDES[rows][::-1] if up else SIDES[rows] if flat else ("", "")
        left, right = SIDES[columns] if flat else ("", "")
        for place, letter in (
            ("top_center", top),
            ("bottom_center", bottom),
            ("middle_left", left),
            ("middle_right", right),
        ):
            _letter(viewer, place, letter)

    def _on_ndisplay(self, event: Any = None) -> None:
        """Keep the full CT out of 3-D, where it takes seconds to draw."""
        viewer, case = self._session.viewer, self._session.case
        if viewer.dims.ndisplay == 3 and case is not None:
            if case.layer.visible:
                self._leave_slices(case)
            self._show_preview(case)
        elif viewer.dims.ndisplay == 2:
            self._back_to_slices()
        self._on_axes()

    def _leave_slices(self, case: Case) -> None:
        made = [layer for what, layer in case.made.items() if what not in (PREVIEW, "Marker")]
        self._hidden = [layer for layer in (case.layer, *made) if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        # Outlines are for slices; napari warns of them in 3-D.
        self._outlined = [m for m in (*made, *case.masks.values()) if getattr(m, "contour", 0)]
        for layer in self._outlined:
            layer.contour = 0

    def _back_to_slices(self) -> None:
        for case in self._session.cases.values():
            if PREVIEW in case.made:
                case.made[PREVIEW].visible = False
            for mask in case.masks.values():
                mask.contour = 1
        for layer in self._outlined:
            layer.contour = 1
        for layer in self._hidden:
            layer.visible = True
        self._hidden, self._outlined = [], []

    def _show_preview(self, case: Case) -> None:
        preview = case.made.get(PREVIEW)
        masked = case.lungs is not None
        if preview is not None and preview.metadata.get("masked") == masked:
            preview.visible = True
            return
        task = partial(work.preview, case.volume, case.lungs)
        job = self._session.start(case, task, "Making the 3-D copy", "preview", "read")
        job.returned.connect(partial(self._on_preview, case, masked))
        job.failed.connect(partial(self._session.fail, "ct", "No 3-D copy"))

    def _on_preview(self, case: Case, masked: bool, layer_data: Any) -> None:
        viewer = self._session.viewer
        layer = self._session.put_made(case, PREVIEW, layer_data, low=True)
        layer.metadata["masked"] = masked
        if viewer.dims.ndisplay == 3 and case is self._session.case:
            layer.visible = True
            viewer.scene.camera.angles = FRONTAL
            viewer.reset_view(reset_camera_angle=False)


def _letter(viewer: Any, place: str, letter: str) -> None:
    """Write a letter at an edge of the canvas."""
    from napari.components.overlays import TextOverlay

    name = f"vaemed_{place}"
    overlays = viewer.canvas.overlays
    if name not in overlays:
        overlays[name] = TextOverlay(position=place, font_size=14)
    overlays[name].text = letter
    overlays[name].visible = bool(letter)
