"""What one viewer has loaded; widgets listen to it, never to each other."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin import work
from napari_vaemed.plugin.answers import Answers
from napari_vaemed.plugin.caliper_leftovers import CaliperLeftovers
from napari_vaemed.plugin.calipers import Calipers
from napari_vaemed.plugin.cases import MADE, Case
from napari_vaemed.plugin.corner import CornerText
from napari_vaemed.plugin.diameters import Diameters
from napari_vaemed.plugin.disagreement import DisagreementDesk
from napari_vaemed.plugin.dropping import Dropping
from napari_vaemed.plugin.enhance import Enhance
from napari_vaemed.plugin.finding_keeper import FindingKeeper
from napari_vaemed.plugin.finding_list import FindingList
from napari_vaemed.plugin.findings import Findings
from napari_vaemed.plugin.frames import Frames
from napari_vaemed.plugin.jobs import Failure, Job, Jobs
from napari_vaemed.plugin.keys import bind_keys
from napari_vaemed.plugin.latent_map import LatentMaps
from napari_vaemed.plugin.layers import NeedsSpacing, layer_to_volume
from napari_vaemed.plugin.main_window import main_window
from napari_vaemed.plugin.mask_desk import MaskDesk
from napari_vaemed.plugin.next_finding import NextFinding
from napari_vaemed.plugin.opening import Opening
from napari_vaemed.plugin.ortho import ThreeViews
from napari_vaemed.plugin.patches import Patches
from napari_vaemed.plugin.preferences import preferences
from napari_vaemed.plugin.prior import Prior
from napari_vaemed.plugin.redrawing import Redrawing
from napari_vaemed.plugin.scrolling import Scrolling
from napari_vaemed.plugin.slab import Slab
from napari_vaemed.plugin.slice_view import SliceView
from napari_vaemed.plugin.slices import Slices
from napari_vaemed.plugin.suggestions import Suggestions
from napari_vaemed.plugin.tools import NoduleTool
from napari_vaemed.plugin.train import Training
from napari_vaemed.plugin.twin_search import TwinSearch
from napari_vaemed.plugin.views import Views
from napari_vaemed.plugin.where import Where
from napari_vaemed.plugin.windowing import HU_RANGE, Windowing
from napari_vaemed.plugin.workspace import canvas_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer


@dataclass(frozen=True)
class Message:
    """Something to say in a dock: ``level`` is "info", "warning" or "error"."""

    text: str
    level: str = "info"
    details: str = ""


class Session(QObject):
    """The CTs open in one viewer, and what has been found in them.

    Signals
    -------
    case_changed : nothing; the docks speak of another CT now, or of none
    lungs_changed : nothing; lungs or the CLAHE view came or went
    findings_changed : nothing; a finding came, went, was measured anew or selected
    said : the topic ("ct", "lungs", "nodule", "twins", "latent", "classify") whose message changed
    """

    case_changed = Signal()
    lungs_changed = Signal()
    findings_changed = Signal()
    said = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self.jobs = Jobs()
        self.cases: dict[Layer, Case] = {}
        self.case: Case | None = None
        self.waiting: Layer | None = None
        self.messages: dict[str, Message] = {}
        self.lung_method = work.LUNG_METHODS[0]
        self.lung_weights: Path | None = None
        self._inserting = False
        self.findings = Findings(self)
        self.answers = Answers(self)
        self.twins = TwinSearch(self)
        self.slices = Slices(self)
        self.opening = Opening(self)
        self.dropping = Dropping(self)
        for layer in [*viewer.layers, viewer.layers.selection.active]:
            self.follow(layer)
        self.redrawing = Redrawing(self)
        self.frames = Frames(self)
        self.patches = Patches(self)
        self.three_views = ThreeViews(self)  # before the views: it closes before 3-D is fitted
        self.views = Views(self)
        self.slice_view = SliceView(self)
        self.where = Where(self)
        self.tool = NoduleTool(self)
        self.next_finding = NextFinding(self)
        self.calipers = Calipers(self)
        self.caliper_leftovers = CaliperLeftovers(self)
        self.windowing = Windowing(self)
        self.windowing.window_changed.connect(self.patches.follow_window)
        self.scrolling = Scrolling(self)
        self.slab = Slab(self)
        self.mask_desk = MaskDesk(self)
        self.disagreement = DisagreementDesk(self)
        self.enhance = Enhance(self)
        self.prior = Prior(self)
        self.finding_list = FindingList(self)
        self.finding_keeper = FindingKeeper(self)
        self.suggestions = Suggestions(self)
        self.training = Training(self)
        self.latent_map = LatentMaps(self)
        self.diameters = Diameters(self)
        self.corner = CornerText(self, viewer, canvas_of(viewer))
        bind_keys(self)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.events.active.connect(self._on_active)

    @property
    def viewer(self) -> Viewer:
        """The viewer; raises once it is closed."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer of this session is closed.")
        return viewer

    @property
    def busy(self) -> bool:
        """Whether anything is being worked on, or still to be drawn."""
        late = (self.where, self.calipers, self.three_views, self.finding_keeper, self.findings,
                self.finding_list, self.next_finding)  # fmt: skip
        waiting = self.patches.adding or any(each.waiting for each in late)
        return bool(self.jobs.running) or waiting

    def close(self) -> None:
        """Stop all work: the window goes."""
        self.jobs.close()
        self.cases.clear()
        self.case = None

    def say(self, topic: str, text: str = "", level: str = "info", details: str = "") -> None:
        """Put a message into the docks of a topic; an empty text takes it away."""
        said = self.messages.pop(topic, None)
        if text:
            self.messages[topic] = Message(text, level, details)
        if text or said is not None:  # to take away what is not there would repaint the docks
            self.said.emit(topic)

    def fail(self, topic: str, what: str, failure: Failure) -> None:
        """Say in a dock what went wrong."""
        self.say(topic, f"{what}: {failure.text}", "error", failure.details)

    # CTs

    def open(self, path: str | Path) -> Job:
        """Read a CT from a folder or file, of several the largest, and show it."""
        return self.opening.open(Path(path))

    def open_sample(self) -> Job:
        """Make the synthetic chest and show it."""
        self.say("ct")
        job = self.jobs.start(
            work.sample, title="Making the sample chest", channel="read", lane="read"
        )
        job.returned.connect(self._on_sample)
        job.failed.connect(partial(self.fail, "ct", "The sample could not be made"))
        return job

    def give_spacing(self, spacing: tuple[float, float, float]) -> None:
        """Tell the spacing (z, y, x) in mm of the layer that waits for it."""
        layer, self.waiting = self.waiting, None
        if layer is not None:
            volume = layer_to_volume(layer, spacing)
            layer.units = "mm"
            layer.scale = spacing
            layer.translate = volume.origin[::-1]
            self._adopt(layer, volume)

    def follow(self, layer: Layer | None) -> None:
        """Speak of the CT that a layer is, or belongs to; other layers change nothing."""
        owner = self._owner(layer)
        if owner is not None:
            self._turn_to(owner)
        elif layer is not None and _may_be_ct(layer):
            self._take_up(layer)

    def _take_up(self, layer: Layer) -> None:
        try:
            self._adopt(layer, layer_to_volume(layer))
        except NeedsSpacing as reason:
            self.waiting = layer
            self.say("ct", str(reason), "warning")
            self.case_changed.emit()
        except ValueError as reason:
            self.say("ct", f"Layer {layer.name!r} is not taken as a CT: {reason}", "warning")

    def _adopt(self, layer: Layer, volume: Volume) -> None:
        self.say("ct")
        self.opening.keep_path_of(layer)
        self.cases[layer] = Case(layer, volume)
        layer.contrast_limits_range = HU_RANGE
        self._turn_to(self.cases[layer])

    def _turn_to(self, case: Case | None) -> None:
        if case is None or case is not self.case:
            self.case, self.waiting = case, None
            for topic in ("lungs", "nodule", "twins", "latent", "classify"):
                self.say(topic)
            for changed in (self.case_changed, self.lungs_changed, self.findings_changed):
                changed.emit()

    def _owner(self, layer: Layer | None) -> Case | None:
        for case in self.cases.values():
            if layer is case.layer or layer in (*case.made.values(), *case.masks.values()):
                return case
        return None

    def _on_sample(self, layers: list[Any]) -> None:
        for data in layers:
            self.add(data)
        self.viewer.layers.selection.active = next(iter(self.viewer.layers))
        self.viewer.reset_view()

    def add(self, layer_data: Any) -> Layer:
        """Show a (data, attributes, type) tuple as a layer."""
        from napari.layers import Layer

        return self.viewer.add_layer(Layer.create(*layer_data))

    def _on_inserted(self, event: Any) -> None:
        self.opening.keep_path_of(event.value)
        if not self._inserting:
            self.follow(event.value)

    def _on_active(self, event: Any) -> None:
        if event.value is not None and not self._inserting:
            self.follow(event.value)

    # Lungs and CLAHE

    def prepare(self) -> None:
        """Find the lungs and make the CLAHE view, behind."""
        case = self.case
        if case is None:
            self.say("lungs", "Open a CT first.", "warning")
            return
        self.say("lungs")
        self.find_lungs(case)
        clahe = self.start(case, partial(work.enhance, case.volume), "CLAHE", "clahe")
        clahe.returned.connect(partial(self._on_enhanced, case))
        clahe.failed.connect(partial(self.fail, "lungs", "No CLAHE view"))

    def find_lungs(self, case: Case) -> Job:
        """Find a CT's lungs, behind; the job under way when there is one."""
        for job in self.jobs.running:
            if job.channel == ("lungs", case):
                return job
        how = (self.lung_method, self.lung_weights, preferences().device)
        job = self.start(case, partial(work.lungs, case.volume, *how), "Finding the lungs", "lungs")
        job.returned.connect(partial(self._on_lungs, case))
        job.failed.connect(partial(self.fail, "lungs", "No lungs"))
        return job

    def click(self, voxel: Any) -> Job | None:
        """Mark the nodule at a voxel (z, y, x) of the CT spoken of."""
        return self.findings.click(voxel)

    def start(
        self, case: Case, task: Any, title: str, what: str, lane: str = "volume", **how: bool
    ) -> Job:
        """Begin work about one CT, ``how`` as `Jobs.start` takes it; dropped when the CT goes."""
        channel = what, case
        return self.jobs.start(task, title=title, channel=channel, lane=lane, owner=case, **how)

    def _on_lungs(self, case: Case, found: work.Lungs) -> None:
        case.lungs, case.lung_ml, case.lungs_told = found.labels, found.ml, found.told
        self.views.put_outlined(case, "Lungs", found.layer)
        self.lungs_changed.emit()
        self.answers.warm_up()

    def _on_enhanced(self, case: Case, layer_data: Any) -> None:
        self.put_made(case, "CLAHE", layer_data, low=True)
        self.lungs_changed.emit()

    def put_made(self, case: Case, what: str, layer_data: Any, *, low: bool = False) -> Layer:
        """Show a layer that belongs to a CT, instead of an older one of the same kind.

        It lies on top of all others, or with ``low`` right above its CT.
        """
        from napari.layers import Layer

        data, attributes, kind = layer_data
        metadata = {**attributes.get("metadata", {}), MADE: what}
        layer = Layer.create(data, {**attributes, "metadata": metadata}, kind)
        self.drop_made(case, what)
        case.made[what] = layer
        self.insert(case, layer, above_all=not low)
        return layer

    def drop_made(self, case: Case, what: str) -> None:
        """Remove a layer that was made for a CT."""
        layer = case.made.pop(what, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def insert(self, case: Case, layer: Layer, *, above_all: bool) -> None:
        """Put a made layer on top, or right above its CT; the active layer stays what it was."""
        layers, active = self.viewer.layers, self.viewer.layers.selection.active
        self._inserting = True
        layers._activate_on_insert = False  # to and fro takes napari longer than to make the layer
        try:
            at = len(layers) if above_all else layers.index(case.layer) + 1
            layers.insert(at, layer)
            layers.selection.active = active if active in layers else case.layer
        finally:
            layers._activate_on_insert = True
            self._inserting = False

    # What goes

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layer is self.waiting:
            self.waiting = None
            self.case_changed.emit()
        if layer in self.cases:
            self._forget(self.cases.pop(layer))
        elif not self._inserting and (case := self._owner(layer)) is not None:
            self._let_go(case, layer)

    def _let_go(self, case: Case, layer: Layer) -> None:
        """A made layer was removed by hand: what it showed is gone."""
        for what in [w for w, made in case.made.items() if made is layer]:
            del case.made[what]
            if what == "Lungs":
                case.lungs = case.lung_ml = None
            self.lungs_changed.emit()
        self.findings.let_go(case, layer)

    def _forget(self, case: Case) -> None:
        """A CT was removed: stop what was asked of it and let its layers go with it."""
        self.jobs.cancel_of(case)
        kept = {case.masks[f.label] for f in case.unsaved() if f.label in case.masks}
        going = [*case.made.values(), *(m for m in case.masks.values() if m not in kept)]
        if self.case is case:
            self._turn_to(next(reversed(self.cases.values()), None))
        if kept:
            names = ", ".join(sorted(layer.name for layer in kept))
            self.say("ct", f"The CT is gone; {names} had not been saved and stays.", "warning")
        # napari may be in the middle of removing several layers: wait until it is done.
        QTimer.singleShot(0, partial(_remove_layers, self._viewer, going))


def session_of(viewer: Viewer) -> Session:
    """The session of a viewer; the same one for every widget."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # plugins are handed a proxy
    if viewer not in _sessions:
        session = _sessions[viewer] = Session(viewer)
        if (window := main_window(viewer)) is not None:
            window.destroyed.connect(partial(_end, weakref.ref(viewer)))
        weakref.finalize(viewer, session.jobs.close)
    return _sessions[viewer]


_sessions: weakref.WeakKeyDictionary[Viewer, Session] = weakref.WeakKeyDictionary()


def _end(viewer: weakref.ref[Viewer]) -> None:
    """The window is gone: its work stops, and its CTs leave the memory with it."""
    there = viewer()
    session = None if there is None else _sessions.pop(there, None)
    if session is not None:
        session.close()


def _may_be_ct(layer: Layer) -> bool:
    return type(layer).__name__ == "Image" and layer.ndim == 3 and MADE not in layer.metadata


def _remove_layers(viewer: weakref.ref[Viewer], layers: list[Layer]) -> None:
    there = viewer()
    if there is not None:
        for layer in [layer for layer in layers if layer in there.layers]:
            there.layers.remove(layer)
