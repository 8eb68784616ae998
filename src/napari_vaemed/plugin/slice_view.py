"""Slice scores in the viewer: a strip beneath the slider and a text on the slice."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QBoxLayout, QScrollBar, QWidget

from napari_vaemed.data.sides import SIDES
from napari_vaemed.plugin.parts.slice_strip import SliceStrip
from napari_vaemed.plugin.scrolling import shown_slice
from napari_vaemed.plugin.theme import ink_on, probability_colour
from napari_vaemed.plugin.workspace import qt_viewer_of

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.plugin.slices import Scored

CORNER = (("vaemed_slice", 11), ("vaemed_slice_source", 8))
"""Names and font sizes of the two texts in the corner."""
NOT_SCORED = "not scored, too little lung"
UNLIKE = "unlike the training pictures"


class SliceView(QObject):
    """Shows the scores of the CT spoken of while axial slices are looked at.

    Signals
    -------
    moved : nothing; another slice, or one of another CT, may be looked at
    """

    moved = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.strip: SliceStrip | None = None
        self._place: QWidget | None = None
        self.strip_on = self.text_on = True
        self._scored: Scored | None = None
        dims = session.viewer.dims.events
        for event in (dims.point, dims.order, dims.ndisplay, dims.ndim, dims.range):
            event.connect(self._on_dims)
        session.case_changed.connect(self._sync)
        session.slices.changed.connect(self._sync)

    def current(self) -> int | None:
        """The axial slice of the CT that is looked at; None in other views and outside of it."""
        case, dims = self._session.case, self._session.viewer.dims
        shown = None if case is None or dims.ndim != 3 else shown_slice(case, dims)
        return shown[1] if shown is not None and shown[0] == 0 else None

    def go_to(self, index: int) -> None:
        """Look at a slice of the CT spoken of."""
        case, dims = self._session.case, self._session.viewer.dims
        if case is not None:
            dims.set_point(0, float(case.world((index, 0, 0))[0]))

    def show_strip(self, on: bool) -> None:
        """Show or hide the strip beneath the slider."""
        self.strip_on = on
        self._sync()

    def show_text(self, on: bool) -> None:
        """Show or hide the text on the slice."""
        self.text_on = on
        self._sync()

    def _on_dims(self, event: Any = None) -> None:
        self._sync()

    def _sync(self) -> None:
        """Make strip and text speak of the slice looked at, or be silent."""
        case, index = self._session.case, self.current()
        scored = None if case is None else case.scored
        if scored is not None and not len(scored.said.scores):
            scored = None  # there is nothing to show
        self._sync_strip(case, scored, index)
        self._sync_text(scored if self.text_on else None, index)
        self.moved.emit()

    def _sync_strip(self, case: Case | None, scored: Scored | None, index: int | None) -> None:
        flat = self._session.viewer.dims.not_displayed == (0,)
        if case is None or scored is None or not flat or not self.strip_on:
            if self._place is not None:
                self._place.hide()
            return
        if self.strip is None:
            self.strip = SliceStrip(probability_colour, SIDES[0])
            self.strip.chosen.connect(self.go_to)
            self._place = lay_under(self._session.viewer, self.strip)
        if scored is not self._scored:
            self._scored = scored
            self.strip.show_slices(*_columns(scored, case), partial(about_slice, scored))
        self.strip.set_current(index)
        self._align(case, self.strip)
        if self._place is not None:
            self._place.show()

    def _align(self, case: Case, strip: SliceStrip) -> None:
        """Put the columns below the handle of the z slider."""
        start, stop, _ = self._session.viewer.dims.range[0]
        ends = case.world((0, 0, 0))[0], case.world((case.volume.shape[0] - 1, 0, 0))[0]
        way = max(stop - start, 1e-6)
        strip.set_span(*((float(end) - start) / way for end in ends))
        rows = getattr(sliders_of(self._session.viewer), "slider_widgets", ())
        slider = getattr(rows[0], "slider", None) if rows else None
        strip.lie_under(slider if isinstance(slider, QScrollBar) else None)

    def _sync_text(self, scored: Scored | None, index: int | None) -> None:
        """Write the score on its colour, and beneath it who says so, into a corner."""
        viewer = self._session.viewer
        if scored is None or index is None:
            for name, _ in CORNER:
                if name in viewer.canvas.overlays:
                    viewer.canvas.overlays[name].visible = False
            return
        score, source = (_corner(viewer, name, size) for name, size in CORNER)
        place = scored.place_of(index)
        if place is None:
            score.box_color, score.color = None, None
        else:
            colour = probability_colour(float(scored.said.scores.covid[place]))
            score.box_color, score.color = colour, ink_on(colour)
        score.text, *remark = about_slice(scored, index).split("\n")
        source.text = "\n".join([*remark, model_name(scored)])
        score.visible, source.visible = True, place is not None


def about_slice(scored: Scored, index: int) -> str:
    """What is known of a slice, in a line or two."""
    place = scored.place_of(index)
    if place is None:
        return f"Slice {index}: {NOT_SCORED}"
    scores = scored.said.scores
    text = f"Slice {index}: COVID-19 {percent(float(scores.covid[place]))}"
    return f"{text}\n{UNLIKE}" if scores.unlike[place] > 1 else text


def percent(probability: float) -> str:
    """A probability as a person reads it."""
    return f"{100 * probability:.0f} %"


def model_name(scored: Scored) -> str:
    """The model and the first digits of its weights' checksum."""
    return f"{scored.said.model} {scored.said.sha256[:8]}"


def sliders_of(viewer: Any) -> QWidget | None:
    """The widget that holds napari's dimension sliders, in a viewer with a window."""
    around = qt_viewer_of(viewer)
    return None if around is None else around.dims


def lay_under(viewer: Any, strip: QWidget) -> QWidget | None:
    """Put a widget right beneath napari's sliders, or where those cannot be found, in a dock.

    Gives what to show and hide, None without a window.
    """
    sliders = sliders_of(viewer)
    around = None if sliders is None else sliders.parentWidget()
    layout = None if around is None else around.layout()
    if sliders is not None and isinstance(layout, QBoxLayout):
        layout.insertWidget(layout.indexOf(sliders) + 1, strip)
        return strip
    if not hasattr(viewer, "window"):
        return None
    dock: QWidget = viewer.window.add_dock_widget(strip, area="bottom", name="Slices")
    return dock


def _corner(viewer: Any, name: str, size: float) -> Any:
    """A text in the upper left corner of the canvas."""
    from napari.components.overlays import TextOverlay

    overlays = viewer.canvas.overlays
    if name not in overlays:
        overlays[name] = TextOverlay(position="top_left", font_size=size)
    return overlays[name]


def _columns(scored: Scored, case: Case) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Probability of every slice, NaN where not scored, and which are unlike the training."""
    scores, n = scored.said.scores, case.volume.shape[0]
    values, unlike = np.full(n, np.nan, np.float32), np.zeros(n, bool)
    values[scores.indices] = scores.covid
    unlike[scores.indices] = scores.unlike > 1
    return values, unlike
