"""Run long work off the GUI thread: steps, result, error, stop.

superqt's workers are not used, for three reasons. A `RuntimeError` raised in one vanishes
(torch's out-of-memory is one). All share a pool of as many threads as there are cores, so that
on two cores a click would wait behind a lung mask. And each replaces the warning filters of the
whole process while it runs, which two at a time do not restore.

Here every *lane* is one thread that works through what it is given in order; an answer is
delivered in the GUI thread, and only while its job is still wanted. A lane knows a task by its
number alone: whatever belongs to Qt has to die in the GUI thread, so the task is kept there until
the lane has let go of it.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Generator, Hashable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from queue import SimpleQueue
from typing import Any, NamedTuple

from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_vaemed.data.progress import Progress
from napari_vaemed.plugin.activity import ActivityBar
from napari_vaemed.plugin.garbage import GuiThreadGarbage

STEP_EVERY_S = 0.05
"""Steps that follow faster than this are not all shown."""
BRIEF_MS = 300
"""A line in a dock that comes or goes repaints the whole window, 20 to 40 ms without a GPU."""


@dataclass(frozen=True, eq=False)
class Failure:
    """What went wrong in a job, in words, with the traceback for whoever wants it."""

    text: str
    details: str
    error: BaseException

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Put an exception into words."""
        text = str(error).strip() or type(error).__name__
        if isinstance(error, MemoryError):
            text = f"There is not enough memory. Close other volumes and try again. {text}"
        return cls(text, "".join(traceback.format_exception(error)), error)


class Job(QObject):
    """One piece of work under way, as the window sees it; all signals arrive in the GUI thread.

    Signals
    -------
    progressed : Progress
    returned : the result
    failed : Failure
    cancelled, ended : nothing; ``ended`` comes last, after any one of the three before
    """

    progressed = Signal(object)
    returned = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    def __init__(
        self, number: int, title: str, channel: Hashable, owner: object, quiet: bool
    ) -> None:
        super().__init__()
        self.number, self.title, self.channel = number, title, channel
        self.owner, self.quiet = owner, quiet
        self.step = Progress(title)
        self.live, self.begun = True, False
        self.stop_asked = threading.Event()

    def speak_up(self) -> None:
        """Be quiet no longer."""
        if self.live:
            self.quiet = False
            self.progressed.emit(self.step)

    def cancel(self) -> None:
        """Stop at the next step; whatever the thread still says is dropped from now on."""
        self.stop_asked.set()
        if self.live:
            self._end(self.cancelled.emit)

    def deliver(self, kind: str, value: Any) -> None:
        """Pass on what the thread said, unless nobody waits for it any more."""
        if not self.live:
            return
        if kind == "step":
            self.step, self.begun = value, True
            self.progressed.emit(value)
        elif kind == "result":
            self._end(lambda: self.returned.emit(value))
        else:
            self._end(lambda: self.failed.emit(value))

    def _end(self, say: Callable[[], object]) -> None:
        self.live = False
        say()
        self.ended.emit()


class Jobs(QObject):
    """The jobs of one window.

    Signals
    -------
    changed : nothing; a job began, took a step or ended
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        _Postbox.open()
        self._lanes: dict[str, _Lane] = {}
        self._jobs: dict[int, Job] = {}
        self._bars: dict[int, ActivityBar] = {}
        self._closed = False

    @property
    def running(self) -> tuple[Job, ...]:
        """Jobs under way or waiting, oldest first."""
        return tuple(self._jobs.values())

    @property
    def closed(self) -> bool:
        """Whether the window is gone: nothing can be started any more."""
        return self._closed

    @property
    def shown(self) -> Job | None:
        """The newest job under way, else waiting, that is worth a progress bar."""
        loud = [job for job in self._jobs.values() if not job.quiet]
        begun = [job for job in loud if job.begun]
        return next(reversed(begun or loud), None)

    def start(
        self,
        work: Callable[[], Any],
        *,
        title: str,
        channel: Hashable,
        lane: str,
        owner: object = None,
        quiet: bool = False,
        brief: bool = False,
    ) -> Job:
        """Begin a piece of work; the newest of a channel replaces older ones.

        Parameters
        ----------
        work : function
            Called in the lane's thread; gives the result, or a `Work` generator of it.
        title : str
            What a person reads while it runs.
        channel : hashable
            Jobs of one channel answer the same question: starting one cancels the others.
        lane : str
            The thread to run in; jobs of one lane run one after the other.
        owner : object
            What the result is about; see `cancel_of`.
        quiet : bool
            Without a bar in the activity dock and the status strip.
        brief : bool
            Without them as long as it takes no longer than `BRIEF_MS`.
        """
        if self._closed:
            raise RuntimeError("This window is closed; nothing can be started in it.")
        self.cancel_channel(channel)
        job = Job(next(_numbers), title, channel, owner, quiet or brief)
        self._jobs[job.number] = job
        if not quiet:
            self._bars[job.number] = ActivityBar(job)
        if brief:
            QTimer.singleShot(BRIEF_MS, job, job.speak_up)
        job.progressed.connect(self._on_step)
        job.ended.connect(self._on_ended)
        self._lanes.setdefault(lane, _Lane(lane)).put(_Postbox.keep(job, work))
        self.changed.emit()
        return job

    def has(self, channel: Hashable) -> bool:
        """Whether anything runs or waits in a channel."""
        return any(job.channel == channel for job in self.running)

    def cancel_channel(self, channel: Hashable) -> None:
        """Cancel what runs in a channel."""
        for job in [j for j in self.running if j.channel == channel]:
            job.cancel()

    def cancel_of(self, owner: object) -> None:
        """Cancel every job about something that has gone."""
        for job in [j for j in self.running if j.owner is owner]:
            job.cancel()

    def cancel_all(self) -> None:
        """Cancel everything."""
        for job in self.running:
            job.cancel()

    def close(self) -> None:
        """Cancel everything and let the threads end."""
        self._closed = True
        self.cancel_all()
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()

    def _on_step(self, step: Progress) -> None:
        self.changed.emit()

    def _on_ended(self) -> None:
        for number in [n for n, job in self._jobs.items() if not job.live]:
            del self._jobs[number]
            if number in self._bars:
                self._bars.pop(number).close()
        self.changed.emit()


_numbers = count(1)


class _Task(NamedTuple):
    """A job and what it has to do."""

    job: Job
    work: Callable[[], Any]


class _Postbox(QObject):
    """Carries what threads say into the GUI thread; one for the process, so it never goes."""

    posted = Signal(int, str, object)
    the: _Postbox | None = None

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[int, _Task] = {}
        self._garbage = GuiThreadGarbage()
        self.posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)

    @classmethod
    def open(cls) -> None:
        if cls.the is None:
            cls.the = cls()

    @classmethod
    def keep(cls, job: Job, work: Callable[[], Any]) -> int:
        assert cls.the is not None
        cls.the.tasks[job.number] = _Task(job, work)
        cls.the._garbage.hold()
        return job.number

    def _on_posted(self, number: int, kind: str, value: Any) -> None:
        if kind == "over":
            del self.tasks[number]
            self._garbage.release()
        else:
            self.tasks[number].job.deliver(kind, value)


class _Lane:
    """One thread, started when first needed."""

    def __init__(self, name: str) -> None:
        self._name = f"vaemed-{name}"
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, number: int) -> None:
        self._queue.put(number)
        if self._thread is None:
            # A daemon: a step that never ends must not keep the process from ending.
            self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._queue.put(None)

    def _loop(self) -> None:
        while (number := self._queue.get()) is not None:
            _run(number)
            _post(number, "over", None)


def _run(number: int) -> None:
    assert _Postbox.the is not None
    job, work = _Postbox.the.tasks[number]
    if job.stop_asked.is_set():
        return
    _post(number, "step", job.step)
    try:
        made = work()
        result = _follow(job, made) if isinstance(made, Generator) else made
    except BaseException as error:
        _post(number, "failure", Failure.of(error))
    else:
        _post(number, "result", result)


def _post(number: int, kind: str, value: Any) -> None:
    """Say something to the GUI thread, while there is one."""
    if _Postbox.the is not None:
        with suppress(RuntimeError):  # Qt has ended before this thread
            _Postbox.the.posted.emit(number, kind, value)


def _follow(job: Job, steps: Generator[Progress, None, Any]) -> Any:
    said = 0.0
    try:
        while not job.stop_asked.is_set():
            step = next(steps)
            if time.monotonic() - said > STEP_EVERY_S:
                said = time.monotonic()
                _post(job.number, "step", step)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()
    return None
