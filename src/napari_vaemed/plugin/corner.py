"""Texts in the corners of a canvas: which slice, in which window, and what lies under the pointer.

They stand in Qt labels above the canvas. With each new text napari's own overlays compile their
shaders and draw the whole canvas anew, which takes three times as long (measured: 92 ms and 26 ms).
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel, QWidget

from napari_vaemed.data.sides import SIDES
from napari_vaemed.plugin.layers import layer_name
from napari_vaemed.plugin.scrolling import shown_slice
from napari_vaemed.plugin.slab import KINDS
from napari_vaemed.plugin.tools import voxel_on_ray

if TYPE_CHECKING:
    from napari.components import Dims, ViewerModel

    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session

PLANES = ("Axial", "Coronal", "Sagittal")
"""What slices across z, y and x are called."""
MARGIN = 8
CLEAR = 24
"""Pixels beside the middle of the canvas that are kept free for the letters at its edges."""
NOTHING = ("", "")
STYLE = "color: #E8E8E8; background: rgba(0, 0, 0, 110); padding: 2px 4px; font-size: 9pt;"


class CornerText(QObject):
    """Writes the slice and the window at the upper right of a canvas, HU and mm at the lower right.

    In 3-D it tells what a click would mark.

    However often the pointer moves, it is written once per turn of the event loop. No patient's
    name comes here: the scan is called what `layer_name` calls it.

    Parameters
    ----------
    session : Session
    viewer : ViewerModel
        The session's own or another one in the same world, (z, y, x) mm.
    canvas : QWidget or None
        What the viewer is drawn in; None for a viewer without a window.

    Attributes
    ----------
    slice, under_pointer : str
        The texts.
    """

    def __init__(self, session: Session, viewer: ViewerModel, canvas: QWidget | None) -> None:
        super().__init__(session)
        self._session = session
        # Not held: the canvas holds its viewer, and the session must not outlive that.
        self._viewer = weakref.ref(viewer)
        self._pointer: tuple[float, ...] | None = None
        self._sight: tuple[Any, list[int]] | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._write)
        self._closed = False
        self.slice = self.under_pointer = ""
        self._labels: tuple[QLabel, ...] = ()
        if canvas is not None:
            self._labels = _label(canvas), _label(canvas)
            canvas.installEventFilter(self)
            canvas.destroyed.connect(self._on_canvas_gone)
        viewer.mouse_move_callbacks.append(self._on_move)
        for event, slot in self._followed(viewer):
            event.connect(slot)
        session.case_changed.connect(self._later)
        session.windowing.window_changed.connect(self._later)
        session.slab.changed.connect(self._later)
        self._later()

    def close(self) -> None:
        """Leave the canvas; to be called when it goes before the session does."""
        if self._closed:
            return
        self._closed = True
        self._soon.stop()
        for made in self._labels:
            made.deleteLater()
        self._labels = ()
        self._session.case_changed.disconnect(self._later)
        self._session.windowing.window_changed.disconnect(self._later)
        self._session.slab.changed.disconnect(self._later)
        viewer = self._viewer()
        if viewer is not None:
            viewer.mouse_move_callbacks.remove(self._on_move)
            for event, slot in self._followed(viewer):
                event.disconnect(slot)
        self.deleteLater()

    def eventFilter(self, canvas: QObject, event: QEvent) -> bool:
        """Keep to the corners of a canvas whose size changes."""
        if event.type() == QEvent.Type.Resize:
            self._at_once()
        return False

    def _on_canvas_gone(self) -> None:
        self._labels = ()  # Qt has taken them along
        self.close()

    def _followed(self, viewer: ViewerModel) -> list[tuple[Any, Any]]:
        dims = viewer.dims.events
        return [
            (viewer.events.mouse_over_canvas, self._on_left),
            (dims.order, self._on_turned),
            (dims.ndim, self._on_turned),
            (dims.ndisplay, self._on_turned),
            (dims.point, self._at_once),
            (viewer.scene.camera.events, self._on_camera),
        ]

    def _on_move(self, viewer: Any, event: Any) -> None:
        self._pointer = tuple(event.position)
        solid = viewer.dims.ndisplay == 3
        self._sight = (event.view_direction, list(event.dims_displayed)) if solid else None
        self._later()

    def _on_camera(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None and viewer.dims.ndisplay == 3 and self._pointer is not None:
            self._pointer = None
            self._at_once()

    def _on_left(self, event: Any) -> None:
        viewer = self._viewer()
        if viewer is not None and not viewer.mouse_over_canvas:
            self._on_turned()

    def _on_turned(self, event: Any = None) -> None:
        """What lies under the pointer is not known until it moves."""
        self._pointer = None
        self._later()

    def _at_once(self, event: Any = None) -> None:
        """Write before the canvas is drawn: later the whole window would be drawn once more."""
        self._soon.stop()
        self._write()

    def _later(self, event: Any = None) -> None:
        if not self._labels:
            self._write()
        elif not self._soon.isActive():
            self._soon.start()

    def _write(self) -> None:
        viewer, case = self._viewer(), self._session.case
        cut = None if viewer is None or case is None else shown_slice(case, viewer.dims)
        texts = [NOTHING, NOTHING]
        if viewer is not None and case is not None and cut is not None:
            texts = [self._about(case, *cut), self._read(case, cut[0], viewer.dims)]
        elif viewer is not None and case is not None and viewer.dims.ndisplay == 3:
            texts = [NOTHING, self._read_through(case)]
        self.slice, self.under_pointer = (wide for wide, _ in texts)
        for made, (wide, stacked) in zip(self._labels, texts, strict=False):
            made.setText(wide)
            made.adjustSize()
            if made.width() > made.parentWidget().width() / 2 - CLEAR - MARGIN:
                made.setText(stacked)
                made.adjustSize()
            made.setVisible(bool(wide))
        self._place()

    def _about(self, case: Case, axis: int, index: int) -> tuple[str, str]:
        """What is shown, as it is written with room for it and without."""
        name, *where = about_slice(case, axis, index)
        slab = self._session.slab
        if slab.thickness_mm:
            where.append(f"{slab.kind} {slab.thickness_mm:.1f} mm")
        window = about_window(*(self._session.windowing.now or (0.0, 1.0)))
        return "\n".join((name, " · ".join(where), window)), "\n".join((*where, window))

    def _read(self, case: Case, axis: int, dims: Dims) -> tuple[str, str]:
        """What lies under the pointer, as it is written with room for it and without."""
        if self._pointer is None or len(self._pointer) != dims.ndim:
            return NOTHING
        here = list(self._pointer)
        for unseen in dims.not_displayed:
            here[unseen] = dims.point[unseen]  # the slice may have changed under a resting pointer
        slab = self._session.slab
        return _told(read_out(case, here[-3:], axis, slab.beyond(axis), KINDS[slab.kind]))

    def _read_through(self, case: Case) -> tuple[str, str]:
        """What a click in 3-D would mark, as it is written with room for it and without."""
        if self._pointer is None or self._sight is None:
            return NOTHING
        voxel = voxel_on_ray(case, self._pointer, *self._sight)
        return NOTHING if voxel is None else _told(read_out(case, case.world(voxel)))

    def _place(self) -> None:
        for made, low in zip(self._labels, (False, True), strict=False):
            canvas = made.parentWidget()
            y = canvas.height() - made.height() - MARGIN if low else MARGIN
            made.move(canvas.width() - made.width() - MARGIN, y)


def about_slice(case: Case, axis: int, index: int) -> tuple[str, str, str]:
    """The scan, which of its slices across an axis is shown, and where that lies.

    Slices are counted as on napari's slider, in the tables and in the exports: from 0, and up to
    the last one's number.
    """
    shape = case.volume.shape
    middle = [(n - 1) / 2 for n in shape]
    middle[axis] = index
    where = _towards(axis, float(case.volume.to_world(middle)[2 - axis]))
    which = f"{PLANES[axis]} {index} / {shape[axis] - 1}"
    return layer_name(case.volume), which, f"{where} mm"


def about_window(level: float, width: float) -> str:
    """Level and width in HU, as workstations write them."""
    return f"L {level:.0f}  W {width:.0f}"


def read_out(
    case: Case, position: ArrayLike, axis: int = 0, beyond: int = 0, of_slab: str = "mean"
) -> tuple[int, NDArray[np.float64]] | None:
    """HU of the CT, whatever lies on it, and the patient position (x, y, z), LPS mm.

    Parameters
    ----------
    position : (z, y, x) mm of napari's world
        An oblique scan is shown straightened; its true patient coordinates are told.
    axis, beyond, of_slab
        In a slab across an axis with so many slices on each side, the "max", "min" or "mean" that
        is shown.

    Returns
    -------
    (int, (3,)) or None
        None beyond the CT.
    """
    voxel = np.asarray(case.layer.world_to_data(position), float)
    if not case.volume.contains(voxel):
        return None
    nearest = np.clip(np.rint(voxel).astype(int), 0, np.array(case.volume.shape) - 1)
    low, high = nearest.copy(), nearest + 1
    low[axis], high[axis] = max(nearest[axis] - beyond, 0), nearest[axis] + beyond + 1
    shown = case.volume.hu[tuple(slice(*ends) for ends in zip(low, high, strict=True))]
    return round(float(getattr(np, of_slab)(shown))), case.volume.to_world(voxel)


def patient_mm(place: ArrayLike) -> tuple[str, str, str]:
    """A patient position (x, y, z), LPS mm, as it is said: ``("L 12.0", "A 3.5", "H 40.1 mm")``."""
    x, y, z = (_towards(2 - axis, float(mm)) for axis, mm in enumerate(np.asarray(place)))
    return x, y, f"{z} mm"


def _told(found: tuple[int, NDArray[np.float64]] | None) -> tuple[str, str]:
    """HU and place on two lines, and on four."""
    if found is None:
        return NOTHING
    hu, words = f"{found[0]} HU", patient_mm(found[1])
    return f"{hu}\n{'  '.join(words)}", "\n".join((hu, *words))


def _label(canvas: QWidget) -> QLabel:
    made = QLabel(canvas)
    made.setStyleSheet(STYLE)
    made.setAlignment(Qt.AlignmentFlag.AlignRight)
    made.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return made


def _towards(axis: int, mm: float) -> str:
    """Distance from the origin along an axis (0 for z), and to which side."""
    rounded = round(mm, 1)
    return f"{SIDES[axis][int(rounded >= 0)]} {abs(rounded):.1f}"
