"""The mask desk: the mask looked at, what was found out about it, and changing it."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.data.mask_check import Flag, LabelScores, MaskCheck
from napari_vaemed.plugin import mask_work
from napari_vaemed.plugin.mask_layers import grid_of, lies_on
from napari_vaemed.plugin.mask_queue import MaskQueue
from napari_vaemed.plugin.mask_views import MaskReaders, MaskViews

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.segmentation.mask_edit import Edit

TOPIC = "masks"
LANE = "masks"


class MaskDesk(QObject):
    """One mask on the desk, and a second one to compare it with.

    Signals
    -------
    changed : nothing; the masks there are, the ones chosen, or what is known of them
    label_changed : nothing; another label of the mask was chosen for edits
    """

    changed = Signal()
    label_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.first: Labels | None = None
        self.second: Labels | None = None
        self.of: str | None = None
        self.check: MaskCheck | None = None
        self.stale = False
        self.edited = False
        self.open = False
        self.views = MaskViews(self, session)
        self.readers = MaskReaders(self, session)
        self.queue = MaskQueue(self, session)
        session.viewer.layers.events.inserted.connect(self._on_layers)
        session.viewer.layers.events.removed.connect(self._on_layers)

    def sit_down(self) -> None:
        """A dock is open: masks are taken up, and the keys of the desk work."""
        self.open = True
        self._on_layers()

    def stand_up(self) -> None:
        """The dock is gone: no key writes a verdict any more."""
        self.open = False

    @property
    def masks(self) -> list[Labels]:
        """The Labels layers that may be chosen, topmost first."""
        return [
            layer
            for layer in reversed(self._session.viewer.layers)
            if type(layer).__name__ == "Labels" and layer.ndim == 3 and not self.views.made(layer)
        ]

    @property
    def case(self) -> Case | None:
        """The CT that the first mask lies on."""
        case, first = self._session.case, self.first
        known = case is not None and first is not None and lies_on(first, case.layer)
        return case if known else None

    def choose(self, first: Labels | None, second: Labels | None) -> None:
        """Put masks on the desk; what was known of others is dropped."""
        second = None if second is first else second
        if first is self.first and second is self.second:
            return
        if first is not self.first:
            if self.first is not None:
                self.first.events.paint.disconnect(self._on_painted)
                self.first.events.selected_label.disconnect(self._on_label)
            if first is not None:
                first.events.paint.connect(self._on_painted)
                first.events.selected_label.connect(self._on_label)
            self.edited = False
        self.first, self.second = first, second
        self.views.clear()
        self.take(None)

    def choose_kind(self, of: str | None) -> None:
        """Say what masks are of, from now on; None leaves it to their size."""
        self.of = of
        if self.check is not None:
            self.run_check()

    def take(self, check: MaskCheck | None) -> None:
        """Say what was found out about the masks on the desk."""
        self.check, self.stale = check, False
        self.views.refresh()
        self.changed.emit()

    def run_check(self) -> Job | None:
        """Look for flags, and compare with the second mask."""
        if self.first is None:
            return None
        self._session.say(TOPIC)
        second = None if self.second is None else grid_of(self.second)
        ct = None if self.case is None else self.case.volume
        task = partial(mask_work.check, ct, grid_of(self.first), second, self.of)
        job = self.start(task, "Checking the mask", "check")
        job.returned.connect(partial(self._on_checked, (self.first, self.second)))
        job.failed.connect(partial(self._session.fail, TOPIC, "Not checked"))
        return job

    def start(self, task: Any, title: str, what: str) -> Job:
        """Begin a job of the desk."""
        return self._session.jobs.start(task, title=title, channel=(what, self), lane=LANE)

    # Where to look

    def go_to(self, index: int | None) -> None:
        """Show an axial slice of the CT, or of the mask where no CT is open."""
        layer = self.first if self.case is None else self.case.layer
        if layer is not None and index is not None:
            self._session.viewer.dims.set_point(0, float(layer.data_to_world((index, 0, 0))[0]))

    def go_to_flag(self, flag: Flag) -> None:
        """Show a flag's slice, and choose its label for edits and the brush."""
        if self.first is not None and flag.label:
            self.first.selected_label = flag.label
        self.go_to(flag.slice_index)

    def go_to_worst(self) -> None:
        """Show the slice of lowest Dice of the label that agrees least."""
        score = self._extreme("dice", min)
        if score is not None:
            self.go_to(score.worst_slice)
            said = f"Dice {score.worst_slice_dice:.2f} on slice {score.worst_slice}."
            self._session.say(TOPIC, f"Label {score.label}: {said}")

    def go_to_farthest(self) -> None:
        """Show the slice where the surfaces of a label lie farthest apart."""
        score = self._extreme("farthest_mm", max)
        if score is not None:
            self.go_to(score.farthest_slice)
            said = f"the surfaces lie {score.farthest_mm:.1f} mm apart on slice"
            self._session.say(TOPIC, f"Label {score.label}: {said} {score.farthest_slice}.")

    def _extreme(self, figure: str, pick: Any) -> LabelScores | None:
        scores = () if self.check is None else self.check.scores
        known = [score for score in scores if not math.isnan(getattr(score, figure))]
        return pick(known, key=lambda score: getattr(score, figure)) if known else None

    # Changing the mask

    def edit(self, how: str, radius_mm: float) -> Job | None:
        """Change the label chosen in napari's controls; napari's undo takes it back."""
        layer = self.first
        if layer is None:
            return None
        label = int(layer.selected_label)
        spacing = grid_of(layer).spacing
        task = partial(mask_work.edit, np.asarray(layer.data), label, how, spacing, radius_mm)
        job = self.start(task, "Changing the mask", "edit")
        job.returned.connect(partial(self._on_edited, layer, how, radius_mm))
        job.failed.connect(partial(self._session.fail, TOPIC, "Not changed"))
        return job

    def undo(self) -> None:
        """Take back the last change of the mask, a brush stroke or an edit."""
        if self.first is not None:
            self.first.undo()
            self._on_painted()

    def redo(self) -> None:
        """Do again what was taken back."""
        if self.first is not None:
            self.first.redo()
            self._on_painted()

    def _on_checked(self, masks: tuple[Labels | None, ...], check: MaskCheck) -> None:
        if masks == (self.first, self.second):
            self.take(check)

    def _on_edited(self, layer: Labels, how: str, radius_mm: float, edit: Edit) -> None:
        mask = self.first
        if mask is None or mask is not layer:
            return
        grid = grid_of(mask)
        ml, finest = len(edit) * grid.voxel_mm3 / 1000, min(grid.spacing)
        if not len(edit):
            small = f" A voxel measures {finest:.2g} mm." if radius_mm < finest else ""
            self._session.say(TOPIC, f"{how.capitalize()}: nothing changes.{small}")
            return
        mask.data_setitem(edit.where, edit.value)
        self.run_check()
        done = "added" if edit.value else "taken away"
        self._session.say(TOPIC, f"{how.capitalize()}: {ml:.3g} ml {done}. Ctrl+Z takes it back.")

    def _on_painted(self, event: Any = None) -> None:
        self.edited = True
        if not self.stale:
            self.stale = True
            self.changed.emit()

    def _on_label(self, event: Any = None) -> None:
        self.label_changed.emit()

    def _on_layers(self, event: Any = None) -> None:
        """Masks came or went: keep the ones chosen while they are there."""
        if not self.open:
            return
        masks = self.masks
        first = self.first if self.first in masks else next(iter(masks), None)
        self.choose(first, self.second if self.second in masks else None)
        # napari may be in the middle of moving layers
        QTimer.singleShot(0, self.changed.emit)
