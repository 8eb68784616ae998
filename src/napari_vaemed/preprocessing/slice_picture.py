"""One axial slice as the picture a slice classifier reads, from HU or from an 8-bit export.

Figures in papers come cropped, framed and lettered. Both kinds of slices go through the same steps,
so that a model taught on one may read the other:

1. HU are shown in the lung window (−600 ± 750 HU) in 256 levels. An export is taken as it is: most
   show about that window, and nobody says which.
2. The picture is cut to the box around the lungs and a margin of 10 % of its longer side. The lungs
   are given, or else roughly estimated from the grey values. What lies outside the box is black.
3. The box is resampled with its aspect kept to a square of ``size``, centred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.preprocessing.intensity import LEVELS, WINDOWS, window

MARGIN = 0.1
"""Around the lungs' box, as a share of its longer side."""

MIN_BOX_MM = 180.0
"""Longer side of the smallest box cut from a slice in HU; lung tips are not blown up further."""


@dataclass(frozen=True)
class PictureFrame:
    """Where a picture came from on its slice.

    Parameters
    ----------
    shape : (y, x)
        Of the slice, in pixels.
    box : (top, left, bottom, right)
        What the picture shows, in pixels of the slice; edges between pixels, upper bounds
        exclusive, possibly beyond the slice.
    size : int
        Edge of the picture.
    step : (y, x) float
        Pixels of the slice per pixel of the picture.
    """

    shape: tuple[int, int]
    box: tuple[float, float, float, float]
    size: int
    step: tuple[float, float]

    def picture(self, values: NDArray[np.number]) -> NDArray[np.float32]:
        """Resample (y, x) values of the slice to (size, size); 0 outside the box.

        Triangle filter as wide as a pixel of the coarser grid.
        """
        return self._resampled(values, self.shape, self._weights)

    def on_slice(self, values: NDArray[np.number]) -> NDArray[np.float32]:
        """Put (size, size) values of the picture back on the slice (y, x); 0 outside the box."""
        wanted = (self.size, self.size)
        return self._resampled(values, wanted, self._weights_back)

    def _resampled(
        self,
        values: NDArray[np.number],
        wanted: tuple[int, int],
        weights: Callable[[int], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        if values.shape != wanted:
            raise ValueError(f"Values on a grid of {wanted} are wanted here; got {values.shape}.")
        rows, columns = weights(0), weights(1)
        return rows @ np.asarray(values, np.float32) @ columns.T

    def _weights(self, axis: int) -> NDArray[np.float32]:
        at = self._middle(axis) + (np.arange(self.size) + 0.5 - self.size / 2) * self.step[axis]
        inside = (at > self.box[axis]) & (at < self.box[axis + 2])
        return _triangles(at, self.shape[axis], self.step[axis]) * inside[:, None]

    def _weights_back(self, axis: int) -> NDArray[np.float32]:
        slice_at = np.arange(self.shape[axis]) + 0.5
        at = (slice_at - self._middle(axis)) / self.step[axis] + self.size / 2
        inside = (slice_at > self.box[axis]) & (slice_at < self.box[axis + 2])
        return _triangles(at, self.size, 1 / self.step[axis]) * inside[:, None]

    def _middle(self, axis: int) -> float:
        return (self.box[axis] + self.box[axis + 2]) / 2


def picture_of_slice(
    hu: NDArray[np.integer],
    spacing: tuple[float, float],
    lungs: NDArray[np.integer] | None,
    *,
    size: int,
    lungs_only: bool = False,
) -> tuple[NDArray[np.uint8], PictureFrame]:
    """Show a slice in HU as a classifier reads it.

    Parameters
    ----------
    hu : (y, x) int16
    spacing : (y, x) mm
    lungs : (y, x) labels or None
        Lungs and airways, everything above 0; None or an empty mask: estimated from the slice.
    size : int
        Edge of the picture.
    lungs_only : bool
        Blank everything outside the lungs.

    Returns
    -------
    (size, size) uint8, PictureFrame
        The picture, and where it came from.
    """
    if lungs is not None and lungs.shape != hu.shape:
        raise ValueError(f"The slice has shape {hu.shape} but its lungs {lungs.shape}.")
    grey = np.rint(window(hu, *WINDOWS["lung"]) * (LEVELS - 1)).astype(np.uint8)
    given = None if lungs is None or not lungs.any() else lungs > 0
    return _picture(grey, spacing, given, size, lungs_only, MIN_BOX_MM)


def picture_of_export(
    grey: NDArray[np.uint8], *, size: int, lungs_only: bool = False
) -> tuple[NDArray[np.uint8], PictureFrame]:
    """Show an 8-bit export (y, x) as a classifier reads it; see `picture_of_slice`.

    The lungs are estimated from the grey values; where none are found the whole picture is taken.
    """
    return _picture(grey, (1.0, 1.0), None, size, lungs_only, 0.0)


def rough_lungs(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Large dark regions of a chest slice (y, x) in any window that are not the air around it.

    Returns
    -------
    (y, x) bool
        Holes filled; empty where nothing looks like a lung.
    """
    top, left, bottom, right = _without_frame(grey)
    lungs = np.zeros(grey.shape, bool)
    inner = grey[top:bottom, left:right]
    dark = _dark(inner)
    regions, count = ndimage.label(dark)
    if not count:
        return lungs
    areas = np.bincount(regions.ravel(), minlength=count + 1).astype(float)
    areas[0] = 0
    areas[_around(regions, count)] = 0
    if areas.max() < 0.01 * inner.size:
        return lungs
    kept = areas >= 0.06 * areas.max()
    lungs[top:bottom, left:right] = ndimage.binary_fill_holes(kept[regions])
    return lungs


def _picture(
    grey: NDArray[np.uint8],
    spacing: tuple[float, float],
    lungs: NDArray[np.bool_] | None,
    size: int,
    lungs_only: bool,
    min_box_mm: float,
) -> tuple[NDArray[np.uint8], PictureFrame]:
    shown = rough_lungs(grey) if lungs is None else lungs
    frame = _frame(shown, spacing, size, min_box_mm)
    if lungs_only and shown.any():
        grey = np.where(shown, grey, np.uint8(0))
    picture = np.clip(frame.picture(grey), 0, LEVELS - 1)
    return np.rint(picture).astype(np.uint8), frame


def _frame(
    lungs: NDArray[np.bool_], spacing: tuple[float, float], size: int, min_box_mm: float
) -> PictureFrame:
    """Lay a square of mm around the lungs' box; without lungs around the whole slice."""
    if not lungs.any():
        edges = [(0, lungs.shape[0]), (0, lungs.shape[1])]
        margin = 0.0
    else:
        edges = [_span(np.any(lungs, axis=1 - axis)) for axis in (0, 1)]
        margin = MARGIN
    sides = [(high - low) * mm for (low, high), mm in zip(edges, spacing, strict=True)]
    longer = max(max(sides), min_box_mm)
    spare = margin * longer + (longer - max(sides)) / 2
    low = [edge[0] - spare / mm for edge, mm in zip(edges, spacing, strict=True)]
    high = [edge[1] + spare / mm for edge, mm in zip(edges, spacing, strict=True)]
    step_mm = (longer * (1 + 2 * margin)) / size
    return PictureFrame(
        (lungs.shape[0], lungs.shape[1]),
        (low[0], low[1], high[0], high[1]),
        size,
        (step_mm / spacing[0], step_mm / spacing[1]),
    )


def _triangles(at: NDArray[np.floating], n: int, step: float) -> NDArray[np.float32]:
    """Weights (m, n) of n pixels for m points, in pixels from the first one's outer edge."""
    reach = max(1.0, step)
    apart = np.abs((np.arange(n) + 0.5)[None] - np.clip(at, 0.5, n - 0.5)[:, None])
    weights = np.maximum(1.0 - apart / reach, 0.0)
    beyond = (at < 0) | (at > n)
    weights[beyond] = 0.0
    return (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)).astype(np.float32)


def _span(there: NDArray[np.bool_] | np.bool_) -> tuple[int, int]:
    at = np.flatnonzero(there)
    return int(at[0]), int(at[-1]) + 1


def _without_frame(grey: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Cut off rows and columns at the edges that are white, as around figures, nearly all along."""
    white = grey > 245
    spans = []
    for axis in (0, 1):
        n = grey.shape[axis]
        share = white.mean(axis=1 - axis)
        inner = np.flatnonzero(share < 0.97)
        low, high = (int(inner[0]), int(inner[-1]) + 1) if len(inner) else (0, n)
        reach = max(1, n // 8)
        spans.append((min(low, reach), max(high, n - reach)))
    (top, bottom), (left, right) = spans
    return top, left, bottom, right


def _dark(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Darker than halfway between the two greys that split the picture best, thin lines opened."""
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(grey.astype(np.float32), 0.006 * max(grey.shape))
    if smooth.max() - smooth.min() < 1:
        return np.zeros(grey.shape, bool)
    thin = max(1, round(0.006 * max(grey.shape)))
    dark = np.pad(smooth < threshold_otsu(smooth), 2 * thin, mode="edge")
    opened = ndimage.binary_opening(dark, iterations=thin)
    return opened[2 * thin : -2 * thin, 2 * thin : -2 * thin]


def _around(regions: NDArray[np.integer], count: int) -> NDArray[np.bool_]:
    """Which regions (count + 1,) hold a corner or follow more than an eighth of the edge."""
    edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    touching = np.bincount(edge, minlength=count + 1)
    around = touching > len(edge) / 8
    around[regions[[0, 0, -1, -1], [0, -1, 0, -1]]] = True
    return around
