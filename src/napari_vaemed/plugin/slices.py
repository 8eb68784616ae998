"""What the slice model says of a CT, slice by slice: asked in one thread, told to the window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.progress import Work
from napari_vaemed.plugin import expert as experts
from napari_vaemed.plugin.jobs import Failure, Job
from napari_vaemed.plugin.layers import put_slice_scores
from napari_vaemed.plugin.preferences import preferences

if TYPE_CHECKING:
    from napari_vaemed.io.checkpoints import Model
    from napari_vaemed.plugin.cases import Case
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.classify import Classified

LANE = "slices"


@dataclass(frozen=True, eq=False)
class Scored:
    """What the slice model said of a CT, and the lungs (z, y, x) it was shown, if there were."""

    said: Classified
    lungs: NDArray[np.uint8] | None

    def place_of(self, index: int) -> int | None:
        """Where a slice stands among the scored ones; None when it was not scored."""
        indices = self.said.scores.indices
        place = int(np.searchsorted(indices, index))
        return place if place < len(indices) and indices[place] == index else None


class Slices(QObject):
    """The slice model's answers in one window.

    Signals
    -------
    changed : nothing; the scores of a CT came, or are waited for, or no longer
    model_changed : nothing; a model was loaded
    explained : Case, slice index, (y, x) float32 of what spoke for COVID-19, 0 to 1
    """

    changed = Signal()
    model_changed = Signal()
    explained = Signal(object, int, object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._loaded: tuple[str, Model] | None = None
        self._waiting: set[Case] = set()
        self._explaining: Job | None = None
        self._next: tuple[Case, int] | None = None

    @property
    def model(self) -> Model | None:
        """The slice model, once loaded."""
        return self._loaded[1] if self._loaded else None

    def use(self, model: Model, device: str | None = None) -> None:
        """Answer with this model from now on."""
        self._loaded = (device or preferences().device, model)
        self.model_changed.emit()

    def busy(self, case: Case | None) -> bool:
        """Whether the scores of a CT are under way."""
        return case in self._waiting or self._session.jobs.has(("slices", case))

    def score(self) -> None:
        """Score the slices of the CT spoken of, after its lungs when they are not known."""
        session, case = self._session, self._session.case
        if case is None:
            session.say("classify", "Open a CT first.", "warning")
            return
        if self.busy(case):
            return
        session.say("classify")
        if case.lungs is not None:
            self._score(case, case.lungs)
            return
        self._waiting.add(case)
        lungs = session.find_lungs(case)
        lungs.returned.connect(lambda _: self._score(case, case.lungs))
        lungs.failed.connect(partial(self._on_no_lungs, case))
        lungs.ended.connect(partial(self._on_lungs_ended, case))
        self.changed.emit()

    def explain(self, index: int) -> None:
        """Ask what in a scored slice spoke for COVID-19; meanwhile only the newest is kept."""
        case = self._session.case
        if case is not None and case.scored is not None:
            self._next = (case, index)
            if self._explaining is None:
                self._explain_next()

    def _score(self, case: Case, lungs: NDArray[np.uint8] | None) -> None:
        job = self._session.start(
            case, lambda: self._classify(case, lungs), "Scoring slices", "slices", LANE
        )
        job.returned.connect(partial(self._on_scored, case))
        job.failed.connect(partial(self._on_failed, case, "The slices could not be scored"))
        job.ended.connect(self.changed)
        self.changed.emit()

    def _classify(self, case: Case, lungs: NDArray[np.uint8] | None) -> Work[Scored]:
        model = yield from self._load()
        said = yield from experts.classify().classify(case.volume, lungs, model)
        return Scored(said, lungs)

    def _load(self) -> Work[Model]:
        device = preferences().device
        if self._loaded is None or self._loaded[0] != device:
            self._loaded = (device, (yield from experts.load_slice_model(device)))
        return self._loaded[1]

    def _on_scored(self, case: Case, scored: Scored) -> None:
        case.scored = scored
        put_slice_scores(case.layer, scored.said)
        self.model_changed.emit()

    def _on_no_lungs(self, case: Case, failure: Failure) -> None:
        if type(failure.error).__name__ == "NoLungs":  # its module is imported by the job only
            self._score(case, None)
        else:
            self._on_failed(case, "The slices could not be scored without the lungs", failure)

    def _on_lungs_ended(self, case: Case) -> None:
        self._waiting.discard(case)
        self.changed.emit()

    def _on_failed(self, case: Case, what: str, failure: Failure) -> None:
        if case is self._session.case:
            self._session.fail("classify", what, failure)

    def _explain_next(self) -> None:
        wanted, self._next = self._next, None
        if wanted is None or wanted[0] is not self._session.case:
            return
        case, index = wanted
        self._explaining = self._session.start(
            case, lambda: self._explain(case, index), "Grad-CAM", "explain", LANE, quiet=True
        )
        self._explaining.returned.connect(lambda found: self.explained.emit(case, index, found))
        self._explaining.failed.connect(partial(self._on_failed, case, "No Grad-CAM"))
        self._explaining.ended.connect(self._on_explaining_ended)

    def _explain(self, case: Case, index: int) -> Work[NDArray[np.float32]]:
        model, scored = (yield from self._load()), case.scored
        lungs = None if scored is None else scored.lungs
        return experts.classify().explain_slice(case.volume, lungs, model, index)

    def _on_explaining_ended(self) -> None:
        self._explaining = None
        self._explain_next()
