"""What a comparison with a prior runs in its jobs' threads; heavy imports happen here."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.pairing import Sized
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.work import examine

if TYPE_CHECKING:
    from napari_vaemed.data.rigid import RigidTransform
    from napari_vaemed.workflow.examine import Marked
    from napari_vaemed.workflow.prior import Followed

Lungs = NDArray[np.uint8] | None
WORKFLOW = "napari_vaemed.workflow.prior"


@dataclass(frozen=True, eq=False)
class Laid:
    """A prior laid on a CT.

    Parameters
    ----------
    transform : RigidTransform
        From the CT's points to the prior's.
    hu : (z, y, x) int16
        The prior on the CT's voxels.
    days : float or None
        Between the scans, as far as their files tell.
    """

    transform: RigidTransform
    hu: NDArray[np.int16]
    days: float | None


def lay(
    current: Volume, prior: Volume, lungs: tuple[Lungs, Lungs], paths: tuple[Path, Path] | None
) -> Work[Laid]:
    """Lay a prior on a CT by the lungs."""
    yield Progress("Laying the prior on the CT")
    examine()  # torch comes in by its one door
    import napari_vaemed.workflow.prior  # noqa: F401  # for `follow`, in the window's thread
    from napari_vaemed.io.scan_days import days_between
    from napari_vaemed.segmentation.registration import register_rigid, resample_onto

    transform = yield from register_rigid(current, prior, *lungs)
    days = None
    if paths is not None:
        days = yield from days_between(paths, (current.series_uid, prior.series_uid))
    return Laid(transform, (yield from resample_onto(prior, current, transform)), days)


def follow(
    now: Sequence[Sized],
    before: Sequence[Sized],
    transform: RigidTransform,
    days: float | None,
    by_hand: Mapping[int, int | None],
) -> tuple[Followed, ...]:
    """Pair findings and say what changed; quick, and only after `lay` has run."""
    found: tuple[Followed, ...] = sys.modules[WORKFLOW].follow(
        now, before, transform, days=days, by_hand=by_hand
    )
    return found


def doubts(current: Volume, prior: Volume, days: float | None) -> tuple[str, ...]:
    """What speaks against comparing two scans; only after `lay` has run."""
    said: tuple[str, ...] = sys.modules[WORKFLOW].doubts(current, prior, days)
    return said


def mark_on_prior(
    prior: Volume, transform: RigidTransform, lonely: Sequence[Sized], lungs: Lungs
) -> Work[tuple[Marked, ...]]:
    """Outline on the prior what lies at the places of these findings of the CT."""
    yield Progress("Looking on the prior")
    examine()
    from napari_vaemed.workflow.prior import mark_on_prior as mark

    found = []
    for done, finding in enumerate(lonely):
        yield Progress("Looking on the prior", done, len(lonely))
        marked = mark(prior, transform, finding, lungs)
        if marked is not None:
            found.append(marked)
    return tuple(found)


def lay_masks(
    masks: Sequence[tuple[int, NoduleMask]],
    prior: Volume,
    current: Volume,
    transform: RigidTransform,
) -> Work[list[tuple[int, NoduleMask]]]:
    """Masks of the prior on the CT's voxels, by their numbers; those outside are left out."""
    from napari_vaemed.segmentation.registration import lay_mask

    laid: list[Any] = []
    for done, (label, mask) in enumerate(masks):
        yield Progress("Laying outlines", done, len(masks))
        laid.append((label, lay_mask(mask, prior, current, transform)))
    return [(label, mask) for label, mask in laid if mask is not None]
