"""Suggested nodules of a CT: asked for, never on their own, and no findings until taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.suggestion import Figures, Suggestion, at_least
from napari_vaemed.plugin import suggestion_work
from napari_vaemed.plugin.layers import placement
from napari_vaemed.plugin.theme import MIDDLE, YELLOW

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.session import Session

TOPIC, LANE = "findings", "suggestions"
LAYER = "Suggestions, not checked"
ROOM_MM = 6.0
"""A mark is so much wider than what it is about."""


@dataclass(eq=False)
class Suggested:
    """What was suggested on a CT, and what a person made of it.

    Parameters
    ----------
    found : tuple of Suggestion
        All, the surest first.
    figures : Figures
    step : int
        Which of the figures' scores is the least shown.
    dismissed : list of Suggestion
        In the order they were dismissed.
    chosen : Suggestion or None
    """

    found: tuple[Suggestion, ...]
    figures: Figures
    step: int
    dismissed: list[Suggestion] = field(default_factory=list)
    chosen: Suggestion | None = None


class Suggestions(QObject):
    """The suggestions of the CTs in one window.

    Signals
    -------
    changed : nothing; suggestions came or went, or others are shown or chosen
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._of: WeakKeyDictionary[Case, Suggested] = WeakKeyDictionary()
        session.case_changed.connect(self._on_case_changed)
        session.findings_changed.connect(self._on_findings_changed)
        session.viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def now(self) -> Suggested | None:
        """What was suggested on the CT spoken of; None until it was asked."""
        case = self._session.case
        return None if case is None else self._of.get(case)

    @property
    def shown(self) -> tuple[Suggestion, ...]:
        """Those sure enough, neither dismissed nor a finding by now; the surest first."""
        case, now = self._session.case, self.now
        if case is None or now is None:
            return ()
        sure = at_least(now.found, now.figures.scores[now.step])
        return tuple(s for s in sure if s not in now.dismissed and not _is_finding(case, s))

    def run(self) -> Job | None:
        """Suggest nodules on the CT spoken of, behind; its lungs are found first."""
        session, case = self._session, self._session.case
        if case is None:
            session.say(TOPIC, "Open a CT first.", "warning")
            return None
        session.say(TOPIC)
        if case.lungs is None:
            job = session.find_lungs(case)
            job.returned.connect(partial(self._start, case))
            job.failed.connect(partial(session.fail, TOPIC, "No lungs, so no suggestions"))
            return job
        return self._start(case)

    def put_away(self) -> None:
        """Have no suggestions any more."""
        case = self._session.case
        if case is not None and self._of.pop(case, None) is not None:
            self._session.drop_made(case, LAYER)
            self.changed.emit()

    def show_from(self, step: int) -> None:
        """Show those with the figures' score of this place, and surer ones."""
        if self.now is not None:
            self.now.step = min(max(step, 0), len(self.now.figures.scores) - 1)
            self._update()

    def choose(self, suggestion: Suggestion) -> None:
        """Speak of one, and go there."""
        case, now = self._session.case, self.now
        if case is not None and now is not None:
            now.chosen = suggestion
            centre = tuple(case.world(suggestion.voxel))
            self._session.viewer.dims.set_point(range(3), centre)
            self._update()

    def step(self, by: int) -> None:
        """Choose the one ``by`` places further down."""
        shown, now = self.shown, self.now
        if shown and now is not None:
            at = shown.index(now.chosen) if now.chosen in shown else -by
            self.choose(shown[(at + by) % len(shown)])

    def take(self) -> Job | None:
        """Make the chosen one a finding, as if it were clicked."""
        now = self.now
        if now is None or now.chosen not in self.shown or now.chosen is None:
            return None
        return self._session.finding_list.take_place(now.chosen.voxel)

    def dismiss(self) -> None:
        """Take the chosen one away and choose the next."""
        now, shown = self.now, self.shown
        if now is not None and now.chosen is not None and now.chosen in shown:
            at = shown.index(now.chosen)
            now.dismissed.append(now.chosen)
            now.chosen, left = None, self.shown
            if left:
                self.choose(left[min(at, len(left) - 1)])
            else:
                self._update()

    def bring_back(self) -> None:
        """Undo the last dismissal."""
        now = self.now
        if now is not None and now.dismissed:
            self.choose(now.dismissed.pop())

    def _start(self, case: Case, _: Any = None) -> Job:
        assert case.lungs is not None
        task = partial(suggestion_work.suggest, case.volume, case.lungs)
        job = self._session.start(case, task, "Suggesting nodules", "suggest", LANE)
        job.returned.connect(partial(self._on_suggested, case))
        job.failed.connect(partial(self._session.fail, TOPIC, "No suggestions"))
        self.changed.emit()
        job.ended.connect(self.changed)
        return job

    def _on_suggested(self, case: Case, answer: tuple[tuple[Suggestion, ...], Figures]) -> None:
        found, figures = answer
        self._of[case] = Suggested(found, figures, figures.usual)
        if case is self._session.case:
            self._update()

    def _on_case_changed(self) -> None:
        if self.now is None:
            self.changed.emit()
        else:
            self._update()

    def _on_findings_changed(self) -> None:
        """What was taken is no suggestion any more; what is not a finding any more is one again."""
        now = self.now
        if now is None:
            return
        if now.chosen is not None and now.chosen not in self.shown:
            now.chosen = None
        self._update()

    def _on_layer_removed(self, event: Any) -> None:
        """Who deletes the layer wants no suggestions."""
        for case in list(self._of):
            if case.made.get(LAYER) is event.value:
                del self._of[case]
                self.changed.emit()

    def _update(self) -> None:
        """Let the layer show what is shown; in place, so that a slider can be followed."""
        case, now, shown = self._session.case, self.now, self.shown
        if case is None or now is None:
            return
        places = np.array([s.voxel for s in shown]).reshape(-1, 3)
        features = {
            "score": [s.score for s in shown],
            "diameter_mm": [s.diameter_mm for s in shown],
            "checked": [False] * len(shown),
        }
        layer = case.made.get(LAYER)
        if layer is None:
            attributes = {
                "name": LAYER,
                "symbol": "square",
                "face_color": "transparent",
                "border_color": MIDDLE,
                "border_width": 0.06,
                **placement(case.volume),
            }
            layer = self._session.put_made(case, LAYER, (places, attributes, "points"))
        elif len(layer.data) != len(places) or not np.allclose(layer.data, places):
            layer.data = places
        layer.features = features
        if shown:
            pixel = case.volume.spacing[2]
            layer.size = [(s.diameter_mm + ROOM_MM) / pixel for s in shown]
            layer.border_color = [YELLOW if s is now.chosen else MIDDLE for s in shown]
        self.changed.emit()


def _is_finding(case: Case, suggestion: Suggestion) -> bool:
    """Whether the place lies in, or in the middle of, a finding."""
    voxel = np.rint(suggestion.voxel).astype(int)
    for finding in case.findings:
        mask, sizes = finding.marked.mask, finding.marked.measurement
        at = tuple(voxel - mask.start)
        if all(0 <= a < n for a, n in zip(at, mask.voxels.shape, strict=True)) and mask.voxels[at]:
            return True
        away = np.linalg.norm(np.subtract(sizes.centre_mm, suggestion.centre_mm))
        if away < sizes.mean_mm / 2:
            return True
    return False
