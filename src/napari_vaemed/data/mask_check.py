"""What is said of a mask: how it agrees with another, and what looks wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EMPTY = "empty"
WRONG_GRID = "wrong grid"
SWAPPED = "left and right swapped"
HOLES = "holes"
ISLANDS = "islands"
LEAK = "outside the body"
AIR = "air fraction"
VOLUME = "lung volume"
OUTSIDE_LUNGS = "outside the lungs"
SIZE = "implausible size"
BORDER = "touches the border"
UNREADABLE = "unreadable"

LUNGS, NODULES = "lungs", "nodules"
KINDS = (LUNGS, NODULES)
"""What a mask can be of; each has flags of its own."""


@dataclass(frozen=True)
class LabelScores:
    """How one label of two masks agrees; NaN where one of them is empty.

    Parameters
    ----------
    label : int
    dice, iou : float
        0 to 1.
    surface_dice_1mm, surface_dice_3mm : float
        Share of both surfaces that lies within so many mm of the other, 0 to 1.
    hausdorff95_mm : float
        95 % of each surface lies at least as near to the other.
    first_ml, second_ml : float
        Volumes.
    worst_slice : int or None
        The axial slice (z) of lowest Dice; of several the one that differs in most voxels.
    worst_slice_dice : float
    farthest_slice : int or None
        The axial slice (z) where one surface lies farthest from the other.
    farthest_mm : float
        How far.
    """

    label: int
    dice: float
    iou: float
    surface_dice_1mm: float
    surface_dice_3mm: float
    hausdorff95_mm: float
    first_ml: float
    second_ml: float
    worst_slice: int | None
    worst_slice_dice: float
    farthest_slice: int | None
    farthest_mm: float


@dataclass(frozen=True)
class Flag:
    """One thing that looks wrong with a mask.

    Parameters
    ----------
    kind : str
        One of this module's names: `EMPTY`, `HOLES`, …
    text : str
        What was seen and what was expected, in a sentence.
    label : int
        The label it is about; 0 for the whole mask.
    slice_index : int or None
        The axial slice (z) that shows it best.
    """

    kind: str
    text: str
    label: int = 0
    slice_index: int | None = None


@dataclass(frozen=True)
class MaskCheck:
    """All that was found out about one mask.

    Parameters
    ----------
    case : str
        What the pair is called in its folder; empty where nothing may be said.
    of : str
        One of `KINDS`.
    flags : tuple of Flag
        Empty when nothing looks wrong.
    volumes_ml : mapping of int to float
        Volume of each label in ml.
    scores : tuple of LabelScores
        One entry a label, where there was a mask to compare it with.
    """

    case: str
    of: str
    flags: tuple[Flag, ...]
    volumes_ml: Mapping[int, float] = field(default_factory=dict)
    scores: tuple[LabelScores, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its flags, each once, in their order."""
        return tuple(dict.fromkeys(flag.kind for flag in self.flags))
