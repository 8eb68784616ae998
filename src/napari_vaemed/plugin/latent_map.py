"""The latent map of one window: known nodules on a plane, findings among them, a selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.latent_map import PCA
from napari_vaemed.plugin import map_work
from napari_vaemed.plugin.map_layers import SelectionLayers
from napari_vaemed.plugin.map_text import about, table_row
from napari_vaemed.plugin.twin_search import show_in_scan

if TYPE_CHECKING:
    from napari_vaemed.data.latent_map import Colouring
    from napari_vaemed.data.nodule import NoduleRecord
    from napari_vaemed.plugin.cases import Case, Finding
    from napari_vaemed.plugin.jobs import Failure, Job
    from napari_vaemed.plugin.map_work import Mapped
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.plugin.twins import Picture
    from napari_vaemed.workflow.examine import Marked

TOPIC = "map"
LANE = "map"
MAKING, PLACING, PICTURE, CLUSTERS = "map", "map places", "map picture", "map clusters"
"""Channels of jobs."""


class LatentMaps(QObject):
    """What the Latent map dock shows and does; nothing is worked on while no dock is open.

    Signals
    -------
    changed : nothing; another map came, or it went
    coloured : nothing; another colouring
    placed : nothing; findings or twins are marked elsewhere
    chosen_changed : nothing; another known nodule is looked at, or its picture came
    selected : nothing; another selection
    highlighted_changed : nothing; other rows of the selection stand out
    lasso_asked : nothing; the key of the lasso was pressed
    """

    changed = Signal()
    coloured = Signal()
    placed = Signal()
    chosen_changed = Signal()
    selected = Signal()
    highlighted_changed = Signal()
    lasso_asked = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.open = False
        self.method = PCA
        self.mapped: Mapped | None = None
        self.colouring: Colouring | None = None
        self.clusters: Colouring | None = None
        self.chosen: int | None = None
        self.picture: Picture | None = None
        self.selection: NDArray[np.intp] = np.empty(0, np.intp)
        self.highlighted: tuple[int, ...] = ()
        self.layers = SelectionLayers(self, session)
        self._places: WeakKeyDictionary[Marked, NDArray[np.float32]] = WeakKeyDictionary()
        session.answers.expert_changed.connect(self._on_expert_changed)
        session.answers.described.connect(self._on_findings_changed)
        session.findings_changed.connect(self._on_findings_changed)
        session.case_changed.connect(self._on_findings_changed)
        session.twins.changed.connect(self._on_twins_changed)

    def sit_down(self) -> None:
        """A dock is open: show the map from now on."""
        self.open = True
        self._on_expert_changed()
        self._on_findings_changed()

    def stand_up(self) -> None:
        """The dock is gone: stop what it waits for."""
        self.open = False
        for channel in (MAKING, PLACING, PICTURE, CLUSTERS):
            self._session.jobs.cancel_channel(channel)

    # The map

    @property
    def making(self) -> bool:
        """Whether a map, or the model it is of, is on its way."""
        jobs = self._session.jobs
        return jobs.has(MAKING) or (self._session.answers.expert is None and jobs.has("expert"))

    @property
    def records(self) -> tuple[NoduleRecord, ...]:
        """The known nodules, a point each."""
        return () if self.mapped is None else self.mapped.expert.index.records

    @property
    def places(self) -> NDArray[np.float32]:
        """Of the known nodules, (n, 2)."""
        if self.mapped is None:
            return np.empty((0, 2), np.float32)
        return self.mapped.latent_map.places

    @property
    def finding_places(self) -> dict[int, NDArray[np.float32]]:
        """Where the findings of the CT lie, by number, as far as that is known."""
        case = self._session.case
        if case is None or self.mapped is None:
            return {}
        found = {finding.label: self._places.get(finding.marked) for finding in case.findings}
        return {label: place for label, place in found.items() if place is not None}

    @property
    def chosen_finding(self) -> int | None:
        """The number of the finding that is spoken of."""
        case = self._session.case
        return None if case is None else case.selected

    @property
    def twin_rows(self) -> tuple[int, ...]:
        """The twins of the chosen finding, by row."""
        found = self._session.twins.found
        if found is None or self.mapped is None or not self.finding_places:
            return ()
        return tuple(one.row for one in found.twins.neighbours)

    def make(self, method: str | None = None) -> Job | None:
        """Lay the nodules out, by another method or as before; the model is loaded first."""
        self.method = method or self.method
        expert = self._session.answers.expert
        self._session.say(TOPIC)
        if expert is None:
            self._session.answers.warm_up()  # what it loads makes the map
            self.changed.emit()
            return None
        # A lane for each method: what cannot be stopped at once holds up no other one.
        job = self._session.jobs.start(
            partial(map_work.make, expert, self.method),
            title=f"Latent map by {self.method}", channel=MAKING, lane=f"{LANE} {self.method}",
        )  # fmt: skip
        job.returned.connect(self._on_made)
        job.failed.connect(self._on_not_made)
        job.cancelled.connect(self._on_cancelled)
        self.changed.emit()
        return job

    def colour(self, colouring: Colouring) -> None:
        """Colour the nodules by something else."""
        self.colouring = colouring
        self.coloured.emit()

    def find_clusters(self, method: str, k: int) -> Job | None:
        """Sort the nodules into classes, and colour by them."""
        if self.mapped is None:
            return None
        self._session.say(TOPIC)
        job = self._session.jobs.start(
            partial(map_work.find_clusters, self.mapped.expert, method, k),
            title="Finding clusters", channel=CLUSTERS, lane=LANE, owner=self.mapped.expert,
        )  # fmt: skip
        job.returned.connect(self._on_clusters)
        job.failed.connect(partial(self._session.fail, TOPIC, "No clusters"))
        return job

    # One nodule

    def choose(self, row: int) -> None:
        """Look at a known nodule: its card, and its picture beside the finding; −1 for none."""
        self.chosen, self.picture = (None if row < 0 else row), None
        self._session.jobs.cancel_channel(PICTURE)
        if self.mapped is not None and self.chosen is not None:
            folder = self._session.answers.crops_folder()
            job = self._session.jobs.start(
                partial(map_work.pictures, self.mapped.expert, [row], folder),
                title="Drawing the nodule", channel=PICTURE, lane=LANE, brief=True,
            )  # fmt: skip
            job.returned.connect(partial(self._on_picture, row))
            job.failed.connect(partial(self._session.fail, TOPIC, "No picture"))
        elif self.chosen is None:
            self._session.patches.hide_known()
        self.chosen_changed.emit()

    def choose_finding(self, label: int) -> None:
        """Speak of a finding, and go there in the CT."""
        self._session.findings.select(label)

    @property
    def scan_at_hand(self) -> bool:
        """Whether the chosen nodule's own scan is open, or its crop can be."""
        there = self.picture is not None and self.picture.path is not None
        return there or self._own_case() is not None

    def go_to_scan(self) -> None:
        """Show the chosen nodule in its own scan; it is opened where it is not."""
        if self.chosen is None:
            return
        record, case = self.records[self.chosen], self._own_case()
        if case is not None:
            self._session.viewer.layers.selection.active = case.layer
            show_in_scan(self._session, case, record.centre_mm)
        elif self.picture is not None and self.picture.path is not None:
            self._session.twins.open_at(self.picture.path, record.centre_mm)

    def told_of(self, row: int, label: int | None = None) -> str:
        """A known nodule in a few lines, or a finding's name; "" for row −1 and no label."""
        case = self._session.case
        if label is not None and case is not None:
            return next((each.name for each in case.findings if each.label == label), "")
        return "" if row < 0 else about(self.records[row], self.colouring, row)

    # A selection

    def lasso(self, outline: NDArray[Any], *, adds: bool = False) -> None:
        """Select the nodules inside an outline (m, 2), or add them; the first finding in it too."""
        from skimage.measure import points_in_poly

        inside = np.flatnonzero(points_in_poly(self.places, outline))
        self.select(np.union1d(self.selection, inside) if adds else inside)
        for label, place in sorted(self.finding_places.items()):
            if points_in_poly(place[None], outline)[0]:
                self.choose_finding(label)
                break

    def select(self, rows: Sequence[int] | NDArray[np.intp]) -> None:
        """Select these nodules."""
        self.selection, self.highlighted = np.asarray(rows, np.intp), ()
        self._session.say(TOPIC)
        self.selected.emit()
        self.layers.refresh()

    def highlight(self, rows: Sequence[int]) -> None:
        """Let some of the nodules stand out."""
        wanted = tuple(sorted(set(map(int, rows))))
        if wanted != self.highlighted:
            self.highlighted = wanted
            self.highlighted_changed.emit()

    def table(self) -> list[dict[str, Any]]:
        """The selection, one line a nodule."""
        return [table_row(self.records[row], self.clusters, row) for row in self.selection]

    def save_csv(self, path: Path) -> Job | None:
        """Save the selection's table."""
        rows = self.table()
        if not rows:
            return None
        job = self._session.jobs.start(
            partial(map_work.write_csv, path, rows), title="Saving the selection",
            channel="map csv", lane=LANE,
        )  # fmt: skip
        job.returned.connect(lambda path: self._session.say(TOPIC, f"Saved {path.name}."))
        job.failed.connect(partial(self._session.fail, TOPIC, "Not saved"))
        return job

    # What others do

    def _on_expert_changed(self) -> None:
        """Another model answers, or none yet: the map is of its index."""
        expert = self._session.answers.expert
        if self.mapped is not None and self.mapped.expert is not expert:
            self._drop()
        if self.open and self.mapped is None and not self._session.jobs.closed:
            self.make()

    def _drop(self) -> None:
        for channel in (MAKING, PLACING, PICTURE, CLUSTERS):
            self._session.jobs.cancel_channel(channel)
        self.mapped = self.clusters = self.chosen = self.picture = None
        self._places.clear()
        self.select(())
        self.changed.emit()

    def _on_made(self, mapped: Mapped) -> None:
        if mapped.expert is not self._session.answers.expert:
            return
        if self.clusters is not None:  # of the same index: another method moves nodules only
            mapped = replace(mapped, colourings=(self.clusters, *mapped.colourings))
        self.mapped = mapped
        self._places.clear()
        named = {each.name: each for each in mapped.colourings}
        wanted = "" if self.colouring is None else self.colouring.name
        self.colouring = named.get(wanted) or mapped.colourings[0]
        self.changed.emit()
        self._on_findings_changed()

    def _on_not_made(self, failure: Failure) -> None:
        self._session.fail(TOPIC, f"No map by {self.method}", failure)
        self._on_cancelled()

    def _on_cancelled(self) -> None:
        """What was shown before stays."""
        if self.mapped is not None:
            self.method = self.mapped.latent_map.method
        self.changed.emit()

    def _on_clusters(self, found: Colouring) -> None:
        if self.mapped is not None:
            others = [each for each in self.mapped.colourings if each is not self.clusters]
            self.clusters = found
            self.mapped = replace(self.mapped, colourings=(found, *others))
            self.colour(found)
            if len(self.selection):
                self.select(self.selection)

    def _on_picture(self, row: int, pictures: tuple[Picture, ...]) -> None:
        if row == self.chosen:
            self.picture = pictures[0]
            self._session.patches.show_known(self.records[row], self.picture.hu)
            self.chosen_changed.emit()

    def _on_findings_changed(self) -> None:
        if self.open:
            self._place_findings()
            self.placed.emit()

    def _on_twins_changed(self) -> None:
        if self.open:
            self.placed.emit()

    def _place_findings(self) -> None:
        """Find places for findings that have none; what is being described comes by itself."""
        case, mapped = self._session.case, self.mapped
        if case is None or mapped is None or self._session.jobs.closed:
            return
        missing = [
            (finding.marked, _posterior(case, finding))
            for finding in case.findings
            if finding.marked not in self._places
        ]
        waits_for = None if case.finding is None else case.finding.marked
        missing = [(m, said) for m, said in missing if said is not None or m is not waits_for]
        if missing:
            job = self._session.jobs.start(
                partial(map_work.place, mapped, case.volume, missing),
                title="Placing findings", channel=PLACING, lane=LANE, owner=case, quiet=True,
            )  # fmt: skip
            job.returned.connect(partial(self._on_placed, mapped))
            job.failed.connect(partial(self._session.fail, TOPIC, "Findings not placed"))

    def _on_placed(self, mapped: Mapped, places: dict[Marked, NDArray[np.float32]]) -> None:
        if self.mapped is not None and mapped.latent_map is self.mapped.latent_map:
            self._places.update(places)
            self.placed.emit()

    def _own_case(self) -> Case | None:
        """The open CT that the chosen nodule was marked on."""
        uid = "" if self.chosen is None else self.records[self.chosen].series_uid
        cases = self._session.cases.values()
        return next((case for case in cases if uid and case.volume.series_uid == uid), None)


def _posterior(case: Case, finding: Finding) -> Any:
    said = case.description_of(finding)
    return None if said is None else said.posterior
