"""Calipers whose CT was closed before anybody saved them: kept until they are, or given up."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin import work
from napari_vaemed.plugin.cases import Case
from napari_vaemed.plugin.layers import layer_name

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.session import Session

Measured = tuple[MeasuredCaliper, ...]


class Leftover(NamedTuple):
    """The calipers of a CT that is closed.

    Parameters
    ----------
    calipers : tuple of MeasuredCaliper
    volume : Volume
        The CT's grid; its voxels are gone.
    """

    calipers: Measured
    volume: Volume

    @property
    def name(self) -> str:
        """What a person calls them."""
        n = len(self.calipers)
        return f"{n} caliper{'s' if n > 1 else ''} of {layer_name(self.volume)}"


class CaliperLeftovers(QObject):
    """Keeps unsaved calipers when their CT goes, and saves calipers.

    Signals
    -------
    changed : nothing; some were left behind, saved or given up
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.left: list[Leftover] = []
        self._saved: WeakKeyDictionary[Case, Measured] = WeakKeyDictionary()
        self._now: WeakKeyDictionary[Case, Measured] = WeakKeyDictionary()
        self._cases: WeakKeyDictionary[Layer, Case] = WeakKeyDictionary()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._look)
        session.calipers.changed.connect(self._on_changed)
        session.viewer.layers.events.removed.connect(self._on_removed)

    def save(self, path: Path) -> Job | None:
        """Save those of the CT spoken of as CSV, one line each; None when there are none."""
        case, calipers = self._session.case, self._session.calipers.shown
        if case is None or not calipers:
            return None
        task = partial(work.write_calipers, path, calipers, case.volume)
        job = self._session.start(case, task, "Saving the calipers", "save calipers", "read")
        job.returned.connect(lambda _: self._saved.update({case: calipers}))
        return self._told(job)

    def save_left(self, leftover: Leftover, path: Path) -> Job:
        """Save those of a closed CT; then they are let go."""
        job = self._session.jobs.start(
            partial(work.write_calipers, path, *leftover),
            title="Saving the calipers",
            channel=("save calipers", id(leftover)),
            lane="read",
        )
        job.returned.connect(lambda _: self.give_up(leftover))
        return self._told(job)

    def give_up(self, leftover: Leftover) -> None:
        """Let calipers of a closed CT go."""
        self.left = [other for other in self.left if other is not leftover]
        self.changed.emit()

    def _told(self, job: Job) -> Job:
        job.returned.connect(lambda path: self._session.say("calipers", f"Saved {path.name}."))
        job.failed.connect(partial(self._session.fail, "calipers", "Not saved"))
        return job

    def _on_changed(self) -> None:
        """Note what there is, once all that goes in one go has gone: the calipers' layer, a CT."""
        case = self._session.case
        if case is not None and case.layer not in self._cases:
            self._cases[case.layer] = case
            self._now[case] = case.calipers.now
        self._soon.start()

    def _look(self) -> None:
        for case in self._session.cases.values():
            self._now[case] = case.calipers.now

    def _on_removed(self, event: Any) -> None:
        case = self._cases.pop(event.value, None)
        if case is None:
            return
        calipers = case.calipers.now or self._now.get(case, ())
        if calipers and calipers != self._saved.get(case):
            grid = np.broadcast_to(np.int16(0), case.volume.shape)
            leftover = Leftover(calipers, replace(case.volume, hu=grid, stored=None))
            self.left.append(leftover)
            QTimer.singleShot(0, self, partial(self._tell, leftover))

    def _tell(self, leftover: Leftover) -> None:
        """Say it where the CT was, below what else is said of its going."""
        said = self._session.messages.get("ct")
        text = f"Kept: {leftover.name}, not saved yet. Save them in the dock Calipers."
        if said is not None and said.level == "warning":
            text = f"{said.text}\n{text}"
        self._session.say("ct", text, "warning")
        self.changed.emit()
