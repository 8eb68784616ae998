"""What the mask desk's jobs run, each in a job's thread; heavy imports happen here, not before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.mask_check import MaskCheck
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume

if TYPE_CHECKING:
    from napari_vaemed.io.journal import Entry
    from napari_vaemed.io.mask_pairs import MaskPair, MaskPairs
    from napari_vaemed.segmentation.mask_edit import Edit
    from napari_vaemed.workflow.check_masks import CheckedMask

Labels = NDArray[np.integer]
ONLY_FIRST, ONLY_SECOND = 1, 2
"""Labels of a difference."""


@dataclass(frozen=True, eq=False)
class OpenedPair:
    """A pair of a folder, checked, and what the journal says of it already."""

    checked: CheckedMask
    mask_sha256: str = ""
    said: Entry | None = None


@dataclass(frozen=True, eq=False)
class Judged:
    """A verdict as written, and where the edited mask was saved, if it was edited."""

    entry: Entry
    saved: Path | None = None


def find_pairs(folder: Path, journal: Path) -> Work[MaskPairs]:
    """The pairs of a folder; a journal that is none of ours is refused before any work."""
    yield Progress("Looking for pairs")
    from napari_vaemed.io.journal import read_journal
    from napari_vaemed.io.mask_pairs import find_mask_pairs

    read_journal(journal)
    return find_mask_pairs(folder)


def open_pair(pair: MaskPair, of: str | None, journal: Path) -> Work[OpenedPair]:
    """Read a pair, check it, and look whether it has been judged."""
    yield Progress("Opening the next mask")
    from napari_vaemed.io.journal import mask_sha256, read_journal
    from napari_vaemed.workflow.check_masks import check_pair

    checked = yield from check_pair(pair, of)
    if checked.labels is None:
        return OpenedPair(checked)
    sha = mask_sha256(checked.labels)
    said = [entry for entry in read_journal(journal).standing if entry.mask_sha256 == sha]
    return OpenedPair(checked, sha, said[-1] if said else None)


def check(
    ct: Volume | None, first: Volume, second: Volume | None, of: str | None
) -> Work[MaskCheck]:
    """Flags of a mask where its CT is open, and its scores where there is a second one."""
    yield Progress("Checking the mask")
    from napari_vaemed.workflow.check_masks import check_on_ct, compare_masks

    if ct is not None:
        checked = yield from check_on_ct(ct, first, of, reference=second)
        return checked.check
    if second is not None:
        return (yield from compare_masks(first, second))
    raise ValueError("Open the CT of this mask for its flags, or choose a second mask.")


def edit(
    labels: Labels, label: int, how: str, spacing: tuple[float, float, float], radius_mm: float
) -> Edit:
    """The voxels that an edit changes."""
    from napari_vaemed.segmentation.mask_edit import edit_label

    return edit_label(labels, label, how, spacing, radius_mm)


def difference(first: Labels, second: Labels) -> NDArray[np.uint8]:
    """Where two masks differ: `ONLY_FIRST`, `ONLY_SECOND`; another label counts as the first's."""
    differs = first != second
    return np.where(differs, np.where(first > 0, ONLY_FIRST, ONLY_SECOND), 0).astype(np.uint8)


def consensus(masks: Sequence[NDArray[np.bool_]], how: str) -> tuple[NDArray[np.uint8], str]:
    """Several readers' masks as one, and what is to be said of it."""
    from napari_vaemed.decision.consensus import majority, staple

    if how == "majority":
        marked = majority(masks)
        return marked.astype(np.uint8), f"Marked by at least half of {len(masks)} readers."
    found = staple(masks)
    rates = "; ".join(
        f"{n}: {a:.2f}, {b:.2f}"
        for n, (a, b) in enumerate(zip(found.sensitivity, found.specificity, strict=True), 1)
    )
    return found.mask.astype(np.uint8), f"Sensitivity, specificity of each reader: {rates}."


def all_pairs(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Dice (n, n) of every reader's mask with every other."""
    from napari_vaemed.segmentation.mask_scores import pairwise_dice

    return pairwise_dice(masks)


def judge(
    journal: Path,
    verdict: str,
    comment: str,
    case: str,
    image: Path | None,
    labels: Labels,
    opened_as: str,
    volume: Volume | None,
) -> Work[Judged]:
    """Write a verdict; a mask edited since it was opened is saved beside the journal first.

    Parameters
    ----------
    case : str
        Empty unless the person wants the name written.
    image : Path or None
        The CT's file or folder.
    labels : (z, y, x)
        The mask as it is judged.
    opened_as : str
        SHA-256 of the mask as it was opened; empty where it did not come from a folder.
    volume : Volume or None
        The CT, for the grid of an edited mask.
    """
    yield Progress("Writing the verdict")
    from napari_vaemed.io.journal import Entry, append_entry, file_sha256, mask_sha256
    from napari_vaemed.io.volumes import write_mask

    sha, saved = mask_sha256(labels), None
    if opened_as and sha != opened_as and volume is not None:
        saved = journal.parent / "corrected" / f"{sha[:16]}.nii.gz"
        saved.parent.mkdir(exist_ok=True)
        write_mask(saved, labels, volume)
    entry = Entry(
        "masks",
        verdict,
        comment,
        case=case,
        file_sha256="" if image is None else file_sha256(image),
        mask_sha256=sha,
    )
    return Judged(append_entry(journal, entry), saved)


def withdraw(journal: Path, entry: Entry) -> Entry:
    """Take a verdict back."""
    from napari_vaemed.io import journal as journals

    return journals.withdraw(journal, entry)
