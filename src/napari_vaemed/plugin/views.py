"""How a CT is looked at: sides of the body, and 3-D without the wait."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.plugin import work
from napari_vaemed.plugin.cases import PREVIEW
from napari_vaemed.plugin.layers import patient_directions, placed_as
from napari_vaemed.plugin.letters import EdgeLetters, put_upright
from napari_vaemed.plugin.masks import give_room
from napari_vaemed.plugin.workspace import qt_viewer_of

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.layers import LayerData
    from napari_vaemed.plugin.session import Session

FRONTAL = (0.0, 0.0, -90.0)
"""Camera angles that look at the patient from the front, head up."""
CHEST, LUNGS, FINDING = CUTS = ("chest", "lungs", "finding")
"""What 3-D can show: all, the inside of the lungs, or the chosen finding and what is near it."""
COPY_MS = 300
"""How long the canvas waits for a copy that is being made, before it is drawn without."""


@dataclass(frozen=True, eq=False)
class Cut:
    """What a small copy is cut to.

    Parameters
    ----------
    name : str
        One of `CUTS`.
    lungs : (z, y, x) uint8 or None
        Only their inside is shown.
    mask : NoduleMask or None
        Only its surroundings are shown.
    """

    name: str
    lungs: NDArray[np.uint8] | None = None
    mask: NoduleMask | None = None

    def same_as(self, other: Cut | None) -> bool:
        """Whether another copy would show the same."""
        return other is not None and self.lungs is other.lungs and self.mask is other.mask


class Copy(NamedTuple):
    """A small copy, ready to be shown."""

    cut: Cut
    layer_data: LayerData


class Views(QObject):
    """Looks after the camera and the letters of one viewer, and what it shows in 3-D.

    Signals
    -------
    cut_changed : nothing; 3-D came or went, or shows something else
    """

    cut_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._cut = LUNGS
        self._hidden: list[Layer] = []
        self._outlined: list[Layer] = []
        self._slices_seen: tuple[Any, float] | None = None
        self._point: tuple[float, ...] = ()
        self._copies: WeakKeyDictionary[Case, dict[str, Copy]] = WeakKeyDictionary()
        self._asked: WeakKeyDictionary[Case, Cut] = WeakKeyDictionary()
        self._shown: WeakKeyDictionary[Case, Cut] = WeakKeyDictionary()
        self._letters = EdgeLetters(session.viewer)
        self._held = QTimer(self)
        self._held.setSingleShot(True)
        self._held.setInterval(COPY_MS)
        self._held.timeout.connect(self._draw_again)
        dims = session.viewer.dims.events
        dims.order.connect(self._on_axes)
        dims.point.connect(self._on_point)
        dims.ndisplay.connect(self._on_ndisplay)
        session.case_changed.connect(self._on_case_changed)
        session.lungs_changed.connect(self._on_lungs_changed)
        session.findings_changed.connect(self._show_copy)
        if session.case is not None:
            QTimer.singleShot(0, self._on_case_changed)  # a dock that opens need not wait for it

    @property
    def cut(self) -> Cut | None:
        """What 3-D shows of the CT spoken of, or would; the nearest to what was chosen."""
        case = self._session.case
        if case is None:
            return None
        if self._cut == FINDING and case.finding is not None:
            return Cut(FINDING, case.lungs, case.finding.marked.mask)
        if self._cut != CHEST and case.lungs is not None:
            return Cut(LUNGS, case.lungs)
        return Cut(CHEST)

    def show_3d(self, cut: str | None = None) -> None:
        """Switch to 3-D, with a small copy in the CT's place.

        Quicker than napari's own button: that one cuts the full CT before anybody else is told.

        Parameters
        ----------
        cut : str or None
            One of `CUTS`; None for what was shown last, at first the lungs. Lungs that are not
            known yet are looked for, and the whole chest is shown until they are.
        """
        case = self._session.case
        self._cut = cut or self._cut
        if case is not None and cut == LUNGS and case.lungs is None:
            self._session.find_lungs(case)
        if case is not None and self._session.viewer.dims.ndisplay == 2:
            self._leave_slices()
        self._session.viewer.dims.ndisplay = 3
        self._show_copy()

    def show_2d(self) -> None:
        """Switch back to slices."""
        if self._session.viewer.dims.ndisplay == 3:
            self._hold_canvas()  # the sliders come before anybody else is told
            self._session.viewer.dims.ndisplay = 2

    def put_outlined(self, case: Case, what: str, layer_data: LayerData) -> None:
        """Show labels of a whole CT in its slices, as outlines: a tint would hide what is faint.

        In 3-D they wait until slices are looked at again.
        """
        data, attributes, kind = layer_data
        flat = self._session.viewer.dims.ndisplay == 2
        made = data, {**attributes, "visible": flat}, kind
        layer = self._session.put_made(case, what, made)
        if flat:
            layer.contour = 1
        else:
            self._hidden.append(layer)
            self._outlined.append(layer)

    def show_in_slices(self, layer: Layer) -> None:
        """Show a layer; in 3-D it waits until slices are looked at again."""
        flat = self._session.viewer.dims.ndisplay == 2
        if layer.visible != flat:
            layer.visible = flat
        if not flat and layer not in self._hidden:
            self._hidden.append(layer)

    def hide(self, layer: Layer) -> None:
        """Hide a layer, from slices too when they are looked at again."""
        layer.visible = False
        self._hidden = [each for each in self._hidden if each is not layer]

    def _on_case_changed(self) -> None:
        viewer, case = self._session.viewer, self._session.case
        # Around a CT the canvas is black in every theme, as on any reading station.
        viewer.canvas.background_color_override = None if case is None else "black"
        if case is not None:
            scale_bar = viewer.canvas.overlays.scale_bar
            scale_bar.visible = True
            scale_bar.position = "bottom_left"
            if viewer.dims.ndim == 3:
                viewer.dims.axis_labels = ("z", "y", "x")
            moved = case.layer.events
            for event in (moved.affine, moved.rotate, moved.scale, moved.shear):
                event.connect(self._on_axes)
        self._on_axes()
        if viewer.dims.ndisplay == 3:
            self._leave_slices()
            self._show_copy()

    def _on_axes(self, event: Any = None) -> None:
        """Put the head up, and the letters of the sides at the edges."""
        viewer, case = self._session.viewer, self._session.case
        if case is None:
            self._letters.set_shown(False)
        else:
            put_upright(viewer)
            self._letters.set_shown(True, patient_directions(case.layer, case.volume))

    # 3-D and back

    def _on_point(self, event: Any = None) -> None:
        if self._session.viewer.dims.ndisplay == 3:
            self._point = self._session.viewer.dims.point

    def _on_ndisplay(self, event: Any = None) -> None:
        viewer = self._session.viewer
        self._hold_canvas()
        if viewer.dims.ndisplay == 2:
            self._back_to_slices()
        elif self._session.case is not None:
            self._slices_seen = viewer.scene.camera.center, viewer.scene.camera.zoom
            self._point = viewer.dims.point
            self._leave_slices()
        self._on_axes()
        self._show_copy()
        self.cut_changed.emit()
        case, cut = self._session.case, self.cut
        awaited = None if case is None else self._asked.get(case)
        if viewer.dims.ndisplay == 3 and cut is not None and cut.same_as(awaited):
            self._held.start()

    def _hold_canvas(self) -> None:
        """Draw nothing until a volume is there, and the canvas has the room the sliders leave it.

        Qt draws a canvas with every change of its size, and a volume takes a third of a second.
        """
        main = qt_viewer_of(self._session.viewer)
        if main is not None:
            main.setUpdatesEnabled(False)
            self._draw_soon()

    def _draw_soon(self) -> None:
        self._held.stop()
        QTimer.singleShot(0, self, self._draw_again)

    def _draw_again(self) -> None:
        """Let napari's canvas and sliders be drawn again, at their new sizes."""
        main = qt_viewer_of(self._session.viewer)
        if main is not None and not self._held.isActive():
            QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
            main.setUpdatesEnabled(True)

    def _leave_slices(self) -> None:
        for case in self._session.cases.values():
            made = [layer for what, layer in case.made.items() if what not in (PREVIEW, "Marker")]
            hidden = [layer for layer in (case.layer, *made) if layer.visible]
            for layer in hidden:
                layer.visible = False
            # Outlines are for slices; napari warns of them in 3-D.
            outlined = [m for m in (*made, *case.masks.values()) if getattr(m, "contour", 0)]
            for layer in outlined:
                layer.contour = 0
            for mask in case.masks.values():
                give_room(mask, case, flat=False)
            self._hidden += hidden
            self._outlined += outlined

    def _back_to_slices(self) -> None:
        viewer = self._session.viewer
        self._hide_copies()
        if self._slices_seen is not None:
            viewer.scene.camera.center, viewer.scene.camera.zoom = self._slices_seen
            viewer.dims.point = self._point  # napari went to the middle of what 3-D showed
            self._slices_seen = None
        for case in self._session.cases.values():
            for mask in case.masks.values():
                mask.contour = 1
                give_room(mask, case, flat=True)
        for layer in self._outlined:
            if layer in viewer.layers:  # one removed meanwhile still believes itself in 3-D
                layer.contour = 1
        for layer in self._hidden:
            layer.visible = True
        self._hidden, self._outlined = [], []

    # The small copy

    def _on_lungs_changed(self) -> None:
        """Have the copy ready before it is asked for; one removed by hand stays away."""
        case, cut = self._session.case, self.cut
        if case is None or cut is None:
            return
        if case.lungs is not None:
            self._make_copy(case, Cut(LUNGS, case.lungs))
        if not cut.same_as(self._shown.get(case)):
            self._show_copy()

    def _show_copy(self) -> None:
        """Show in 3-D what is wanted; once it is there."""
        case, cut = self._session.case, self.cut
        if case is None or cut is None or self._session.viewer.dims.ndisplay == 2:
            return
        self._hide_copies(but=case)
        if PREVIEW in case.made and cut.same_as(self._shown.get(case)):
            self._show_again(case.made[PREVIEW])
        elif (copy := self._copy_of(case, cut)) is not None:
            self._put_copy(case, copy)
        else:
            self._make_copy(case, cut)

    def _copy_of(self, case: Case, cut: Cut) -> Copy | None:
        kept = self._copies.get(case, {}).get(cut.name)
        return kept if kept is not None and kept.cut.same_as(cut) else None

    def _make_copy(self, case: Case, cut: Cut) -> None:
        """Make a copy behind, unless it is there or on its way."""
        if cut.same_as(self._asked.get(case)) or self._copy_of(case, cut) is not None:
            return
        self._asked[case] = cut
        task = partial(work.preview, case.volume, cut.lungs, cut.mask)
        job = self._session.start(case, task, "Making the 3-D copy", "preview", "read", quiet=True)
        job.returned.connect(partial(self._on_copy, case, cut))
        job.failed.connect(partial(self._session.fail, "ct", "No 3-D copy"))
        job.ended.connect(partial(self._on_copy_ended, case, cut))

    def _on_copy(self, case: Case, cut: Cut, layer_data: LayerData) -> None:
        self._copies.setdefault(case, {})[cut.name] = Copy(cut, layer_data)
        self._show_copy()

    def _on_copy_ended(self, case: Case, cut: Cut) -> None:
        if self._asked.get(case) is cut:
            del self._asked[case]
        if self._held.isActive():
            self._draw_soon()

    def _put_copy(self, case: Case, copy: Copy) -> None:
        viewer, first = self._session.viewer, case not in self._shown
        data, attributes, kind = copy.layer_data
        attributes = {**attributes, "affine": placed_as(case.layer, case.volume), "visible": True}
        layer = case.made.get(PREVIEW)
        if layer is None:
            layer = self._session.put_made(case, PREVIEW, (data, attributes, kind), low=True)
        else:  # a new layer would have its shaders compiled anew
            layer.data = data
            for name, value in attributes.items():
                setattr(layer, name, value)
        self._shown[case] = copy.cut
        if first:
            viewer.scene.camera.angles = FRONTAL
        self._fit(layer)
        self.cut_changed.emit()

    def _show_again(self, layer: Layer) -> None:
        if not layer.visible:  # slices had the camera meanwhile
            layer.visible = True
            self._fit(layer)

    def _fit(self, layer: Layer) -> None:
        """Let a copy fill the canvas."""
        for emitter in layer.events.emitters.values():
            for callback in emitter.callbacks:  # the last fitting has left some behind
                if isinstance(callback, tuple) and callback[0]() is None:
                    emitter.disconnect(callback)
        self._session.viewer.fit_to_view(layers=[layer])

    def _hide_copies(self, but: Case | None = None) -> None:
        for case in self._session.cases.values():
            if case is not but and PREVIEW in case.made:
                case.made[PREVIEW].visible = False
