"""The disagreement desk: a queue of nodules in doubt, and what was decided of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.anomaly import DECISIONS, FLIP, NOT_CLEAR, SAME_PATIENT, label_of
from napari_vaemed.plugin import disagreement_work
from napari_vaemed.plugin.disagreement_layers import PairLayers
from napari_vaemed.plugin.main_window import main_window
from napari_vaemed.plugin.preferences import preferences

if TYPE_CHECKING:
    from napari_vaemed.data.anomaly import Anomaly
    from napari_vaemed.data.nodule import NoduleRecord
    from napari_vaemed.io.journal import Entry
    from napari_vaemed.plugin.disagreement_work import Opened
    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.session import Session

TOPIC = "disagreement"
LANE, JOURNAL_LANE = "disagreement", "journal"


@dataclass(eq=False)
class Said:
    """One decision of this sitting; its lines are known once the journal's lane has written them.

    Parameters
    ----------
    row : int
    verdict, comment : str
    before : str or None
        What was said of the nodule until then.
    entry, withdrawal : Entry or None
        As written.
    """

    row: int
    verdict: str
    comment: str
    before: str | None
    entry: Entry | None = None
    withdrawal: Entry | None = None


class DisagreementDesk(QObject):
    """The queue, where one is in it, and the journal of decisions.

    Signals
    -------
    changed : nothing; another set, another filter, a decision made or taken back
    moved : nothing; another nodule is looked at
    """

    changed = Signal()
    moved = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.opened: Opened | None = None
        self.kind = ""
        self.only_open = False
        self.comment = ""
        self.write_names = False
        self.row: int | None = None
        self.other: int | None = None
        self.said: dict[int, str] = {}
        self.entries: tuple[Anomaly, ...] = ()
        self._done: list[Said] = []
        self._undone: list[Said] = []
        self.open = False
        self.layers = PairLayers(self, session)
        self._lines = _Lines()
        window = main_window(session.viewer)
        if window is not None:
            window.destroyed.connect(self.finish)

    def sit_down(self) -> None:
        """A dock is open, and the keys of the desk work."""
        self.open = True

    def stand_up(self) -> None:
        """The dock is gone: no key decides any more."""
        self.open = False

    def finish(self) -> None:
        """Write at once what still waits to be written: the window goes."""
        self._lines.finish()

    @property
    def records(self) -> tuple[NoduleRecord, ...]:
        """All nodules of the set."""
        return () if self.opened is None else self.opened.searched.anomalies.records

    @property
    def at(self) -> int | None:
        """The place of the nodule that is looked at in the queue; None where it is not in it."""
        rows = [entry.row for entry in self.entries]
        return rows.index(self.row) if self.row in rows else None

    @property
    def entry(self) -> Anomaly | None:
        """The entry that is looked at."""
        return None if self.at is None else self.entries[self.at]

    @property
    def can_undo(self) -> bool:
        """Whether there is a decision to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is one to make again."""
        return bool(self._undone)

    # What is looked through

    def open_folder(self, folder: Path) -> Job:
        """Look through a folder of labelled nodules."""
        return self._open(partial(disagreement_work.open_folder, folder))

    def open_index(self) -> Job:
        """Look through the shipped index."""
        return self._open(lambda: disagreement_work.open_index(preferences().device))

    def take(self, opened: Opened) -> None:
        """Put a set that was looked through on the desk."""
        self.opened, self.row, self.other, self.kind = opened, None, None, ""
        self.said = {row: disagreement_work.verdict_of(e) for row, e in opened.said.items()}
        self._done, self._undone = [], []
        self._list_anew()

    def choose_kind(self, kind: str) -> None:
        """Show entries with one kind of evidence, by it; all for an empty kind."""
        self.kind = kind
        self._list_anew()

    def show_only_open(self, on: bool) -> None:
        """Leave out what was decided."""
        self.only_open = on
        self._list_anew()

    def go_to(self, place: int) -> None:
        """Look at an entry of the queue."""
        if 0 <= place < len(self.entries):
            entry = self.entries[place]
            self.look_at(entry.row, self._other_of(entry))

    def step(self, by: int) -> None:
        """Look at the next entry, or the one before."""
        if self.open and self.entries:
            at = self.at
            self.go_to(0 if at is None else min(max(at + by, 0), len(self.entries) - 1))

    def look_at(self, row: int, other: int | None = None) -> None:
        """Look at a nodule of the set, beside another."""
        self.row, self.other, self.comment = row, other, ""
        self.layers.refresh()
        self.moved.emit()

    # What is decided

    def decide(self, verdict: str) -> Job | None:
        """Write a decision on the nodule that is looked at, and go on to the next."""
        row, opened = self.row, self.opened
        if row is None or opened is None or not self.open or verdict not in DECISIONS:
            return None
        if (refused := self._refused(verdict)) is not None:
            self._session.say(TOPIC, refused, "warning")
            return None
        said = Said(row, verdict, self.comment, self.said.get(row))
        case = self.records[row].id if self.write_names else ""
        other_sha = "" if self.other is None else opened.shas[self.other]
        task = partial(_write, opened.journal, said, case, opened.shas[row], other_sha)
        self._done.append(said)
        self._undone.clear()
        self.said[row] = verdict
        self._session.say(TOPIC)
        job = self._start(task, "Writing the decision")
        job.failed.connect(partial(self._on_not_written, said))
        self._go_on()
        return job

    def undo(self) -> Job | None:
        """Take the last decision of this sitting back, by a line that says so."""
        if not self._done or self.opened is None or not self.open:
            return None
        said = self._done.pop()
        self._undone.append(said)
        self._put(said.row, said.before)
        task = partial(_take_back, self.opened.journal, said)
        return self._written(task, "Taking the decision back")

    def redo(self) -> Job | None:
        """Make again what was taken back, by a line that takes the withdrawal back."""
        if not self._undone or self.opened is None or not self.open:
            return None
        said = self._undone.pop()
        self._done.append(said)
        self._put(said.row, said.verdict)
        task = partial(_bring_back, self.opened.journal, said)
        return self._written(task, "Making the decision again")

    def export(self, path: Path) -> Job | None:
        """Write the cleaned labels, once all decisions are in the journal."""
        if self.opened is None or self.opened.folder is None:
            return None
        task = partial(disagreement_work.export, path, self.opened)
        job = self._start(task, "Writing the cleaned labels")
        job.returned.connect(partial(self._on_exported, path.name))
        job.failed.connect(partial(self._session.fail, TOPIC, "Not written"))
        return job

    def start(self, task: Any, title: str, what: str) -> Job:
        """Begin a job about the set."""
        channel = (what, self)
        return self._session.jobs.start(task, title=title, channel=channel, lane=LANE)

    def _open(self, task: Any) -> Job:
        self._session.say(TOPIC)
        job = self.start(task, "Looking for contradictions", "search")
        job.returned.connect(self.take)
        job.failed.connect(partial(self._session.fail, TOPIC, "Not looked through"))
        return job

    def _list_anew(self, row: int | None = None) -> None:
        """The queue under the filter; one goes on looking at what one looked at, or at ``row``."""
        self._list()
        self.changed.emit()
        rows = [entry.row for entry in self.entries]
        wanted = self.row if row is None else row
        if wanted in rows and wanted != self.row:
            self.go_to(rows.index(wanted))
        elif self.row in rows or not rows:
            self.moved.emit()
        else:
            self.go_to(0)

    def _list(self) -> None:
        if self.opened is not None:
            found = self.opened.searched.anomalies.of_kind(self.kind)
            self.entries = tuple(
                entry for entry in found if not (self.only_open and entry.row in self.said)
            )

    def _other_of(self, entry: Anomaly) -> int | None:
        evidence = entry.of_kind(self.kind)
        return evidence.others[0] if evidence and evidence.others else entry.other

    def _go_on(self) -> None:
        """To the next entry without a decision; where there is none one stays."""
        at, entries = self.at, self.entries
        following = () if at is None else (*entries[at + 1 :], *entries[:at])
        entry = next((e for e in following if e.row not in self.said), None)
        self._list()
        self.changed.emit()
        if entry is not None:
            self.look_at(entry.row, self._other_of(entry))
        else:
            self.comment = ""
            self.moved.emit()

    def _refused(self, verdict: str) -> str | None:
        assert self.row is not None
        if verdict == FLIP and label_of(self.records[self.row]) == NOT_CLEAR:
            return "This nodule's score takes no side: there is nothing to flip."
        if verdict == SAME_PATIENT and self.other is None:
            return "No other nodule is shown that could be the same patient's."
        return None

    def _put(self, row: int, verdict: str | None) -> None:
        """Say what stands of a nodule, and look at it."""
        if verdict is None:
            self.said.pop(row, None)
        else:
            self.said[row] = verdict
        self._list_anew(row)

    def _written(self, task: Any, title: str) -> Job:
        job = self._start(task, title)
        job.failed.connect(partial(self._session.fail, TOPIC, "The journal was not written"))
        return job

    def _start(self, task: Any, title: str) -> Job:
        """In the journal's lane, where lines are written in their order; none replaces another."""
        number, line = self._lines.put(task)
        return self._session.jobs.start(
            line, title=title, channel=(TOPIC, number), lane=JOURNAL_LANE, quiet=True
        )

    def _on_not_written(self, said: Said, failure: Any) -> None:
        self._session.fail(TOPIC, "The decision was not written", failure)
        for made in (self._done, self._undone):
            if said in made:
                made.remove(said)
        self._put(said.row, said.before)

    def _on_exported(self, name: str, counts: tuple[int, int]) -> None:
        text = f"{name}: {counts[0]} labels flipped, {counts[1]} nodules left out."
        self._session.say(TOPIC, text)


class _Lines:
    """What still has to be written, each once: by the lane, or when the window goes."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._waiting: dict[int, Callable[[], Any]] = {}

    def put(self, task: Callable[[], Any]) -> tuple[int, Callable[[], Any]]:
        """A task's number, and what runs it unless it has been run."""
        number = next(self._numbers)
        self._waiting[number] = task
        return number, partial(self._run, number)

    def finish(self) -> None:
        """Run what waits, in its order."""
        for number in sorted(self._waiting):
            self._run(number)

    def _run(self, number: int) -> Any:
        task = self._waiting.pop(number, None)
        return None if task is None else task()


def _write(journal: Path, said: Said, case: str, sha: str, other_sha: str) -> None:
    entry = disagreement_work.entry_of(said.verdict, said.comment, case, sha, other_sha)
    said.entry = disagreement_work.write(journal, entry)


def _take_back(journal: Path, said: Said) -> None:
    if said.entry is not None:
        said.withdrawal = disagreement_work.withdraw(journal, said.entry)


def _bring_back(journal: Path, said: Said) -> None:
    if said.withdrawal is not None:
        disagreement_work.withdraw(journal, said.withdrawal)
