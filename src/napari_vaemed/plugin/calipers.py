"""Calipers: drawn on a canvas, listed, edited, undone, for the CT spoken of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.plugin.caliper_canvas import CaliperCanvas, drawing
from napari_vaemed.plugin.caliper_draft import Draft
from napari_vaemed.plugin.caliper_layer import CALIPERS, after, edits_of
from napari_vaemed.plugin.cases import Case
from napari_vaemed.plugin.scrolling import axis_across
from napari_vaemed.preprocessing.calipers import NoCaliper, measure_caliper

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from napari_vaemed.plugin.session import Session

TOPIC = "calipers"


class Calipers(QObject):
    """The calipers of the CT spoken of, and the tool that draws them.

    Signals
    -------
    changed : nothing; one came, went, was edited or chosen
    switched : nothing; another tool is in hand, or what it waits for is another
    """

    changed = Signal()
    switched = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.kind: str | None = None
        self.draft: Draft | None = None
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.timeout.connect(self._on_edited)
        viewer = session.viewer
        self._main = CaliperCanvas(viewer, session.put_made, self._on_turned)
        self._canvases = [self._main]
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.events.active.connect(self._on_hands)
        session.tool.toggled.connect(self._on_nodule_tool)
        session.case_changed.connect(self._on_case_changed)

    def attach(self, viewer: ViewerModel) -> None:
        """Show calipers on another canvas too, and take drags there."""
        canvas = CaliperCanvas(viewer, None, self._on_turned)
        self._canvases.append(canvas)
        viewer.mouse_drag_callbacks.append(self._on_press)
        for case in self._session.cases.values():
            canvas.show(case, case.calipers.now)

    def detach(self, viewer: ViewerModel) -> None:
        """Let go of a canvas that was attached."""
        viewer.mouse_drag_callbacks.remove(self._on_press)
        for canvas in [c for c in self._canvases if c.viewer is viewer]:
            self._canvases.remove(canvas)
            canvas.close()

    @property
    def waiting(self) -> bool:
        """Whether an edit is still to be looked at."""
        return self._look.isActive()

    @property
    def shown(self) -> tuple[MeasuredCaliper, ...]:
        """The calipers of the CT spoken of."""
        return () if self._session.case is None else self._session.case.calipers.now

    @property
    def layer(self) -> Shapes | None:
        """The layer that shows those of the CT spoken of, once there was one."""
        case = self._session.case
        return None if case is None else self._main.layers.get(case)

    # The tool

    def choose(self, kind: str | None) -> None:
        """Take a tool in hand, one of `POINTS`, or put it away."""
        if kind == self.kind:
            return
        if kind is not None and self._session.case is None:
            self._session.say(TOPIC, "Open a CT first.", "warning")
            return
        viewer = self._session.viewer
        self._drop_draft()
        if kind is not None and self.kind is None:
            self._session.tool.set_on(False)
            if drawing(viewer):
                viewer.layers.selection.active.mode = "pan_zoom"
        self.kind = kind
        QTimer.singleShot(0, self._get_ready)
        for canvas in self._canvases:
            canvas.viewer.cursor.style = "standard" if kind is None else "crosshair"
        self._session.say(TOPIC)
        self.switched.emit()

    def toggle(self, kind: str) -> None:
        """Take a tool in hand, or put it away when it is."""
        self.choose(None if kind == self.kind else kind)

    @property
    def editing(self) -> bool:
        """Whether napari's own tools have the calipers in hand."""
        viewer, layer = self._session.viewer, self.layer
        return layer is not None and viewer.layers.selection.active is layer and drawing(viewer)

    def edit(self, on: bool) -> None:
        """Hand the calipers over to napari's own tools, or take them back."""
        case, layer = self._session.case, self.layer
        if case is None or layer is None or on == self.editing:
            return
        if on:
            self.choose(None)
            self._session.tool.set_on(False)
            whole = self.chosen is not None and self.chosen.caliper.kind == "ellipse"
            layer.mode = "select" if whole else "direct"
            self._select_in_layer()
        else:
            layer.mode = "pan_zoom"
        self._session.viewer.layers.selection.active = layer if on else case.layer

    def drag(self, start: Any, end: Any, axis: int, *, done: bool) -> None:
        """Draw from one point of napari's world, (z, y, x) mm, to another.

        Parameters
        ----------
        axis : int
            The axis of the CT that the slices of the canvas are counted along.
        done : bool
            Whether the button was let go.
        """
        case = self._session.case
        if case is None or self.kind is None:
            return
        ends = case.voxel(start), case.voxel(end)
        draft = Draft(case, self.kind, axis, round(float(ends[0][axis])))
        if self.draft is not None and self.draft.goes_on(draft):
            draft = self.draft
        self._draw(replace(draft, drags=(*draft.drags, ends)), done)

    # The list

    @property
    def chosen(self) -> MeasuredCaliper | None:
        """The chosen one."""
        case = self._session.case
        label = None if case is None else case.chosen_caliper
        return next((each for each in self.shown if each.label == label), None)

    def select(self, label: int | None) -> None:
        """Choose one, and go to its slice."""
        session, case = self._session, self._session.case
        if case is None:
            return
        case.chosen_caliper = label
        if (chosen := self.chosen) is not None:
            axis, dims = chosen.caliper.axis, session.viewer.dims
            first = dims.ndim - 3
            if all(canvas.axis != axis for canvas in self._canvases):
                dims.ndisplay = 2
                others = [first + other for other in range(3) if other != axis]
                dims.order = (*range(first), first + axis, *others)
            dims.set_point(first + axis, float(case.world(chosen.caliper.points[0])[axis]))
        self._select_in_layer()
        self.changed.emit()

    def remove(self, label: int) -> None:
        """Take one away; undo brings it back."""
        case = self._session.case
        if case is not None:
            self._change(case, tuple(each for each in case.calipers.now if each.label != label))

    def undo(self) -> None:
        """Take back the last change, or what is half drawn."""
        if self.draft is not None:
            self._drop_draft()
        elif self._session.case is not None:
            self._session.case.calipers.undo()
            self._sync(self._session.case)

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._session.case is not None:
            self._drop_draft()
            self._session.case.calipers.redo()
            self._sync(self._session.case)

    # Drawing

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        if self.kind is None or event.button != 1 or event.modifiers:
            return
        if drawing(self._session.viewer):
            self.choose(None)  # the brush, or another tool of napari's, was taken in hand since
            return
        try:
            axis = self._axis_to_draw_on(viewer, event.position[-3:])
        except NoCaliper as reason:
            self._session.say(TOPIC, str(reason), "warning")
            return
        start, camera = event.position[-3:], viewer.scene.camera
        try:
            camera.mouse_pan = False
            yield
            while event.type == "mouse_move":
                self.drag(start, event.position[-3:], axis, done=False)
                camera.mouse_pan = False  # a new layer switches it on
                yield
        finally:
            camera.mouse_pan = True
        self.drag(start, event.position[-3:], axis, done=True)

    def _axis_to_draw_on(self, viewer: Any, position: Any) -> int:
        """The axis that the slices of a canvas are counted along.

        Raises
        ------
        NoCaliper
            Nothing can be drawn there, at that position of the world (z, y, x) mm.
        """
        case, axis = self._session.case, axis_across(viewer.dims)
        if case is None:
            raise NoCaliper("Open a CT first.")
        if axis is None:
            raise NoCaliper("Calipers are drawn on slices. Switch to 2-D first.")
        if not case.volume.contains(case.voxel(position)):
            raise NoCaliper("That is outside the CT. Begin inside the picture.")
        return axis

    def _draw(self, draft: Draft, done: bool) -> None:
        """Show a draft; keep it once it is whole, or say why it cannot be."""
        if not done:
            self._put(draft.case, draft)
            return
        case, caliper = draft.case, draft.caliper()
        try:
            if draft.clicked:
                raise NoCaliper("That has no length. Drag from one end to the other.")
            reading = measure_caliper(caliper, case.volume)
        except NoCaliper as reason:
            self._put(case)
            self._session.say(TOPIC, str(reason), "warning")
            return
        self._session.say(TOPIC)
        self.draft = None if draft.whole else draft
        if self.draft is not None:
            self._put(case)
        else:
            measured = MeasuredCaliper(case.calipers.next_label(), caliper, reading)
            case.chosen_caliper = measured.label
            self._change(case, (*case.calipers.now, measured))
        self.switched.emit()

    def _get_ready(self) -> None:
        """Make a layer before a drag has to wait for it, or take away one that is empty."""
        case = self._session.case
        if case is not None and self.kind is not None and self.layer is None:
            self._put(case, make=True)
        elif case is not None and self.kind is None and not case.calipers.now:
            self._main.drop(case)

    def _drop_draft(self) -> None:
        draft, self.draft = self.draft, None
        if draft is not None:
            self._put(draft.case)
            self.switched.emit()

    # The layer

    def _change(self, case: Case, calipers: tuple[MeasuredCaliper, ...]) -> None:
        case.calipers.change(calipers)
        self._sync(case)

    def _sync(self, case: Case) -> None:
        """Make the layer show the calipers as they are now."""
        labels = [each.label for each in case.calipers.now]
        if case.chosen_caliper not in labels:
            case.chosen_caliper = labels[-1] if labels else None
        self._put(case)
        self.changed.emit()

    def _put(self, case: Case, moving: Draft | None = None, *, make: bool = False) -> None:
        """Show calipers on every canvas, with what is half drawn.

        Parameters
        ----------
        moving : Draft or None
            What follows the mouse just now.
        make : bool
            Whether to make a layer even when there is nothing to show.
        """
        draft, shown = moving or self.draft, case.calipers.now
        if draft is not None and draft.case is case:
            shown = (*shown, draft.measured())
        for canvas in self._canvases:
            if moving is None or moving.axis == canvas.axis:
                layer = canvas.show(case, shown, drawing=moving is not None, make=make)
                if layer is not None and canvas is self._main:
                    self._follow(layer)

    def _follow(self, layer: Shapes) -> None:
        for event in (layer.events.data, layer.events.features):
            event.connect(self._on_layer_event)
        layer.events.mode.connect(self._on_hands)
        layer.selected_data.events.items_changed.connect(self._on_picked)
        layer.mouse_drag_callbacks.append(self._on_layer_drag)

    def _select_in_layer(self) -> None:
        layer, chosen = self.layer, self.chosen
        if layer is not None and chosen is not None:
            labels = enumerate(layer.features["caliper"])
            layer.selected_data = {row for row, label in labels if label == chosen.label}

    def _on_layer_event(self, event: Any) -> None:
        """napari's own tools did something; what, can be seen once they are done with it."""
        if not self._main.writing and self.draft is None:
            self._look.start(0)

    def _on_picked(self) -> None:
        """A shape was chosen with napari's own tools."""
        case, layer = self._session.case, self.layer
        if case is None or layer is None or self._main.writing:
            return
        labels = {int(n) for n in layer.features["caliper"].iloc[list(layer.selected_data)]}
        if len(labels) == 1 and labels != {case.chosen_caliper}:
            (case.chosen_caliper,) = labels
            self.changed.emit()

    def _on_layer_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """Tell what a caliper reads while one of napari's own tools moves it."""
        yield
        while event.type == "mouse_move":
            case = self._session.case
            if case is not None and layer is self.layer and drawing(self._session.viewer):
                with suppress(NoCaliper):
                    self._main.tell(case, after(edits_of(layer, case), case))
            yield

    def _on_edited(self) -> None:
        case, layer = self._session.case, self.layer
        if case is None or layer is None or self.draft is not None:
            return
        edits = edits_of(layer, case)
        refused = edits.refused
        try:
            now = after(edits, case)
        except NoCaliper as reason:
            now, refused = case.calipers.now, f"{reason} The change was taken back."
        self._session.say(TOPIC, refused, "warning")
        if now != case.calipers.now:
            self._change(case, now)
        elif refused:
            self._put(case)

    def _on_removed(self, event: Any) -> None:
        """The layer was removed by hand: the calipers go too; undo brings both back."""
        for case, layer in list(self._main.layers.items()):
            if layer is event.value:
                del self._main.layers[case]
                if case in self._session.cases.values():
                    case.made.pop(CALIPERS, None)
                    self._change(case, ())

    def _on_turned(self) -> None:
        """A canvas shows another plane."""
        if self.draft is not None and all(c.axis != self.draft.axis for c in self._canvases):
            self._drop_draft()
        for case in self._session.cases.values():
            self._put(case)

    def _on_hands(self, event: Any = None) -> None:
        """Another layer may be in hand, or another of napari's tools."""
        self.switched.emit()

    def _on_nodule_tool(self, on: bool) -> None:
        if on:
            self.choose(None)
            self.edit(False)

    def _on_case_changed(self) -> None:
        self._drop_draft()
        for canvas in self._canvases[1:]:
            for case in set(canvas.layers) - set(self._session.cases.values()):
                canvas.drop(case)
        self._session.say(TOPIC)
        self.changed.emit()
