"""Findings that outlast the window: written at every change, brought back with their CT."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.data.kept_finding import KeptFinding
from napari_vaemed.plugin import finding_work
from napari_vaemed.plugin.cases import Case, Finding, free_label
from napari_vaemed.plugin.main_window import main_window
from napari_vaemed.plugin.preferences import preferences

if TYPE_CHECKING:
    from napari_vaemed.plugin.finding_work import Looked
    from napari_vaemed.plugin.session import Session

LANE, TOPIC = "kept findings", "findings"


class FindingKeeper(QObject):
    """Keeps the findings of CTs that can be opened again: those read from files.

    A CT is known by its series and its voxels. What was kept of other voxels of the same series
    is not shown; that it is there is said.

    Signals
    -------
    looked : nothing; it is known whether a CT has findings of an earlier sitting
    """

    looked = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._keys: WeakKeyDictionary[Case, Any] = WeakKeyDictionary()
        self._written: WeakKeyDictionary[Case, tuple[KeptFinding, ...]] = WeakKeyDictionary()
        self._undone: dict[int, Any] = {}
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._keep_all)
        session.case_changed.connect(self._on_case_changed)
        session.findings_changed.connect(self._on_findings_changed)
        window = main_window(session.viewer)
        if window is not None:
            window.destroyed.connect(self.finish)
        self._on_case_changed()

    @property
    def waiting(self) -> bool:
        """Whether a change is still to be looked at."""
        return self._soon.isActive()

    def finish(self) -> None:
        """Write at once what still waits to be written: the window goes."""
        if self.waiting:
            self._soon.stop()
            self._keep_all()
        while self._undone:
            _, task = self._undone.popitem()
            task()

    def _lasts(self, case: Case) -> bool:
        """Whether a CT can be opened again, and its findings are to be kept."""
        read = self._session.opening.came_from(case.layer) is not None
        return (read or case.volume.series_uid is not None) and preferences().keep_findings

    def _on_case_changed(self) -> None:
        case = self._session.case
        if case is None or case in self._written or not self._lasts(case):
            return
        self._written[case] = ()
        self._keys[case] = None
        job = self._session.jobs.start(
            partial(finding_work.look, case.volume),
            title="Looking for kept findings",
            channel=("look for findings", case),
            lane=LANE,
            owner=case,
            quiet=True,
        )
        job.returned.connect(partial(self._on_looked, case))
        job.failed.connect(
            partial(self._session.fail, TOPIC, "Findings of earlier sittings are not there")
        )

    def _on_looked(self, case: Case, looked: Looked | None) -> None:
        if looked is not None:
            self._keys[case] = looked.key
            self._restore(case, looked)
        self.looked.emit()

    def _restore(self, case: Case, looked: Looked) -> None:
        kept = looked.kept
        restored: list[Finding] = []
        for each, marked in zip(kept.findings, looked.marked, strict=True):
            taken = (*case.findings, *restored)
            used = {finding.label for finding in taken}
            label = free_label(taken) if each.label in used else each.label
            restored.append(Finding(label, marked, each.title))
            if each.bars is not None:
                case.bars[marked] = each.bars
        if restored:
            self._written[case] = tuple(self._as_kept(case, f) for f in restored)
            self._session.findings.restore(case, tuple(restored))
        self._tell(kept)

    def _tell(self, kept: Any) -> None:
        """Say what was brought back, and what was not."""
        told, warned = [], bool(kept.elsewhere or kept.damaged)
        if kept.findings:
            told.append(f"{_counted(len(kept.findings))} of {kept.since} restored.")
        if kept.elsewhere:
            told.append(
                f"{_counted(kept.elsewhere)} kept for other voxels of the same series: "
                "not shown here."
            )
        if kept.damaged:
            told.append(f"{_counted(kept.damaged)} could not be read.")
        if told:
            text = " ".join(told)
            self._session.say(TOPIC, text, "warning" if warned else "info")
            self._session.viewer.status = text

    def _on_findings_changed(self) -> None:
        """Not at once: with a CT its masks are taken away one by one, and their findings stay."""
        if self._written:
            self._soon.start()

    def _keep_all(self) -> None:
        for case in list(self._session.cases.values()):
            if case in self._written and not self._session.jobs.has(("look for findings", case)):
                self._keep(case)

    def _keep(self, case: Case) -> None:
        before = self._written[case]
        now = tuple(self._as_kept(case, finding) for finding in case.findings)
        if list(map(_told, before)) == list(map(_told, now)):
            return
        self._written[case] = now
        number = max(self._undone, default=0) + 1
        task = partial(finding_work.keep, case.volume, self._keys[case], before, now)
        self._undone[number] = task
        job = self._session.jobs.start(
            task, title="Keeping findings", channel=("keep", number, case), lane=LANE, quiet=True
        )
        job.returned.connect(partial(self._on_kept, case, number))
        job.failed.connect(partial(self._on_not_kept, number))

    def _on_kept(self, case: Case, number: int, key: Any) -> None:
        self._undone.pop(number, None)
        self._keys[case] = key

    def _on_not_kept(self, number: int, failure: Any) -> None:
        self._undone.pop(number, None)
        self._session.fail(TOPIC, "Findings were not kept", failure)

    def _as_kept(self, case: Case, finding: Finding) -> KeptFinding:
        marked = finding.marked
        return KeptFinding(
            finding.label,
            marked.voxel,
            marked.mask,
            marked.measurement,
            finding.title,
            marked.method,
            case.bars_of(finding),
        )


def _told(kept: KeptFinding) -> tuple[Any, ...]:
    """What makes two kept findings the same; masks are never changed in place."""
    return (kept.label, id(kept.mask), kept.title, kept.measurement, kept.bars)


def _counted(count: int) -> str:
    return f"{count} finding" if count == 1 else f"{count} findings"
