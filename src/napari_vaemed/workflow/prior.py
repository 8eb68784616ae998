"""A CT and an earlier one of the same patient: laid on each other, their findings paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vaemed.data.interval import Interval
from napari_vaemed.data.pairing import WITHIN_MM, Pair, Sized, pair_by_place
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.rigid import RigidTransform
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.scan_days import days_between
from napari_vaemed.segmentation.growth import Change, change_of
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.segmentation.registration import register_rigid
from napari_vaemed.workflow.examine import Marked, mark
from napari_vaemed.workflow.measured import error_bars

NEW, GONE = "new", "not there any more"
"""What is said of a finding on one scan alone."""
LIKE_SIZE = 2.5
"""What is found at a nodule's place on the prior is it, if their diameters differ by less."""
REACH_MM = 5.0


@dataclass(frozen=True)
class Followed:
    """One nodule on the two scans, or on one of them.

    Parameters
    ----------
    pair : Pair
    now, before : Sized or None
    change : Change or None
        None where it is on one scan alone.
    """

    pair: Pair
    now: Sized | None
    before: Sized | None
    change: Change | None

    @property
    def verdict(self) -> str:
        """`NEW`, `GONE`, or the change's."""
        if self.change is not None:
            return self.change.verdict
        return NEW if self.before is None else GONE


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two scans laid on each other, and their nodules.

    Parameters
    ----------
    transform : RigidTransform
        From the current scan's points to the prior's.
    followed : tuple of Followed
    days : float or None
        Between the scans.
    warnings : tuple of str
        What speaks against comparing them, in plain words.
    """

    transform: RigidTransform
    followed: tuple[Followed, ...]
    days: float | None = None
    warnings: tuple[str, ...] = ()


def follow(
    current: Sequence[Sized],
    prior: Sequence[Sized],
    transform: RigidTransform,
    *,
    days: float | None = None,
    within_mm: float = WITHIN_MM,
    by_hand: Mapping[int, int | None] | None = None,
) -> tuple[Followed, ...]:
    """Pair the findings of two scans by place, and say what changed.

    Parameters
    ----------
    current, prior : sequence of Sized
        Each at the coordinates of its own scan.
    transform : RigidTransform
        From the current scan's points to the prior's.
    days, within_mm, by_hand
        See `change_of` and `pair_by_place`.
    """
    back = transform.inverse()
    now, before = ({each.label: each for each in some} for some in (current, prior))
    pairs = pair_by_place(
        {n: each.centre_mm for n, each in now.items()},
        {n: back(each.centre_mm) for n, each in before.items()},
        within_mm,
        by_hand,
    )
    return tuple(_followed(pair, now, before, days) for pair in pairs)


def mark_on_prior(
    prior: Volume,
    transform: RigidTransform,
    now: Sized,
    lungs: NDArray[np.uint8] | None = None,
) -> Marked | None:
    """Outline what lies at a current finding's place on the prior; None where nothing like it does.

    Clicked are the place itself and those 5 mm beside it along each axis, in this order; what is
    outlined has to reach the place to within `WITHIN_MM`, and to be of like size.
    """
    place = transform(now.centre_mm)
    for offset in (np.zeros(3), *(np.eye(3) * REACH_MM), *(np.eye(3) * -REACH_MM)):
        voxel = prior.to_voxel(place + offset)
        if not prior.contains(voxel):
            continue
        try:
            marked = mark(prior, voxel, lungs)
        except NoNodule:
            continue
        apart = np.linalg.norm(np.subtract(marked.measurement.centre_mm, place))
        ratio = marked.measurement.mean_mm / now.mean_mm.value
        if apart <= WITHIN_MM and 1 / LIKE_SIZE <= ratio <= LIKE_SIZE:
            return marked
    return None


def compare_scans(
    current: Volume,
    prior: Volume,
    at: Sequence[ArrayLike] | Sequence[Sized],
    prior_at: Sequence[ArrayLike] | Sequence[Sized] = (),
    *,
    paths: tuple[Path, Path] | None = None,
    days: float | None = None,
    within_mm: float = WITHIN_MM,
) -> Work[Comparison]:
    """Lay a prior on a CT, mark the nodules on both, pair and compare them.

    Parameters
    ----------
    at, prior_at : sequence of (x, y, z), or of Sized
        Where nodules lie on each scan, LPS mm, or findings measured before. Nodules of the
        current scan that none of the prior's lies near are looked for there.
    paths : pair of Path, optional
        Where the scans were read from, to learn the days between them.
    days : float, optional
        Between the scans, instead.

    Raises
    ------
    NotRegistered
        The scans cannot be laid on each other.
    NoNodule
        There is none at one of the places.
    """
    transform = yield from register_rigid(current, prior)
    if days is None and paths is not None:
        days = yield from days_between(paths, (current.series_uid, prior.series_uid))
    now = yield from _sized(current, at)
    before = yield from _sized(prior, prior_at)
    lonely = [
        each.now
        for each in follow(now, before, transform, within_mm=within_mm)
        if each.now is not None and each.before is None
    ]
    for done, finding in enumerate(lonely):
        yield Progress("Looking on the prior", done, len(lonely))
        marked = mark_on_prior(prior, transform, finding)
        if marked is not None and not _known(before, marked):
            bars = yield from error_bars(prior, marked)
            number = max((each.label for each in before), default=0) + 1
            before.append(Sized.of(number, marked.measurement, bars))
    followed = follow(now, before, transform, days=days, within_mm=within_mm)
    return Comparison(transform, followed, days, doubts(current, prior, days))


def doubts(current: Volume, prior: Volume, days: float | None = None) -> tuple[str, ...]:
    """What speaks against comparing two scans; identifiers are compared and never told."""
    said = []
    if current.patient and prior.patient and current.patient != prior.patient:
        said.append("The two scans name different patients.")
    if current.series_uid and current.series_uid == prior.series_uid:
        said.append("Both are the same series.")
    if days is not None and days <= 0:
        said.append("The prior is not older than the CT.")
    return tuple(said)


def followed_values(each: Followed) -> dict[str, Any]:
    """One nodule's comparison as plain values; None where not known."""
    change = each.change
    growth = None if change is None else change.growth
    return {
        "current": each.pair.current,
        "prior": each.pair.prior,
        "verdict": each.verdict,
        "apart_mm": _rounded(each.pair.apart_mm, 1),
        "linked_by_hand": each.pair.by_hand,
        **_interval("mean_mm", None if each.now is None else each.now.mean_mm),
        **_interval("prior_mean_mm", None if each.before is None else each.before.mean_mm),
        **_interval("mean_change_mm", None if change is None else change.mean_mm),
        **_interval("volume_mm3", None if each.now is None else each.now.volume_mm3, 1),
        **_interval("prior_volume_mm3", None if each.before is None else each.before.volume_mm3, 1),
        **_interval("volume_ratio", None if change is None else change.ratio),
        **{
            name: None if growth is None else _rounded(getattr(growth, name), 0)
            for name in ("doubling_days", "shortest_days", "longest_days")
        },
    }


def _followed(
    pair: Pair, now: Mapping[int, Sized], before: Mapping[int, Sized], days: float | None
) -> Followed:
    one = None if pair.current is None else now[pair.current]
    other = None if pair.prior is None else before[pair.prior]
    days = None if days is None or days <= 0 else days
    change = None if one is None or other is None else change_of(one, other, days)
    return Followed(pair, one, other, change)


def _sized(volume: Volume, at: Sequence[Any]) -> Work[list[Sized]]:
    """Findings as they are; places marked and measured."""
    found = []
    for number, place in enumerate(at, 1):
        if isinstance(place, Sized):
            found.append(place)
            continue
        yield Progress("Measuring nodules", number - 1, len(at))
        marked = mark(volume, volume.to_voxel(place))
        bars = yield from error_bars(volume, marked)
        found.append(Sized.of(number, marked.measurement, bars))
    return found


def _known(findings: Sequence[Sized], marked: Marked) -> bool:
    """Whether something marked is one of these findings already."""
    centre, reach = marked.measurement.centre_mm, marked.measurement.longest_mm / 2
    return any(np.linalg.norm(np.subtract(f.centre_mm, centre)) <= reach for f in findings)


def _interval(name: str, interval: Interval | None, digits: int = 2) -> dict[str, float | None]:
    ends = {"": "value", "_low": "low", "_high": "high"}
    known = {end: None if interval is None else getattr(interval, which)
             for end, which in ends.items()}  # fmt: skip
    return {f"{name}{end}": _rounded(value, digits) for end, value in known.items()}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
