"""A nodule's axial sections finer than its voxels, without what is thin beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data import diameters as calipers
from napari_vaemed.data.diameters import Points
from napari_vaemed.segmentation.partial_volume import Filled

FINER = 3
"""Samples a pixel."""

THIN_AT_CONTACT = 0.9
"""As `diameters.THIN`, where a vessel runs into the nodule: it is cut off there."""

LOWEST_LEVEL = 0.3
LARGEST = 3
"""The largest disc is looked for in so many sections."""


@dataclass(frozen=True, eq=False)
class Section:
    """One axial section, `FINER` samples a pixel.

    Parameters
    ----------
    inside, contact : (y, x) bool
        The nodule, and where a vessel runs into it.
    low : (y, x) int
        Index of its first voxel in the volume.
    """

    inside: NDArray[np.bool_]
    contact: NDArray[np.bool_]
    low: NDArray[np.int_]

    def outline(self, inside: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Points:
        """The convex outline of part of it, in mm of the volume."""
        at = calipers.outermost(inside)
        return calipers.convex_outline(((at + 0.5) / FINER - 0.5 + self.low) * spacing)

    def without_thin(self, half: float, step: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Its largest piece without what is thin beside a nodule ``half`` mm thick to one side."""
        opened = calipers.opened(self.inside, calipers.thin_radius(half), step)
        if self.contact.any():
            core = calipers.opened(opened, calipers.thin_radius(half, THIN_AT_CONTACT), step)
            beside, _ = ndimage.label(opened & ~core, np.ones((3, 3)))
            joined = np.unique(beside[self.contact & (beside > 0)])
            opened = opened & ~np.isin(beside, joined[joined > 0])
        pieces, count = ndimage.label(opened)
        if count < 2:
            return opened
        largest: NDArray[np.bool_] = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
        return largest


def outlines(fill: Filled, spacing: NDArray[np.float64]) -> dict[int, Points]:
    """Convex outlines (mm) by slice of the sections that can be the longest, thin things left out.

    Empty where nothing is half filled. Where all of it is thin, nothing is left out.
    """
    step = spacing / FINER
    some = [int(z) for z in np.flatnonzero((fill.share >= 0.5).any(axis=(1, 2)))]
    at = cache(lambda z: _section(fill, z))
    largest = sorted(some, key=lambda z: -float(fill.share[z].sum()))[:LARGEST]
    half = calipers.half_thickness([at(z).inside for z in largest], step)
    room = float(np.linalg.norm(spacing))  # what a section may gain by becoming finer
    reach = {z: calipers.most_reach(fill.share[z] >= 0.5, spacing) + room for z in some}
    found: dict[int, Points] = {}
    longest = 0.0
    for z in sorted(some, key=lambda z: -reach[z]):
        if reach[z] <= longest:
            break
        left = at(z).without_thin(half, step)
        if left.any():
            found[z] = at(z).outline(left, spacing)
            longest = max(longest, calipers.reach(found[z]))
    return found or {z: at(z).outline(at(z).inside, spacing) for z in some}


def _section(fill: Filled, z: int) -> Section:
    share = fill.share[z]
    rows, columns = np.nonzero(share >= 0.5)
    low = np.maximum([rows.min() - 1, columns.min() - 1], 0)
    where = slice(low[0], rows.max() + 2), slice(low[1], columns.max() + 2)
    cut = np.pad(share[where], 1)
    fine = ndimage.zoom(cut, FINER, order=1, grid_mode=True, mode="nearest") >= _level(cut)
    joined = np.pad(fill.vessels[z][where], 1)
    contact = np.zeros_like(fine)
    if joined.any():
        joined = joined.repeat(FINER, axis=0).repeat(FINER, axis=1)
        contact = ndimage.binary_dilation(joined, iterations=FINER - 1)
    return Section(ndimage.binary_fill_holes(fine), contact, low - 1 + fill.start[1:])


def _level(share: NDArray[np.float32]) -> float:
    """The share above which as many voxels lie as the section fills.

    Half a share lies inside the border of what is small: blur takes more from a round border's
    inside than it adds beyond it.
    """
    filled = round(float(share.sum()))
    ordered = np.sort(share, axis=None)[::-1]
    if not 0 < filled < len(ordered):
        return 0.5
    return float(np.clip((ordered[filled - 1] + ordered[filled]) / 2, LOWEST_LEVEL, 0.5))
