"""From a path to a CT on the screen: what lies there, which of it, its first slice, the volume."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin import work
from napari_vaemed.plugin.annotations import tell_notes
from napari_vaemed.plugin.files import KINDS, ask_file, ask_folder
from napari_vaemed.plugin.jobs import Job
from napari_vaemed.plugin.layers import LayerData, volume_to_layer
from napari_vaemed.plugin.parts.first_look import FirstLook
from napari_vaemed.plugin.preferences import PLUGIN
from napari_vaemed.plugin.scans import open_scans
from napari_vaemed.plugin.theme import LUNG_WINDOW
from napari_vaemed.plugin.workspace import canvas_of, show_dock

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_vaemed.io.series import Series
    from napari_vaemed.plugin.session import Session

LANE = "read"
FIRST_SLICE = "First slice"
DRAW_MS = 30
"""Qt begins to draw what was added a few ms later; the drawing itself holds a timer up."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The series found at a path, of which the user is to choose one.

    Parameters
    ----------
    path : Path
        Where they were found; never shown.
    series : tuple of Series
        Patient by patient and study by study.
    """

    path: Path
    series: tuple[Series, ...]

    @classmethod
    def of(cls, path: Path, found: tuple[Series, ...]) -> Choice:
        """What was found, in the order of patients and studies."""
        return cls(path, tuple(sorted(found, key=lambda s: (s.patient_number, s.study_number))))

    @property
    def usable(self) -> list[int]:
        """Numbers of those that can be opened, largest first."""
        ready = [n for n, series in enumerate(self.series) if not series.why_not]
        return sorted(ready, key=lambda n: -self.series[n].voxels)


class Opening(QObject):
    """Opens what the user asks for, one thing at a time; the newest wish wins.

    Signals
    -------
    choice_changed : nothing; there is something to choose from now, or no more
    pictured : int, (h, w) uint8; the picture of a series of the choice came
    """

    choice_changed = Signal()
    pictured = Signal(int, object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.choice: Choice | None = None
        self._paths: weakref.WeakKeyDictionary[Layer, Path] = weakref.WeakKeyDictionary()
        self._first: tuple[FirstLook, float] | None = None

    def ask_folder(self) -> None:
        """Let the user choose a folder, and open it."""
        self._warm_up()
        if path := ask_folder(None, "Open a folder of DICOM slices"):
            self.choose(path)

    def ask_file(self) -> None:
        """Let the user choose a file, and open it."""
        self._warm_up()
        if path := ask_file(None, "Open a CT, or a mask or marks for it", KINDS):
            self.choose(path)

    def open(self, path: Path) -> Job:
        """Open the CT at a path; of several the largest."""
        return self._look(path, self._take_largest)

    def choose(self, path: Path) -> Job:
        """Open the CT at a path; of several let the user choose."""
        return self._look(path, self._ask)

    def choose_another(self, layer: Layer) -> Job:
        """Show what else lies where a CT came from; beside it, when that is one of its slices."""
        path = self._paths[layer]
        archive = path.is_dir() or path.suffix.lower() == ".zip"
        return self._look(path if archive else path.parent, self._offer)

    def take(self, number: int) -> Job:
        """Open one series of the choice."""
        choice = self.choice
        if choice is None:
            raise ValueError("There is nothing to choose from.")
        return self._read(choice, number)

    def put_away(self) -> None:
        """Choose nothing; what is being read of the choice is stopped."""
        if self.choice is not None:
            self._session.jobs.cancel_of(self.choice)
            self.choice = None
            self.choice_changed.emit()

    def came_from(self, layer: Layer) -> Path | None:
        """Where a CT was read from, if it was read from files."""
        return self._paths.get(layer)

    def keep_path_of(self, layer: Layer) -> None:
        """Remember where napari has read a CT from, and take the path off the layer.

        napari writes the file's or folder's name, which may be a patient's, into its status bar.
        """
        source = layer.source
        if source.path and source.reader_plugin == PLUGIN:
            self._paths[layer] = Path(source.path)
            layer._source = source.model_copy(update={"path": None})

    def _warm_up(self) -> None:
        """While the user looks for the folder, do what the first slice would wait for."""
        self._session.jobs.start(
            work.get_ready, title="Getting ready", channel="warm", lane=LANE, quiet=True
        )

    def _look(self, path: Path, then: Any) -> Job:
        self.put_away()
        session = self._session
        session.jobs.cancel_channel(FIRST_SLICE)
        job = session.jobs.start(
            partial(work.look, path), title="Looking what is there", channel="read", lane=LANE
        )
        session.say("ct")
        job.returned.connect(partial(self._on_found, path, then))
        self._tell_end_of(job)
        return job

    def _tell_end_of(self, job: Job) -> None:
        job.failed.connect(partial(self._session.fail, "ct", "This could not be opened"))
        job.cancelled.connect(partial(self._session.say, "ct", "Stopped; nothing was opened."))

    def _on_found(self, path: Path, then: Any, found: Volume | tuple[Series, ...] | None) -> None:
        if found is None:
            self._add_marks(path)
        elif isinstance(found, Volume):
            self._show(found, path)
        else:
            then(Choice.of(path, found))

    def _add_marks(self, path: Path) -> None:
        """Read a mask or annotations onto the CT they are about."""
        scans = [volume for _, volume in open_scans()]
        job = self._session.jobs.start(
            partial(work.read_marks, path, scans),
            title="Reading marks",
            channel="read",
            lane=LANE,
        )
        job.returned.connect(self._on_marks)
        self._tell_end_of(job)

    def _on_marks(self, layers: list[LayerData]) -> None:
        tell_notes(layers)
        for layer_data in layers:
            self._session.add(layer_data)

    def _take_largest(self, choice: Choice) -> None:
        if choice.usable:
            self._read(choice, choice.usable[0])
        else:
            self._offer(choice)

    def _ask(self, choice: Choice) -> None:
        if len(choice.usable) == 1:
            self._read(choice, choice.usable[0])
        else:
            self._offer(choice)

    def _offer(self, choice: Choice) -> None:
        if not choice.usable:
            self._session.say("ct", "Nothing that was found there can be opened as CT.", "warning")
        self.choice = choice
        show_dock(self._session.viewer, "CT")
        self.choice_changed.emit()
        for number, series in enumerate(choice.series):
            job = self._session.jobs.start(
                partial(work.picture_of, series),
                title="Making pictures",
                channel=("picture", choice, number),
                lane="pictures",
                owner=choice,
                quiet=True,
            )
            job.returned.connect(partial(self.pictured.emit, number))

    def _read(self, choice: Choice, number: int) -> Job:
        session, series = self._session, choice.series[number]
        drawn = threading.Event()
        first = session.jobs.start(
            partial(work.first_slice, series),
            title="Reading the first slice",
            channel=FIRST_SLICE,
            lane=LANE,
            owner=choice,
            quiet=True,
        )
        first.returned.connect(partial(self._on_first_slice, drawn))
        first.failed.connect(lambda _: drawn.set())
        job = session.jobs.start(
            partial(work.read_series, series, choice.series, drawn),
            title="Reading CT",
            channel="read",
            lane=LANE,
            owner=choice,
        )
        session.say("ct")
        job.returned.connect(partial(self._on_read, choice))
        job.ended.connect(self._drop_first_slice)
        job.ended.connect(drawn.set)
        self._tell_end_of(job)
        return job

    def _on_first_slice(self, drawn: threading.Event, volume: Volume | None) -> None:
        """Show one slice while the rest is read; no CT to work on before it is whole."""
        canvas = canvas_of(self._session.viewer)
        if canvas is not None and volume is not None and volume.shape[0] == 1:
            self._drop_first_slice()
            look = FirstLook(canvas, volume.hu[0], LUNG_WINDOW.limits, volume.spacing[1:])
            self._first = look, volume.origin[2]
        QTimer.singleShot(DRAW_MS, drawn.set)

    def _drop_first_slice(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            first[0].put_away()

    def _on_read(self, choice: Choice, volume: Volume) -> None:
        self._show(volume, choice.path)
        self.put_away()

    def _show(self, volume: Volume, path: Path) -> None:
        """Show a volume, where there was a first slice at that slice."""
        from napari.layers import Layer

        viewer = self._session.viewer
        layer = Layer.create(*volume_to_layer(volume))
        self._paths[layer] = path
        viewer.add_layer(layer)
        viewer.reset_view()
        if self._first is not None:
            viewer.dims.set_point(0, self._first[1])
        self._drop_first_slice()
