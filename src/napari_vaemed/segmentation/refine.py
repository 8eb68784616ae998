"""Hints that correct a nodule's mask: voxels that belong to it or do not, and a box around it.

The mask is where a field of log odds is positive: the click network's, or how far each voxel's HU
lies on the nodule's side. Hints are observations of that field. Between them it is changed as a
Gaussian process would be, given what it was before (simple kriging; Rasmussen & Williams, 2006,
ch. 2): fully at a hint, less the farther away and the less alike in HU, so that a change stays
local, and cuts along edges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.linalg import cho_factor, cho_solve

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume

Points = NDArray[np.int_]
Index = tuple[int, int, int]
Where = tuple[slice, slice, slice]
Field = NDArray[np.float32]
Belief = Callable[[Where], Field]
"""Log odds of each voxel of a box of the volume being nodule; nan where nothing is known."""

MARGIN_MM = 10.0
"""The mask may change so far beyond what it was, or beyond a hint."""

SURE = 1.0
"""Log odds that a hint gives its voxel."""

STRONGEST = 6.0
"""Log odds are cut to this: a hint outweighs any belief at its place."""

REACH = 0.55
"""Of a hint, in radii of a ball with the mask's volume."""

LEAST_REACH_MM, MOST_REACH_MM = 1.0, 8.0
ALIKE_HU = 400.0
"""Of two voxels that differ so much one says little of the other."""

MOST_MOVED = 1.5
"""Log odds; so far the border moves at most to fill a drawn box."""

MOST_POINTS = 60
"""A scribble with more voxels is thinned for the solution; all of them are held to."""


@dataclass(frozen=True, eq=False)
class Hints:
    """What a person says of a mask's surroundings, in voxel indices (z, y, x) of the volume.

    Parameters
    ----------
    inside, outside : (n, 3) int
        Voxels of the nodule, and voxels that are none of it: clicks, or a scribble's.
    box : pair of (z, y, x) or None
        First and last voxel of a box that holds the whole nodule. A box drawn on one slice has
        that slice twice: it bounds the nodule on all slices, and fits it on that one.
    """

    inside: Points
    outside: Points
    box: tuple[Index, Index] | None = None

    @classmethod
    def of(
        cls,
        inside: ArrayLike = (),
        outside: ArrayLike = (),
        box: ArrayLike | None = None,
    ) -> Hints:
        """Hints at fractional voxel indices, (n, 3) each, and two opposite corners of a box."""
        corners = None
        if box is not None:
            ends = np.sort(_voxels(box), axis=0).tolist()
            corners = (tuple(ends[0]), tuple(ends[1]))
        return cls(_voxels(inside), _voxels(outside), corners)

    def __len__(self) -> int:
        return len(self.inside) + len(self.outside) + (self.box is not None)

    def then(self, newer: Hints) -> Hints:
        """These hints and newer ones; where two speak of one voxel, the newer holds."""
        said = {tuple(v) for v in np.concatenate([newer.inside, newer.outside])}
        kept = [[v for v in old if tuple(v) not in said] for old in (self.inside, self.outside)]
        inside, outside = (
            _voxels([*old, *new])
            for old, new in zip(kept, (newer.inside, newer.outside), strict=True)
        )
        return replace(newer, inside=inside, outside=outside, box=newer.box or self.box)


class NothingLeft(ValueError):
    """Hints leave no voxel of a nodule."""


def refine(
    volume: Volume, mask: NoduleMask, hints: Hints, belief: Belief | None = None
) -> NoduleMask:
    """Correct a mask by hints; every hint holds, and what is far from all of them stays.

    Parameters
    ----------
    belief : function from a box of the volume to log odds, optional
        Such as `learned_click.belief_about`; where it knows nothing, and without one, HU tell.

    Raises
    ------
    NothingLeft
        When the hints rule out all of it.
    ValueError
        When a hint lies outside the volume.
    """
    _check(volume, hints)
    where = _around(volume, mask, hints)
    inside = _placed(mask, where)
    hu = volume.hu[where].clip(-1000, 100).astype(np.float32)
    odds = _odds_by_hu(hu, inside, volume.spacing)
    if belief is not None:
        known = belief(where)
        odds = np.where(np.isnan(known), odds, known)
    odds = _agreeing(odds.clip(-STRONGEST, STRONGEST), inside)
    start = np.array([w.start for w in where])
    radius = (3 / (4 * np.pi) * inside.sum() * volume.voxel_mm3) ** (1 / 3)
    if hints.box is not None:
        odds = _fitted(odds, hints.box, start)
    near, far = hints.inside - start, hints.outside - start
    changed = _observed(odds, hu, near, far, np.asarray(volume.spacing), radius)
    found = changed > 0
    found[tuple(near.T)], found[tuple(far.T)] = True, False
    return _kept(found, inside, near, start)


def _voxels(points: ArrayLike) -> Points:
    index: Points = np.rint(np.asarray(points, float)).astype(int).reshape(-1, 3)
    return index


def _check(volume: Volume, hints: Hints) -> None:
    every = np.concatenate([hints.inside, hints.outside])
    if len(every) and ((every < 0).any() or (every >= volume.shape).any()):
        raise ValueError("A hint lies outside the scan. Click on the scan.")


def _around(volume: Volume, mask: NoduleMask, hints: Hints) -> Where:
    """The box of the volume in which the mask may change."""
    ends = np.add(mask.start, mask.voxels.shape) - 1
    every = np.concatenate([[mask.start, ends], hints.inside, hints.outside])
    if hints.box is not None:
        corners = np.where(np.equal(*hints.box), every[0], hints.box)
        every = np.concatenate([every, corners])
    margin = np.ceil(MARGIN_MM / np.asarray(volume.spacing)).astype(int)
    low = np.maximum(every.min(axis=0) - margin, 0)
    high = np.minimum(every.max(axis=0) + margin + 1, volume.shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def _placed(mask: NoduleMask, where: Where) -> NDArray[np.bool_]:
    """The mask in a box that holds it."""
    inside = np.zeros([w.stop - w.start for w in where], bool)
    low = [a - w.start for a, w in zip(mask.start, where, strict=True)]
    z, y, x = (slice(a, a + n) for a, n in zip(low, mask.voxels.shape, strict=True))
    inside[z, y, x] = mask.voxels
    return inside


def _odds_by_hu(hu: Field, inside: NDArray[np.bool_], spacing: tuple[float, float, float]) -> Field:
    """Log odds from HU between the nodule's and its surroundings', less with distance."""
    smooth = ndimage.gaussian_filter(hu, 0.5 / np.asarray(spacing))
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    shell = smooth[(away > 0) & (away <= 4)]
    within = float(np.median(smooth[inside]))
    without = float(np.percentile(shell, 25)) if shell.size else -850.0
    contrast = max(within - without, 100.0)
    odds: Field = (STRONGEST * (smooth - (within + without) / 2) / contrast - 0.5 * away).astype(
        np.float32
    )
    return odds


def _agreeing(odds: Field, inside: NDArray[np.bool_]) -> Field:
    """Log odds on the present mask's side; where they were not, a hint changes them most easily."""
    least = np.float32(0.25)
    return np.where(inside, np.maximum(odds, least), np.minimum(odds, -least))


def _observed(
    odds: Field,
    hu: Field,
    inside: Points,
    outside: Points,
    spacing: NDArray[np.float64],
    radius: float,
) -> Field:
    """The field given what is known of it at the hints."""
    near, far = _thinned(inside), _thinned(outside)
    points = np.concatenate([near, far])
    if not len(points):
        return odds
    reach = float(np.clip(REACH * radius, LEAST_REACH_MM, MOST_REACH_MM))
    wanted = np.concatenate([
        np.maximum(odds[tuple(near.T)], SURE), np.minimum(odds[tuple(far.T)], -SURE),
    ])  # fmt: skip
    there = hu[tuple(points.T)].astype(np.float64)
    apart = np.square((points[:, None] - points) * spacing / reach).sum(-1)
    apart += np.square((there[:, None] - there) / ALIKE_HU)
    kernel = np.exp(-apart / 2) + 1e-3 * np.eye(len(points))
    weights = cho_solve(cho_factor(kernel), wanted - odds[tuple(points.T)])

    changed = odds.copy()
    low = np.maximum(points.min(axis=0) - np.ceil(3 * reach / spacing), 0).astype(int)
    high = np.ceil(points.max(axis=0) + 3 * reach / spacing).astype(int) + 1
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    here = hu[part]
    for point, value, weight in zip(points - low, there, weights, strict=True):
        z, y, x = (
            np.square((np.arange(n) - p) * s / reach, dtype=np.float32)
            for n, p, s in zip(here.shape, point, spacing, strict=True)
        )
        away = z[:, None, None] + y[:, None] + x + np.square((here - np.float32(value)) / ALIKE_HU)
        changed[part] += np.float32(weight) * np.exp(away / -2)
    return changed


def _thinned(points: Points) -> Points:
    step = -(-len(points) // MOST_POINTS)
    return points[:: max(step, 1)]


def _fitted(odds: Field, box: tuple[Index, Index], start: NDArray[np.int_]) -> Field:
    """The field moved so that the mask fills a drawn box best, and nothing is beyond it."""
    first, last = np.array(box) - start
    flat = first == last
    within = tuple(
        slice(None) if any_place else slice(max(a, 0), max(b + 1, 0))
        for any_place, a, b in zip(flat, first, last, strict=True)
    )
    shown = tuple(
        slice(a, a + 1) if one_place else slice(None)
        for one_place, a in zip(flat, first, strict=True)
    )
    field = odds[within]
    levels = sorted(np.linspace(-MOST_MOVED, MOST_MOVED, 25), key=abs)
    level = max(levels, key=lambda v: _filling(field[shown] > v))
    fitted = np.full_like(odds, -STRONGEST)
    fitted[within] = field - np.float32(level)
    return fitted


def _filling(found: NDArray[np.bool_]) -> float:
    """How much of a drawn box the extent of a mask in it fills."""
    if not found.any():
        return 0.0
    index = np.argwhere(found)
    return float(np.prod(np.ptp(index, axis=0) + 1) / found.size)


def _kept(
    found: NDArray[np.bool_], before: NDArray[np.bool_], hinted: Points, start: NDArray[np.int_]
) -> NoduleMask:
    """The pieces that hints lie in, and the one that holds most of the mask as it was."""
    pieces, count = ndimage.label(found)
    if count == 0:
        raise NothingLeft("Nothing is left of it. Take the last step back, or remove the finding.")
    shares = np.bincount(pieces[before], minlength=count + 1)
    shares[0] = 0
    wanted = {*pieces[tuple(hinted.T)].tolist(), int(shares.argmax())} - {0}
    kept = NoduleMask.of(np.isin(pieces, list(wanted)))
    z, y, x = (int(a) + b for a, b in zip(start, kept.start, strict=True))
    return NoduleMask(kept.voxels, (z, y, x))
