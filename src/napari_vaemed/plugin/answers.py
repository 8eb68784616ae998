"""What the model says of the selected finding: asked in one thread, told to the docks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.plugin import expert as experts
from napari_vaemed.plugin import twins
from napari_vaemed.plugin.expert import OtherModel
from napari_vaemed.plugin.jobs import Failure, Job
from napari_vaemed.plugin.preferences import Preferences, preferences

if TYPE_CHECKING:
    from napari_vaemed.plugin.cases import Case, Finding
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.examine import Described, Expert, LatentAxis

LANE = "model"

Wanted = tuple[str, OtherModel | None]
"""Device and model."""


class Answers(QObject):
    """The model's answers in one window.

    Signals
    -------
    expert_changed : nothing; a model was loaded
    described : nothing; the selected finding's description came
    decoded : (32, 32, 32) int16, HU of the latents last asked for
    traversed : (LatentAxis, (steps, 32, 32, 32) int16)
    """

    expert_changed = Signal()
    described = Signal()
    decoded = Signal(object)
    traversed = Signal(object, object)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.other: OtherModel | None = None
        self._loaded: tuple[Wanted, Expert] | None = None
        self._decoding: Job | None = None
        self._next_latents: NDArray[np.float32] | None = None
        session.case_changed.connect(self._on_case_changed)

    @property
    def expert(self) -> Expert | None:
        """The model and its index, once loaded."""
        loaded = self._loaded
        return loaded[1] if loaded and loaded[0][1] == self.other else None

    def use(self, expert: Expert, device: str | None = None) -> None:
        """Answer with this model from now on."""
        self._loaded = ((device or preferences().device, self.other), expert)
        self.expert_changed.emit()

    def switch(self, other: OtherModel | None) -> Job:
        """Answer with another model from now on, None: with the shipped nodule VAE.

        What another model had said is forgotten.
        """
        self.other, self._loaded = other, None
        for channel in ("expert", "describe", "decode", "traverse"):
            self._session.jobs.cancel_channel(channel)
        for case in self._session.cases.values():
            case.described.clear()
            case.pictures.clear()
        self._session.patches.clear()
        self._session.findings_changed.emit()
        self.expert_changed.emit()
        job = self._load_behind()
        job.returned.connect(lambda _: self.describe_selected())
        return job

    def crops_folder(self) -> Path | None:
        """Where crops of the known nodules lie, as far as the user has said."""
        known = None if self.other is None else self.other.nodules
        return known or preferences().lidc_folder

    def warm_up(self) -> None:
        """Load the model behind, unless it is there."""
        if self.expert is None and not self._session.jobs.has("expert"):
            self._load_behind()

    def describe_selected(self) -> None:
        """Ask what the selected finding is like, unless it is known."""
        case = self._session.case
        if case is None or case.finding is None or case.description_of(case.finding) is not None:
            self.described.emit()
            return
        self.described.emit()
        for topic in ("twins", "latent"):
            self._session.say(topic)
        finding = case.finding
        job = self._session.jobs.start(
            lambda: self._describe(case, finding), title=f"Comparing {finding.name}",
            channel="describe", lane=LANE, owner=case, brief=True,
        )  # fmt: skip
        job.returned.connect(partial(self._on_described, case, finding))
        job.failed.connect(partial(self._on_not_described, finding))

    def describe_again(self) -> None:
        """Forget what was said of the selected finding, and ask anew: the settings changed."""
        case = self._session.case
        if case is not None and case.finding is not None:
            case.described.pop(case.finding.marked, None)
            case.pictures.pop(case.finding.marked, None)
            self.describe_selected()

    def decode(self, latents: NDArray[np.float32]) -> None:
        """Ask for the nodule of latents (d,); while one is decoded only the newest is kept."""
        self._next_latents = np.array(latents, np.float32)
        if self._decoding is None:
            self._decode_next()

    def traverse(self, axis: LatentAxis, mean: NDArray[np.float32]) -> None:
        """Ask for the nodules along one latent axis, the others held at ``mean`` (d,)."""
        case, expert = self._session.case, self.expert
        if case is None or expert is None:
            return
        job = self._session.jobs.start(
            lambda: experts.examine().traverse(expert, mean, axis),
            title="Walking along a latent", channel="traverse", lane=LANE, owner=case,
        )  # fmt: skip
        job.returned.connect(partial(self._on_traversed, case, case.finding, axis))
        job.failed.connect(partial(self._session.fail, "latent", "No traversal"))

    def _load_behind(self) -> Job:
        job = self._session.jobs.start(
            lambda: self._load(preferences()), title="Loading the nodule model",
            channel="expert", lane=LANE,
        )  # fmt: skip
        job.returned.connect(lambda _: self.expert_changed.emit())
        job.failed.connect(self._on_no_expert)
        return job

    def _decode_next(self) -> None:
        latents, self._next_latents = self._next_latents, None
        case, expert = self._session.case, self.expert
        if latents is None or case is None or expert is None:
            return
        self._decoding = self._session.jobs.start(
            lambda: experts.examine().decode(expert, latents[None])[0],
            title="Decoding", channel="decode", lane=LANE, owner=case, quiet=True,
        )  # fmt: skip
        self._decoding.returned.connect(partial(self._on_decoded, case, case.finding))
        self._decoding.failed.connect(partial(self._session.fail, "latent", "Not decoded"))
        self._decoding.ended.connect(self._on_decoding_ended)

    def _on_decoding_ended(self) -> None:
        self._decoding = None
        self._decode_next()

    def _on_decoded(self, case: Case, finding: Finding | None, hu: NDArray[np.int16]) -> None:
        if case is self._session.case and finding is case.finding:
            self.decoded.emit(hu)

    def _on_traversed(
        self, case: Case, finding: Finding | None, axis: LatentAxis, hu: NDArray[np.int16]
    ) -> None:
        if case is self._session.case and finding is case.finding:
            self.traversed.emit(axis, hu)

    def _on_case_changed(self) -> None:
        self._next_latents = None  # it was about the CT before

    def _load(self, wish: Preferences) -> Work[Expert]:
        wanted = (wish.device, self.other)
        if self._loaded is None or self._loaded[0] != wanted:
            expert = yield from experts.load_expert(*wanted)
            self._loaded = (wanted, expert)  # this thread alone loads, so none is lost
        return self._loaded[1]

    def _describe(self, case: Case, finding: Finding) -> Work[tuple[Described, twins.Pictures]]:
        wish = preferences()  # read here: the first time takes napari half a second
        expert = yield from self._load(wish)
        yield Progress("Comparing with known nodules")
        said = experts.examine().describe(expert, case.volume, finding.marked, wish.neighbours)
        yield Progress("Drawing its twins")
        return said, twins.pictures(expert, said, case.volume, finding.marked, self.crops_folder())

    def _on_described(self, case: Case, finding: Finding, answer: Any) -> None:
        said, pictures = answer
        case.described[finding.marked] = said
        case.pictures[finding.marked] = pictures
        self.expert_changed.emit()
        if case is self._session.case and finding is case.finding:
            self.described.emit()

    def _on_not_described(self, finding: Finding, failure: Failure) -> None:
        for topic in ("twins", "latent"):
            self._session.fail(topic, f"{finding.name} could not be compared", failure)

    def _on_no_expert(self, failure: Failure) -> None:
        for topic in ("twins", "latent"):
            self._session.fail(topic, "The nodule model could not be loaded", failure)
