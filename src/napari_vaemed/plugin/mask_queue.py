"""A folder of pairs on the mask desk, one after the other, and the verdicts on them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_vaemed.plugin import mask_work
from napari_vaemed.plugin.mask_layers import pair_layers

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.io.journal import Entry
    from napari_vaemed.io.mask_pairs import MaskPair, MaskPairs
    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.mask_desk import MaskDesk
    from napari_vaemed.plugin.session import Session

JOURNAL = "verdicts.csv"
VERDICTS = ("accept", "fix", "reject")
JOURNAL_LANE, PREFETCH_LANE = "journal", "prefetch"


class MaskQueue(QObject):
    """The pairs of a folder and the journal of verdicts; also for masks that are open anyway.

    Signals
    -------
    changed : nothing; another pair is shown, or a verdict was written or taken back
    """

    changed = Signal()

    def __init__(self, desk: MaskDesk, session: Session) -> None:
        super().__init__(desk)
        self._desk, self._session = desk, session
        self.pairs: tuple[MaskPair, ...] = ()
        self.at: int | None = None
        self.journal: Path | None = None
        self.write_names = False
        self.comment = ""
        self.opened: mask_work.OpenedPair | None = None
        self.verdicts: list[Entry] = []
        self.said: dict[int, Entry] = {}
        self._ahead: dict[int, mask_work.OpenedPair] = {}
        self._reading: int | None = None
        self._warned: int | None = None
        self._layers: list[Layer] = []

    @property
    def pair(self) -> MaskPair | None:
        """The pair that is shown."""
        return None if self.at is None else self.pairs[self.at]

    def open_folder(self, folder: Path) -> Job:
        """Go through the pairs of a folder; verdicts go into ``verdicts.csv`` in it."""
        self._session.say("masks")
        journal = folder / JOURNAL
        task = partial(mask_work.find_pairs, folder, journal)
        job = self._start(task, "Looking for pairs", "folder", "masks")
        job.returned.connect(partial(self._on_found, journal))
        job.failed.connect(partial(self._session.fail, "masks", "No pairs"))
        return job

    def go_to(self, index: int) -> None:
        """Show a pair, and read the next one meanwhile."""
        if not 0 <= index < len(self.pairs):
            return
        self.at = index
        ready = self._ahead.pop(index, None)
        if ready is not None:
            self._show(index, ready)
            return
        self.opened = None
        self.changed.emit()
        if index == self._reading and self._session.jobs.has(("pair", self)):
            return  # it is being read ahead, and shown when it is there
        task = partial(mask_work.open_pair, self.pairs[index], self._desk.of, self._journal())
        job = self._start(task, "Opening the mask", "pair", PREFETCH_LANE)
        job.returned.connect(partial(self._show, index))
        job.failed.connect(partial(self._session.fail, "masks", "Not opened"))

    def step(self, by: int) -> None:
        """Show the next pair, or the one before; edits without a verdict are dropped if insisted.

        A verdict saves them.
        """
        if self.at is None or not 0 <= self.at + by < len(self.pairs):
            return
        if self._desk.edited and self._desk.first in self._layers and self._warned != self.at:
            self._warned = self.at
            text = "The mask was changed. A verdict saves it; go on once more to drop the changes."
            self._session.say("masks", text, "warning")
            return
        self.go_to(self.at + by)

    def use_journal(self, path: Path) -> None:
        """Write verdicts into this file."""
        self.journal = path
        self.verdicts = []
        self.changed.emit()

    def judge(self, verdict: str) -> Job | None:
        """Write a verdict with the comment on the mask as it is now; go on to the next pair."""
        mask, case, opened = self._desk.first, self._desk.case, self.opened
        if mask is None or not self._desk.open or verdict not in VERDICTS:
            return None
        if mask not in self._layers:
            opened = None  # some other mask, looked at in between
        elif opened is None:
            return None  # the next pair is on its way; this one has its verdict
        if self.journal is None:
            self._session.say("masks", "Say first where verdicts go: Journal…", "warning")
            return None
        image = self._session.opening.came_from(case.layer) if case is not None else None
        pair = None if opened is None else opened.checked.pair
        name = "" if pair is None else pair.case
        task = partial(
            mask_work.judge,
            self.journal,
            verdict,
            self.comment,
            name if self.write_names else "",
            image if pair is None else pair.image,
            np.array(mask.data),
            "" if opened is None else opened.mask_sha256,
            None if case is None else case.volume,
        )
        # a channel of its own: a verdict is never replaced by the next one
        job = self._start(task, "Writing the verdict", f"verdict {id(task)}", JOURNAL_LANE)
        job.returned.connect(partial(self._on_judged, None if pair is None else self.at))
        job.failed.connect(partial(self._session.fail, "masks", "The verdict was not written"))
        self.comment, self._desk.edited = "", False
        self.changed.emit()
        if pair is not None:
            self.step(1)
        return job

    def take_back(self) -> Job | None:
        """Take the last verdict of this sitting back, by a line that says so."""
        if not self.verdicts or self.journal is None:
            return None
        entry = self.verdicts.pop()
        task = partial(mask_work.withdraw, self.journal, entry)
        job = self._start(task, "Taking the verdict back", f"back {entry.number}", JOURNAL_LANE)
        job.returned.connect(partial(self._on_taken_back, entry))
        job.failed.connect(partial(self._session.fail, "masks", "Not taken back"))
        self.changed.emit()
        return job

    def _on_found(self, journal: Path, found: MaskPairs) -> None:
        self._ahead.clear()
        self.said.clear()
        self.pairs = found.pairs
        self.use_journal(journal)
        if found.alone:
            text = f"{len(found.alone)} masks have no CT beside them and are left out."
            self._session.say("masks", text, "warning")
        self.go_to(0)

    def _show(self, index: int, opened: mask_work.OpenedPair) -> None:
        if index != self.at:
            return
        self.opened = opened
        if opened.said is not None:
            self.said.setdefault(index, opened.said)
        before, self._layers = self._layers, []
        viewer = self._session.viewer
        for layer in before:
            layer.name = "Last pair"  # or napari would number the new layers
        if opened.checked.labels is None:
            self._session.say("masks", opened.checked.check.flags[0].text, "error")
            self._desk.choose(None, None)
        else:
            self._session.say("masks")
            self._layers = [self._session.add(layer) for layer in pair_layers(opened.checked)]
            viewer.layers.selection.active = self._layers[1]
            for layer in self._layers[2:]:
                layer.contour = 1
            self._desk.choose(self._layers[1], (*self._layers, None)[2])
        for layer in [layer for layer in before if layer in viewer.layers]:
            viewer.layers.remove(layer)
        self._desk.take(opened.checked.check)
        if not before:
            viewer.reset_view()
        if self._layers:
            self._look_at(opened)
        self.changed.emit()
        self._read_ahead(index + 1)

    def _look_at(self, opened: mask_work.OpenedPair) -> None:
        """Go to the first flag; else to the slice with most of the mask."""
        labels, flags = opened.checked.labels, opened.checked.check.flags
        placed = next((flag for flag in flags if flag.slice_index is not None), None)
        if placed is not None:
            self._desk.go_to_flag(placed)
        elif labels is not None:
            self._desk.go_to(int(np.count_nonzero(labels, axis=(1, 2)).argmax()))

    def _read_ahead(self, index: int) -> None:
        self._ahead = {n: ready for n, ready in self._ahead.items() if n == index}
        if index < len(self.pairs) and index not in self._ahead:
            self._reading = index
            task = partial(mask_work.open_pair, self.pairs[index], self._desk.of, self._journal())
            job = self._start(task, "Reading the next mask", "pair", PREFETCH_LANE, quiet=True)
            job.returned.connect(partial(self._on_ahead, index))
            job.failed.connect(partial(self._session.fail, "masks", "The next mask is not there"))

    def _on_ahead(self, index: int, opened: mask_work.OpenedPair) -> None:
        if index == self.at:
            self._show(index, opened)
        else:
            self._ahead[index] = opened

    def _on_judged(self, index: int | None, judged: mask_work.Judged) -> None:
        self.verdicts.append(judged.entry)
        if index is not None:
            self.said[index] = judged.entry
        if judged.saved is not None:
            text = f"The edited mask was saved as corrected/{judged.saved.name}."
            self._session.say("masks", text)
        self.changed.emit()

    def _on_taken_back(self, entry: Entry, back: Entry) -> None:
        for index in [n for n, said in self.said.items() if said.number == entry.number]:
            del self.said[index]
            self.go_to(index)
        self.changed.emit()

    def _journal(self) -> Path:
        assert self.journal is not None
        return self.journal

    def _start(self, task: Any, title: str, what: str, lane: str, *, quiet: bool = False) -> Job:
        return self._session.jobs.start(
            task, title=title, channel=(what, self), lane=lane, quiet=quiet
        )
