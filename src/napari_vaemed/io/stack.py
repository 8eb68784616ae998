"""Order slices along their normal and find the regular grid they lie on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.io.errors import CTError
from napari_vaemed.io.headers import Slice

SAME_PLACE_MM = 0.01
SAME_PLACE_SHARE = 0.05
"""Of the usual distance of slices: closer ones are one slice stored twice."""
ROUNDED_MM = 0.11
"""Positions in old scanners' headers are rounded to 0.1 mm."""
FINEST_MM, COARSEST_MM = 0.01, 50.0
MOST_TILT_DEG = 45.0
"""Gantries lean by 30° at most; more is no tilt but a wrong header."""
MOST_DEPTH = 2
"""A grid with more than this many places a slice would be mostly invented."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices and the regular grid along their normal that they fill.

    Parameters
    ----------
    slices : tuple of Slice, length n
        By position, each place once.
    heights : (n,) float
        Millimetres along the normal.
    shifts : (n, 2) float
        Millimetres by which each slice's first pixel lies off a straight stack, along growing
        column and row index; zero unless the gantry was tilted.
    places : (n,) float
        Index on the grid of each; whole numbers unless the slices are unevenly spaced.
    step_mm : float
        Distance of neighbouring places.
    origin : (x, y, z)
        LPS mm of the first slice's first pixel.
    direction : (3, 3)
        Columns: growing column index, growing row index, the normal; LPS.
    tilt_deg : float
        Angle by which the slices lean against their stack.
    repeated, others : int
        Slices left out because their place was taken, or as another reconstruction.
    notes : tuple of str
    """

    slices: tuple[Slice, ...]
    heights: NDArray[np.float64]
    shifts: NDArray[np.float64]
    places: NDArray[np.float64]
    step_mm: float
    origin: tuple[float, float, float]
    direction: NDArray[np.float64]
    tilt_deg: float
    repeated: int
    others: int
    notes: tuple[str, ...]

    @property
    def depth(self) -> int:
        """Number of places, filled or missing."""
        return round(float(self.places[-1])) + 1

    @property
    def uneven(self) -> bool:
        """Whether slices lie between places of the grid."""
        return bool((self.places != np.rint(self.places)).any())

    @property
    def missing(self) -> int:
        """Number of places without a slice of an evenly spaced stack."""
        return 0 if self.uneven else self.depth - len(self.slices)

    @property
    def straight(self) -> bool:
        """Whether the stored slices are the grid, one a place, none shifted."""
        return not (self.uneven or self.missing or self.shifts.any())


def stack_slices(slices: tuple[Slice, ...]) -> Stack:
    """Sort slices by position along their normal and find spacing, gaps, repeats and tilt.

    All must have one orientation, size and pixel spacing.

    Raises
    ------
    CTError
        They do not say where they lie, or lie on no stack.
    """
    direction = _direction(slices[0])
    ordered = sorted(
        slices, key=lambda s: (_along(s, direction), s.acquisition, s.instance, s.frame)
    )
    ordered, notes = _one_reconstruction(ordered, direction)
    kept = _each_place_once(ordered, direction)
    notes += _repeated_words(len(ordered) - len(kept))
    heights = np.array([_along(s, direction) for s in kept])
    shifts, tilt = _shifts(kept, direction)
    if tilt:
        notes.append(
            f"The gantry was tilted by {tilt:.1f}°: the slices were shifted within their planes "
            "onto a straight grid by linear interpolation."
        )
    if len(kept) == 1:
        step, places = _lone_step(kept[0]), np.zeros(1)
        notes.append(f"A single slice: its thickness, {step:g} mm, stands for the spacing.")
    else:
        step, places = _grid_of(heights)
        notes += _gap_words(heights, step, places)
    others = len(slices) - len(ordered)
    origin = kept[0].position
    assert origin is not None
    return Stack(tuple(kept), heights, shifts, places, step, origin, direction, tilt,
                 len(ordered) - len(kept), others, tuple(notes))  # fmt: skip


def _direction(first: Slice) -> NDArray[np.float64]:
    if len(first.orientation) != 6 or first.pixel_spacing is None or first.position is None:
        raise CTError(
            "The slices do not say where they lie (ImageOrientationPatient, "
            "ImagePositionPatient or PixelSpacing is missing). Export the series again as CT."
        )
    if not all(FINEST_MM <= step <= COARSEST_MM for step in first.pixel_spacing):
        raise CTError(
            f"Pixel spacing must be {FINEST_MM} to {COARSEST_MM:g} mm; the file says "
            f"{first.pixel_spacing} mm. Export the series again."
        )
    column = np.array(first.orientation[:3])
    row = np.array(first.orientation[3:])
    lengths = np.linalg.norm(column), np.linalg.norm(row)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(column @ row) > 0.01:
        raise CTError(
            f"The slices' orientation {first.orientation} is not two perpendicular unit steps. "
            "Export the series again."
        )
    column = column / lengths[0]
    row = row - (row @ column) * column
    row = row / np.linalg.norm(row)
    return np.stack([column, row, np.cross(column, row)], axis=1)


def _along(item: Slice, direction: NDArray[np.float64]) -> float:
    return float(np.asarray(item.position) @ direction[:, 2])


def _one_reconstruction(
    ordered: list[Slice], direction: NDArray[np.float64]
) -> tuple[list[Slice], list[str]]:
    """Of several reconstructions over the same stretch, the one with most slices.

    Parts of a scan that lie one after the other (old scanners number each rotation as an
    acquisition of its own) all stay.
    """
    groups: dict[tuple[object, ...], list[Slice]] = defaultdict(list)
    for item in ordered:
        groups[(item.kernel, round(item.thickness or 0, 2), item.acquisition)].append(item)
    heights = np.array([_along(s, direction) for s in ordered])
    if len(groups) == 1 or (len({k[:2] for k in groups}) == 1 and _evenly_filled(heights)):
        return ordered, []
    kept: list[list[Slice]] = []
    spans: list[tuple[float, float]] = []
    for group in sorted(groups.values(), key=len, reverse=True):
        inside = [_along(s, direction) for s in group]
        taken = sum(any(low <= h <= high for low, high in spans) for h in inside)
        if 2 * taken <= len(group):
            kept.append(group)
            spans.append((inside[0] - SAME_PLACE_MM, inside[-1] + SAME_PLACE_MM))
    chosen = {id(s) for group in kept for s in group}
    rest = [s for s in ordered if id(s) not in chosen]
    if not rest:
        return ordered, []
    first = kept[0][0]
    is_ = "1 slice is" if len(rest) == 1 else f"{len(rest)} slices are"
    return [s for s in ordered if id(s) in chosen], [
        f"{is_} of another reconstruction or acquisition over the same stretch and left out; "
        f"taken: {_reconstruction_words(first, rest)}."
    ]


def _reconstruction_words(first: Slice, rest: list[Slice]) -> str:
    """What tells the slices taken from the ones left out."""
    words = []
    if any(s.kernel != first.kernel for s in rest):
        words.append(f"kernel {first.kernel or 'not named'}")
    if any(s.thickness != first.thickness for s in rest):
        words.append(f"thickness {first.thickness or 0:g} mm")
    if any(s.acquisition != first.acquisition for s in rest):
        words.append(f"acquisition {first.acquisition}")
    return ", ".join(words)


def _evenly_filled(heights: NDArray[np.float64]) -> bool:
    gaps = np.diff(heights)
    return bool(len(gaps) == 0 or gaps.min() > 0.5 * gaps.max())


def _each_place_once(ordered: list[Slice], direction: NDArray[np.float64]) -> list[Slice]:
    """The first of the slices at each place."""
    heights = np.array([_along(s, direction) for s in ordered])
    gaps = np.diff(heights)
    apart = gaps[gaps > SAME_PLACE_MM]
    near = max(SAME_PLACE_MM, SAME_PLACE_SHARE * float(np.median(apart))) if apart.size else 0.01
    kept = [ordered[0]]
    for item in ordered[1:]:
        if _along(item, direction) - _along(kept[-1], direction) > near:
            kept.append(item)
    return kept


def _repeated_words(dropped: int) -> list[str]:
    if not dropped:
        return []
    words = "1 slice lies" if dropped == 1 else f"{dropped} slices lie"
    were = "was" if dropped == 1 else "were"
    return [f"{words} at a place already taken and {were} left out."]


def _shifts(
    slices: list[Slice], direction: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Sideways shifts (n, 2) in mm off a straight stack, and the angle of a tilted gantry."""
    corners = np.array([s.position for s in slices]) @ direction
    heights, corners = corners[:, 2], corners[:, :2]
    pixel = min(slices[0].pixel_spacing or (1.0,))
    if np.abs(corners - np.median(corners, axis=0)).max() <= 0.5 * pixel:
        return np.zeros_like(corners), 0.0
    slope = np.polyfit(heights - heights.mean(), corners - corners.mean(0), 1)[0]
    line = corners.mean(0) + np.outer(heights - heights.mean(), slope)
    tilt = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    if np.abs(corners - line).max() > 0.5 * pixel or tilt > MOST_TILT_DEG:
        shift = np.ptp(corners, axis=0).max()
        raise CTError(
            f"The slices are shifted sideways against each other by up to {shift:.1f} mm, and "
            "not as a tilted gantry does: two scans in one series. Export them one by one."
        )
    return line - line[0], tilt


def _lone_step(only: Slice) -> float:
    if not only.thickness or only.thickness <= 0:
        raise CTError("One slice without a thickness is no volume. Choose the whole series.")
    return float(only.thickness)


def _grid_of(heights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Step in mm, and the index on the grid of each of ascending heights."""
    gaps = np.diff(heights)
    median = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    for step in (median, float(gaps.min())):
        counts = np.maximum(np.rint(gaps / step), 1)
        refined = float(gaps.sum() / counts.sum())
        off = np.abs(gaps - counts * refined)
        if (off <= np.maximum(0.02 * refined, min(ROUNDED_MM, 0.25 * refined))).all():
            if counts.sum() + 1 > MOST_DEPTH * len(heights):
                break
            return refined, np.concatenate([[0.0], np.cumsum(counts)])
    extent = float(gaps.sum())
    steps = max(1, round(extent / median))
    if steps + 1 > MOST_DEPTH * len(heights):
        worst = int(np.argmax(gaps))
        raise CTError(
            f"The slices are mostly {median:.3g} mm apart, but {gaps[worst]:.3g} mm between "
            f"{heights[worst]:.1f} and {heights[worst + 1]:.1f} mm: too much of the scan is "
            "missing. Export one reconstruction with even spacing."
        )
    step = extent / steps
    return step, (heights - heights[0]) / step


def _gap_words(heights: NDArray[np.float64], step: float, places: NDArray[np.float64]) -> list[str]:
    gaps = np.diff(heights)
    if (places != np.rint(places)).any():
        return [
            f"The slices are unevenly spaced ({gaps.min():.3g} to {gaps.max():.3g} mm apart) and "
            f"were resampled every {step:.4g} mm by linear interpolation."
        ]
    missing = int(places[-1]) + 1 - len(places)
    if not missing:
        return []
    where = [
        f"{heights[i]:.1f} and {heights[i + 1]:.1f}" for i in np.flatnonzero(gaps > 1.5 * step)
    ]
    listed = "; ".join(where[:4]) + (f"; and {len(where) - 4} more places" if where[4:] else "")
    slices = "1 slice is" if missing == 1 else f"{missing} slices are"
    return [
        f"{slices} missing (between {listed} mm along the slice normal) and filled by linear "
        f"interpolation; the true spacing is {step:.4g} mm."
    ]
