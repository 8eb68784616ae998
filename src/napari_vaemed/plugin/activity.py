"""A job's line in napari's activity dock."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel

from napari_vaemed.data.progress import Progress

if TYPE_CHECKING:
    from napari_vaemed.plugin.jobs import Job

BAR_AFTER_MS = 1000
"""Shorter jobs stay out of the activity dock: a line in it takes 0.2 s to make."""
MOVIE_SPEED = 10
"""Per cent of its own speed for napari's "in progress" animation."""


class ActivityBar:
    """The job's line in napari's activity dock, once it has run for a moment.

    napari's progress bars process events whenever they change, so anything may happen between
    two lines here, the end of the job included.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._bar: _Bar | None = None
        self._later = QTimer()
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._open)
        self._later.start(BAR_AFTER_MS)
        job.progressed.connect(self.show)

    def close(self) -> None:
        """Take the line away."""
        self._later.stop()
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(RuntimeError):
                bar.close()

    def _open(self) -> None:
        # tqdm also writes to a terminal; that goes nowhere.
        with suppress(RuntimeError):  # a window that has just closed still listens
            self._bar = _Bar(total=0, desc=self._job.title, file=io.StringIO())
            self._bar.job = self._job
            _calm_movies()
        if not self._job.live:
            self.close()

    def show(self, step: Progress) -> None:
        """Show how far the job is."""
        with suppress(RuntimeError):
            self._show(step)

    def _show(self, step: Progress) -> None:
        bar = self._bar
        if bar is None:
            return
        if step.doing != bar.desc.removesuffix(": "):
            bar.set_description(step.doing)
        if self._bar is not None and step.total and bar.total != step.total:
            bar.total = step.total
        if self._bar is not None and step.total:
            bar.update(min(step.done, step.total) - bar.n)


def _calm_movies() -> None:
    """Slow napari's "in progress" animation down.

    Each of its frames repaints the whole window; without a GPU that takes most of the processor
    from the job itself.
    """
    for window in QApplication.topLevelWidgets():
        for label in window.findChildren(QLabel):
            if label.movie() is not None:
                label.movie().setSpeed(MOVIE_SPEED)


class _Bar(cancelable_progress):
    """napari asks its own loop to stop; a job has to be told."""

    job: Job

    def cancel(self) -> None:
        super().cancel()
        self.job.cancel()
