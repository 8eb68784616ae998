"""Changes taken one after the other, so that each sees what the one before has made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_vaemed.plugin.jobs import Job

Step = Callable[[], "Job | None"]
"""Changes something at once, or begins the job that will."""


class Steps:
    """A queue of steps; the next begins when the job of the one before has ended.

    Whoever cancels one does not want the steps after it either.
    """

    def __init__(self) -> None:
        self._waiting: deque[Step] = deque()
        self._job: Job | None = None

    def take(self, step: Step) -> None:
        """Take a step, at once if none is under way."""
        self._waiting.append(step)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._job is None:
            job = self._waiting.popleft()()
            if job is not None and job.live:
                self._job = job
                job.cancelled.connect(self._waiting.clear)
                job.ended.connect(self._on_ended)

    def _on_ended(self) -> None:
        self._job = None
        self._go_on()
