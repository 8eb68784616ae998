"""What the window knows of one CT: its lungs, its findings, and what the model said of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.data.finding import ErrorBars
from napari_vaemed.data.guideline import Context
from napari_vaemed.data.volume import Volume

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

    from napari_vaemed.plugin.slices import Scored
    from napari_vaemed.plugin.twins import Pictures
    from napari_vaemed.workflow.examine import Described, Marked

MADE = "made"
"""Key in a layer's own metadata that says what the plugin made it as."""
PREVIEW = "3-D copy"
"""What 3-D shows of a CT is made as."""
ENHANCED_SLICE = "Enhanced slice"
ENHANCED = ("HE", "CLAHE", "HE + CLAHE", "Diffusion", ENHANCED_SLICE)
"""What enhanced views of a CT are made as; they share its window."""


@dataclass(frozen=True, eq=False)
class Finding:
    """One nodule the user marked; ``label`` is its number, 1 for the first.

    ``title`` is what the user calls it; empty for its number alone.
    """

    label: int
    marked: Marked
    title: str = ""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.title or f"Finding {self.label}"


class Numbered(Protocol):
    """What carries a number, 1 for the first."""

    @property
    def label(self) -> int:
        """The number."""


Kept = TypeVar("Kept", bound=Numbered)


class History(Generic[Kept]):
    """The findings, or the calipers, of one CT as they are now, with undo and redo."""

    def __init__(self) -> None:
        self.now: tuple[Kept, ...] = ()
        self._past: list[tuple[Kept, ...]] = []
        self._future: list[tuple[Kept, ...]] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether a step taken back can be done again."""
        return bool(self._future)

    @property
    def ever(self) -> Iterator[Kept]:
        """All that stood in some step, the newest step first."""
        for step in (self.now, *reversed(self._past), *self._future):
            yield from step

    def change(self, now: tuple[Kept, ...]) -> None:
        """Take a step."""
        self._past.append(self.now)
        self._future.clear()
        self.now = now

    def undo(self) -> None:
        """Take the last step back, if there is one."""
        if self._past:
            self._future.append(self.now)
            self.now = self._past.pop()

    def redo(self) -> None:
        """Do again what was taken back, if anything was."""
        if self._future:
            self._past.append(self.now)
            self.now = self._future.pop()

    def next_label(self) -> int:
        """The smallest number that none has."""
        return free_label(self.now)


def free_label(kept: Collection[Numbered]) -> int:
    """The smallest number that none has."""
    taken = {each.label for each in kept}
    return next(n for n in range(1, len(taken) + 2) if n not in taken)


@dataclass(eq=False, repr=False)
class Case:
    """One CT layer and everything that belongs to it.

    Parameters
    ----------
    layer, volume
        The CT as shown and as a noun.
    lungs : (z, y, x) uint8 or None
        Labels of `data.labels`.
    lung_ml : mapping or None
        Millilitres by side.
    lungs_told : str
        How they were found.
    made : dict
        Layers the plugin added for this CT, by what they are ("Lungs", "CLAHE", "Decoded", …).
    masks : dict
        Labels layer of each finding, by its number.
    described : mapping
        What the model said of a marked nodule; kept while an undo may bring it back.
    pictures : mapping
        Pictures of a marked nodule and its twins, kept alike.
    saved : set
        Marked nodules whose mask or measurements were saved.
    bars : mapping
        Error bars by what was marked.
    answers : mapping
        What was answered for a follow-up guideline; kept in memory only, and by no name.
    nodule_answers : mapping
        The same about one nodule, by what was marked.
    scored : Scored or None
        What the slice model said of it.
    calipers : History
        The calipers drawn on it.
    chosen_caliper : int or None
        The number of one of them.
    """

    layer: Image
    volume: Volume
    lungs: NDArray[np.uint8] | None = None
    lung_ml: dict[str, float] | None = None
    lungs_told: str = ""
    history: History[Finding] = field(default_factory=History)
    selected: int | None = None
    made: dict[str, Layer] = field(default_factory=dict)
    masks: dict[int, Labels] = field(default_factory=dict)
    described: WeakKeyDictionary[Marked, Described] = field(default_factory=WeakKeyDictionary)
    pictures: WeakKeyDictionary[Marked, Pictures] = field(default_factory=WeakKeyDictionary)
    saved: set[Marked] = field(default_factory=set)
    bars: WeakKeyDictionary[Marked, ErrorBars] = field(default_factory=WeakKeyDictionary)
    answers: dict[str, Any] = field(default_factory=dict)
    nodule_answers: WeakKeyDictionary[Marked, dict[str, Any]] = field(
        default_factory=WeakKeyDictionary
    )
    scored: Scored | None = None
    calipers: History[MeasuredCaliper] = field(default_factory=History)
    chosen_caliper: int | None = None

    @property
    def in_hu(self) -> list[Layer]:
        """The layers that show its slices in HU: the CT, and the enhanced views of it."""
        return [self.layer, *(self.made[what] for what in ENHANCED if what in self.made)]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings as they are now."""
        return self.history.now

    @property
    def finding(self) -> Finding | None:
        """The selected finding."""
        return next((f for f in self.findings if f.label == self.selected), None)

    def description_of(self, finding: Finding | None) -> Described | None:
        """What the model said of a finding, if it has."""
        return None if finding is None else self.described.get(finding.marked)

    def bars_of(self, finding: Finding | None) -> ErrorBars | None:
        """A finding's error bars, if they are there."""
        return None if finding is None else self.bars.get(finding.marked)

    def context_of(self, finding: Finding) -> Context:
        """What was answered about the patient and a finding; two findings are several nodules."""
        several = {"several": True} if len(self.findings) > 1 else {}
        mine = self.nodule_answers.get(finding.marked, {})
        return Context.of({**self.answers, **several, **mine})

    def pictures_of(self, finding: Finding | None) -> Pictures | None:
        """Pictures of a finding and its twins, if they are there."""
        return None if finding is None else self.pictures.get(finding.marked)

    def unsaved(self) -> tuple[Finding, ...]:
        """Findings that were never saved."""
        return tuple(f for f in self.findings if f.marked not in self.saved)

    def world(self, voxel: Any) -> NDArray[np.float64]:
        """Where a voxel (z, y, x) lies in napari's world, (z, y, x) mm."""
        return np.asarray(self.layer.data_to_world(voxel))

    def voxel(self, world: Any) -> NDArray[np.float64]:
        """Fractional voxel (z, y, x) at a point of napari's world, (z, y, x) mm."""
        return np.asarray(self.layer.world_to_data(world))
