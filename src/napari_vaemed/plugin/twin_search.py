"""The twins of the chosen finding as they are asked for: filters, distances, why near, figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.twin_wish import TwinWish
from napari_vaemed.plugin import expert as experts
from napari_vaemed.plugin.answers import LANE
from napari_vaemed.plugin.preferences import preferences
from napari_vaemed.plugin.twins import Picture, twin_pictures

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case, Finding
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.examine import Described, Expert
    from napari_vaemed.workflow.neighbours import DistanceVote, Twins, Why

SHOWN_MM = 120.0
"""Height of what the camera shows of a twin's own scan."""


@dataclass(frozen=True, eq=False)
class Found:
    """The twins of a finding, with their pictures, and why each is near."""

    twins: Twins
    pictures: tuple[Picture, ...]
    why: tuple[Why, ...]


class TwinSearch(QObject):
    """Looks for the twins of the chosen finding, as a person wants to see them.

    Signals
    -------
    changed : nothing; other twins, another wish, or another twin is spoken of
    compared : nothing; the answers of all distances came
    figure_written : str, the name of the file
    """

    changed = Signal()
    compared = Signal()
    figure_written = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.wish = TwinWish()
        self.chosen = 0
        self._found: WeakKeyDictionary[Described, Found] = WeakKeyDictionary()
        self._compared: WeakKeyDictionary[Described, tuple[DistanceVote, ...]] = WeakKeyDictionary()
        self._going: tuple[Path, tuple[float, float, float]] | None = None
        session.answers.described.connect(self._on_described)
        session.findings_changed.connect(self._on_described)
        session.case_changed.connect(self._on_case_changed)

    @property
    def found(self) -> Found | None:
        """The twins of the chosen finding, once they are there."""
        said = self._said
        return None if said is None else self._found.get(said)

    @property
    def distances(self) -> tuple[DistanceVote, ...] | None:
        """The answers of all distances, once they were asked for and are there."""
        said = self._said
        return None if said is None else self._compared.get(said)

    def wants(self, **changes: Any) -> None:
        """Look for other twins from now on; arguments of `TwinWish`."""
        wish = replace(self.wish, **changes)
        if wish != self.wish:
            self.wish = wish
            self._found.clear()
            self._compared.clear()
            self._session.jobs.cancel_channel("compare distances")
            self._session.patches.hide_twins()
            self.changed.emit()
            self._search()

    def choose(self, number: int) -> None:
        """Speak of one of the twins, 0 for the nearest."""
        self.chosen = number
        self.changed.emit()

    def compare(self) -> None:
        """Ask all distances, unless that was done."""
        asked = self._asked()
        busy = self._session.jobs.has("compare distances")
        if asked is None or busy or self.distances is not None:
            return
        case, finding, said, expert = asked
        wish = self.wish
        job = self._session.jobs.start(
            lambda: experts.neighbours().compare_distances(
                expert, _query(said, case, finding), wish
            ),
            title="Asking every distance", channel="compare distances", lane=LANE, owner=case,
        )  # fmt: skip
        job.returned.connect(partial(self._on_compared, said))
        job.failed.connect(partial(self._session.fail, "twins", "Distances not compared"))

    def export(self, path: Path, *, every: bool) -> None:
        """Write the figure of the chosen finding, or of all that were described, beside five twins.

        All have the filters and the distance that are set.
        """
        case, expert = self._session.case, self._session.answers.expert
        if case is None or expert is None or case.finding is None:
            return
        findings = case.findings if every else (case.finding,)
        folder, wish = self._session.answers.crops_folder(), self.wish
        limits = tuple(case.layer.contrast_limits)
        job = self._session.jobs.start(
            lambda: _figure(expert, case, findings, wish, folder, limits, path),
            title="Drawing the figure", channel="twins figure", lane=LANE, owner=case,
        )  # fmt: skip
        job.returned.connect(lambda _: self.figure_written.emit(path.name))
        job.failed.connect(partial(self._session.fail, "twins", "No figure"))

    def open_scan(self) -> None:
        """Open the CT that the chosen twin lies in, and go there."""
        found = self.found
        picture = None if found is None else found.pictures[self.chosen]
        if found is not None and picture is not None and picture.path is not None:
            self.open_at(picture.path, found.twins.neighbours[self.chosen].record.centre_mm)

    def open_at(self, path: Path, centre_mm: tuple[float, float, float]) -> None:
        """Open a CT and go to a place in it, LPS mm."""
        self._going = path, centre_mm
        self._session.open(path)

    @property
    def _said(self) -> Described | None:
        case = self._session.case
        return None if case is None else case.description_of(case.finding)

    def _asked(self) -> tuple[Case, Finding, Described, Expert] | None:
        case, said, expert = self._session.case, self._said, self._session.answers.expert
        if case is None or case.finding is None or said is None or expert is None:
            return None
        return case, case.finding, said, expert

    def _on_described(self) -> None:
        if self.found is None:
            self._search()
        else:
            self.changed.emit()

    def _search(self) -> None:
        asked = self._asked()
        if asked is None:
            return
        case, finding, said, expert = asked
        self.wish = replace(self.wish, k=preferences().neighbours)
        wish, folder = self.wish, self._session.answers.crops_folder()
        job = self._session.jobs.start(
            lambda: _search(expert, said, case, finding, wish, folder),
            title=f"Twins of {finding.name}", channel="twins", lane=LANE, owner=case, quiet=True,
        )  # fmt: skip
        job.returned.connect(partial(self._on_found, said))
        job.failed.connect(partial(self._session.fail, "twins", "No twins"))

    def _on_found(self, said: Described, found: Found) -> None:
        self._found[said] = found
        self.chosen = 0
        self.changed.emit()

    def _on_compared(self, said: Described, answers: tuple[DistanceVote, ...]) -> None:
        self._compared[said] = answers
        self.compared.emit()

    def _on_case_changed(self) -> None:
        """The scan that was to be opened may be the one spoken of now."""
        case = self._session.case
        if case is None or self._going is None:
            return
        path, centre_mm = self._going
        if self._session.opening.came_from(case.layer) == path:
            self._going = None
            show_in_scan(self._session, case, centre_mm)


def show_in_scan(session: Session, case: Case, centre_mm: tuple[float, float, float]) -> None:
    """Turn the camera to a place in an open CT, LPS mm."""
    voxel = case.volume.to_voxel(centre_mm)
    session.findings.show_at(case, [voxel])
    viewer, world = session.viewer, case.world(voxel)
    viewer.dims.set_point(range(3), tuple(world))
    viewer.scene.camera.center = tuple(world)
    viewer.scene.camera.zoom = viewer.canvas.size[0] / SHOWN_MM


def _query(said: Described, case: Case, finding: Finding) -> Any:
    return experts.neighbours().query_of_finding(said.posterior, case.volume, finding.marked)


def _search(
    expert: Expert,
    said: Described,
    case: Case,
    finding: Finding,
    wish: TwinWish,
    folder: Path | None,
) -> Work[Found]:
    yield Progress("Looking for twins")
    workflow, query = experts.neighbours(), _query(said, case, finding)
    twins = workflow.find_twins(expert, query, wish)
    rows = [one.row for one in twins.neighbours]
    decoded = {n.row: hu for n, hu in zip(said.neighbours, said.pictures, strict=True)}
    return Found(
        twins,
        twin_pictures(expert, rows, folder, decoded),
        tuple(workflow.why_near(expert, query, row) for row in rows),
    )


def _figure(
    expert: Expert,
    case: Case,
    findings: tuple[Finding, ...],
    wish: TwinWish,
    folder: Path | None,
    limits: tuple[float, float],
    path: Path,
) -> Work[None]:
    """Draw and write the figure; findings nobody has looked at are described first."""
    workflow, figures = experts.neighbours(), experts.neighbour_figures()
    queries = []
    for number, finding in enumerate(findings):
        yield Progress(f"Twins of {finding.name}", number, len(findings))
        said = case.description_of(finding)
        if said is None:
            said = experts.examine().describe(expert, case.volume, finding.marked, wish.k)
        twins = workflow.find_twins(expert, _query(said, case, finding), wish)
        hu = figures.cut(case.volume, finding.marked.measurement.centre_mm)
        queries.append((finding.name, hu, twins))
    yield Progress("Drawing the figure")
    figures.write_twins_figure(path, expert, queries, folder=folder, limits=limits)
