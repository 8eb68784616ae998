"""The strip at the foot of every dock: where it runs, on what model, how far, and a way to stop."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_vaemed.data.intended_use import RESEARCH_ONLY
from napari_vaemed.plugin.jobs import Job, Jobs

STEPS_EVERY_MS = 200
"""Each step shown repaints the whole window, the canvas with it: 20 to 40 ms without a GPU."""


class StatusStrip(QWidget):
    """Device and model, the progress of the newest job with its cancel button, and the caution."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self.about = QLabel()
        self.about.setProperty("kind", "quiet")
        self.about.setWordWrap(True)
        self.caution = QLabel(RESEARCH_ONLY)
        self.caution.setProperty("kind", "quiet")
        self.caution.setToolTip(
            "Nothing shown here may be used to diagnose or to treat. The models were trained on "
            "public data and make mistakes."
        )
        self.doing = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop the job named on the left; what it had found is dropped")
        self.cancel.clicked.connect(self._on_cancel)
        self._build()
        self._shown: Job | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(STEPS_EVERY_MS)
        self._later.timeout.connect(self.show_progress)
        jobs.changed.connect(self._on_changed)
        self.show_progress()

    def tell(self, text: str, tooltip: str) -> None:
        """Say the device and the model; the model's card on hover."""
        self.about.setText(text)
        self.about.setToolTip(tooltip)

    def show_progress(self) -> None:
        """Show how far the newest job is, or hide the bar."""
        self._later.stop()
        job = self._shown = self._jobs.shown
        self._progress.setVisible(job is not None)
        if job is None:
            self.updateGeometry()  # else the room of the bar sometimes stays
            return
        step = job.step
        self.doing.setText(step.doing or job.title)
        # Qt's to-and-fro bar repaints the whole window at every step: seconds without a GPU.
        self.bar.setVisible(step.total > 0)
        self.bar.setRange(0, max(step.total, 1))
        self.bar.setValue(min(step.done, step.total))
        self.cancel.setEnabled(True)

    def _on_changed(self) -> None:
        """Show another job at once, the steps of the same one now and then."""
        if self._jobs.shown is not self._shown:
            self.show_progress()
        elif self._shown is not None and not self._later.isActive():
            self._later.start()

    def _on_cancel(self) -> None:
        job = self._jobs.shown
        if job is not None:
            job.cancel()

    def _build(self) -> None:
        line = QFrame()
        line.setProperty("kind", "line")
        self._progress = QWidget()
        row = QHBoxLayout(self._progress)
        row.setContentsMargins(0, 0, 0, 0)
        left = QVBoxLayout()
        left.setSpacing(2)
        left.addWidget(self.doing)
        left.addWidget(self.bar)
        row.addLayout(left, 1)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (line, self._progress, self.about, self.caution):
            layout.addWidget(widget)
