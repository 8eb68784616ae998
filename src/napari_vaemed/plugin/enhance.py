"""Enhancement in the window: the slice on screen at once, the whole CT when it is asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.progress import finish
from napari_vaemed.plugin import enhance_work
from napari_vaemed.plugin.cases import ENHANCED, ENHANCED_SLICE
from napari_vaemed.plugin.enhance_work import EnhancedSlice, SliceMaker, Wanted, slice_layer
from napari_vaemed.preprocessing.enhance import LUNGS, METHODS

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.jobs import Failure, Job
    from napari_vaemed.plugin.layers import LayerData
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.preprocessing.geometry import Lattice

TOPIC = "enhance"
LANE = "enhance"


class Enhance(QObject):
    """What is wanted, a preview of it that follows the slice looked at, and layers of it.

    A slice that takes milliseconds is made at once, so that scrolling never shows the plain one
    in between; what takes longer is made behind, of several asked for only the newest.

    Signals
    -------
    changed : nothing; the preview was switched on or off
    drawn : nothing; another slice is shown
    """

    changed = Signal()
    drawn = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.wanted = Wanted()
        self.live = False
        self.shown: EnhancedSlice | None = None
        self._maker = SliceMaker()
        self._making: Job | None = None
        self._lungs: Job | None = None
        self._again = False
        session.case_changed.connect(self._on_case)
        session.lungs_changed.connect(self.refresh)
        session.slice_view.moved.connect(self.refresh)

    def want(self, wanted: Wanted) -> None:
        """Enhance so from now on."""
        if wanted != self.wanted:
            self.wanted = wanted
            self.refresh()

    def set_live(self, on: bool) -> None:
        """Show the slice looked at as it would become, or no longer."""
        if on == self.live:
            return
        self.live = on
        if on:
            self._hide_layers()
            self.refresh()
        else:
            self._drop_preview()
        self.changed.emit()

    def refresh(self) -> None:
        """Make the slice looked at anew, when there is a preview and anything about it changed."""
        case, index = self._session.case, self._session.slice_view.current()
        if not self.live or case is None or index is None:
            return
        done = self.shown
        if done is not None and ENHANCED_SLICE not in case.made:
            self.set_live(False)  # its layer was removed by hand
        elif done is not None and (done.index, done.wanted) == (index, self.wanted):
            return
        elif self.wanted.where == LUNGS and case.lungs is None:
            self._find_lungs(case)
        elif self._making is not None:
            self._again = True
        elif self._maker.ready(case.volume, self.wanted, case.lungs):
            work = self._maker.make(case.volume, self.wanted, case.lungs, index)
            self._show(case, finish(work))
        else:
            self._make_behind(case, index)

    def make_layer(self) -> Job | None:
        """Enhance the whole CT, behind."""
        case, wanted = self._session.case, self.wanted
        if case is None:
            return None
        if wanted.where == LUNGS and case.lungs is None:
            self._find_lungs(case)
            return None
        self._session.say(TOPIC)
        task = partial(enhance_work.enhanced_layer, case.volume, wanted, case.lungs)
        job = self._session.start(case, task, METHODS[wanted.how.method], "enhance")
        job.returned.connect(partial(self._on_made, case, wanted))
        job.failed.connect(partial(self._session.fail, TOPIC, "Not enhanced"))
        return job

    def resample(self, lattice: Lattice, by: str, masks_by: str) -> Job | None:
        """Open the CT on other voxels as a CT of its own; its masks go with it."""
        case = self._session.case
        if case is None:
            return None
        masks = [] if not masks_by else self._masks_of(case)
        task = partial(enhance_work.resampled_layers, case.volume, lattice, by, masks, masks_by)
        return self._open(case, task, "Resampling")

    def make_slabs(
        self, kind: str, thickness_mm: float, step_mm: float | None, plane: str
    ) -> Job | None:
        """Open the CT's slabs as a CT of its own."""
        case = self._session.case
        if case is None:
            return None
        task = partial(enhance_work.slab_layer, case.volume, kind, thickness_mm, step_mm, plane)
        return self._open(case, task, f"{kind} slabs")

    def _open(self, case: Case, task: Any, title: str) -> Job:
        self._session.say(TOPIC)
        job = self._session.start(case, task, title, "other voxels")
        job.returned.connect(self._on_opened)
        job.failed.connect(partial(self._session.fail, TOPIC, f"No {title.lower()}"))
        return job

    def _on_opened(self, layers: list[LayerData]) -> None:
        ct, *masks = (self._session.add(layer) for layer in layers)
        self._session.viewer.layers.selection.active = ct
        self._session.viewer.reset_view()
        for layer in self._session.viewer.layers:
            if layer is not ct and layer not in masks:
                layer.visible = False
        self._session.say(TOPIC, f"Opened {ct.name}; the other layers are hidden.")

    def _masks_of(self, case: Case) -> list[tuple[str, Any]]:
        """The masks that lie on a CT's own voxels."""
        return [
            (layer.name, np.asarray(layer.data))
            for layer in self._session.viewer.layers
            if type(layer).__name__ == "Labels"
            and layer.data.shape == case.volume.shape
            and np.allclose(layer.scale, case.layer.scale)
            and np.allclose(layer.translate, case.layer.translate)
        ]

    # The preview

    def _make_behind(self, case: Case, index: int) -> None:
        task = partial(self._maker.make, case.volume, self.wanted, case.lungs, index)
        self._making = self._session.start(
            case, task, "Enhancing the slice", "enhanced slice", LANE, quiet=True
        )
        self._making.returned.connect(partial(self._show, case))
        self._making.failed.connect(partial(self._session.fail, TOPIC, "No preview"))
        self._making.ended.connect(self._on_made_behind)

    def _on_made_behind(self) -> None:
        self._making, again, self._again = None, self._again, False
        if again:
            self.refresh()

    def _show(self, case: Case, made: EnhancedSlice) -> None:
        if not self.live or case is not self._session.case:
            return
        self.shown, layer = made, case.made.get(ENHANCED_SLICE)
        if layer is None:
            data = slice_layer(made, ENHANCED_SLICE)
            self._session.put_made(case, ENHANCED_SLICE, data, low=True)
            self._session.lungs_changed.emit()  # whoever follows the layers in HU takes it up
        else:
            layer.data[0] = made.hu  # quicker than another array
            place = enhance_work.slice_place(made)
            if np.allclose(layer.translate, place):
                layer.refresh(thumbnail=False, highlight=False, extent=False)
            else:
                layer.translate = place  # napari draws it anew for that
        self.drawn.emit()

    def _drop_preview(self) -> None:
        self.shown, self._maker = None, SliceMaker()  # what it kept is large
        for case in self._session.cases.values():
            self._session.drop_made(case, ENHANCED_SLICE)

    def _hide_layers(self) -> None:
        """Another enhanced layer would lie over the preview."""
        case = self._session.case
        for what in ENHANCED:
            if case is not None and what in case.made and what != ENHANCED_SLICE:
                case.made[what].visible = False
        self._session.lungs_changed.emit()

    def _find_lungs(self, case: Case) -> None:
        if self._lungs is not None and self._lungs.live:
            return
        self._session.say(TOPIC, "The lungs are looked for first.")
        self._lungs = self._session.find_lungs(case)
        self._lungs.returned.connect(lambda _: self._session.say(TOPIC))
        self._lungs.failed.connect(self._on_no_lungs)

    def _on_no_lungs(self, failure: Failure) -> None:
        self.set_live(False)  # or the next slice would ask again
        self._session.fail(TOPIC, "No lungs", failure)

    def _on_case(self) -> None:
        self._drop_preview()
        self.refresh()

    def _on_made(self, case: Case, wanted: Wanted, layer: LayerData) -> None:
        self.set_live(False)
        made = self._session.put_made(case, METHODS[wanted.how.method], layer, low=True)
        made.visible = True
        self._session.lungs_changed.emit()
