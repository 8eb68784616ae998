"""Order slices along their normal and find the regular grid they lie on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.io.errors import CTError
from napari_vaemed.io.series import Series, Slice

SAME_PLACE_MM = 0.01
ROUNDED_MM = 0.11
"""Positions in old scanners' headers are rounded to 0.1 mm."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices on a regular grid along their normal.

    Parameters
    ----------
    slices : tuple of Slice, length n
        By position, each place once.
    places : (n,) int
        Index on the grid of each; places nobody has are missing slices.
    step_mm : float
        Distance of neighbouring places.
    direction : (3, 3)
        Columns: growing column index, growing row index, the normal; LPS.
    notes : tuple of str
    """

    slices: tuple[Slice, ...]
    places: NDArray[np.intp]
    step_mm: float
    direction: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def depth(self) -> int:
        """Number of places, filled or missing."""
        return int(self.places[-1]) + 1

    @property
    def missing(self) -> NDArray[np.intp]:
        """Places without a slice."""
        return np.setdiff1d(np.arange(self.depth), self.places)


def stack_slices(series: Series) -> Stack:
    """Sort a series by position along the slice normal and find spacing, gaps and repeats.

    Raises
    ------
    CTError
        The slices lie on no regular grid: tilted gantry, uneven spacing, missing geometry.
    """
    direction = _direction(series.first)
    ordered = sorted(
        series.slices,
        key=lambda s: (_along(s, direction), s.acquisition, s.instance, s.path.name),
    )
    kept, notes = _each_place_once(ordered, direction)
    positions = np.array([_along(s, direction) for s in kept])
    _refuse_shifted(kept, direction)
    if len(kept) == 1:
        step, places = _lone_step(kept[0]), np.zeros(1, np.intp)
        notes.append(f"A single slice: its thickness, {step:g} mm, stands for the spacing.")
    else:
        step, places = _regular_grid(positions)
    if (missing := int(places[-1]) + 1 - len(places)) > 0:
        notes.append(_missing_words(positions, step, missing))
    return Stack(tuple(kept), places, step, direction, tuple(notes))


def _direction(first: Slice) -> NDArray[np.float64]:
    if len(first.orientation) != 6 or first.pixel_spacing is None or first.position is None:
        raise CTError(
            "The slices do not say where they lie (ImageOrientationPatient, "
            "ImagePositionPatient or PixelSpacing is missing). Export the series again as CT."
        )
    if min(first.pixel_spacing) <= 0:
        raise CTError(f"Pixel spacing must be positive; the file says {first.pixel_spacing} mm.")
    column = np.array(first.orientation[:3])
    row = np.array(first.orientation[3:])
    lengths = np.linalg.norm(column), np.linalg.norm(row)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(column @ row) > 0.01:
        raise CTError(
            f"The slices' orientation {first.orientation} is not two perpendicular unit steps. "
            "Export the series again."
        )
    column, row = column / lengths[0], row / lengths[1]
    return np.stack([column, row, np.cross(column, row)], axis=1)


def _along(item: Slice, direction: NDArray[np.float64]) -> float:
    return float(np.asarray(item.position) @ direction[:, 2])


def _each_place_once(
    ordered: list[Slice], direction: NDArray[np.float64]
) -> tuple[list[Slice], list[str]]:
    """Drop slices at a place already taken; of repeated acquisitions, keep the largest."""
    groups: list[list[Slice]] = []
    for item in ordered:
        if groups and _along(item, direction) - _along(groups[-1][0], direction) < SAME_PLACE_MM:
            groups[-1].append(item)
        else:
            groups.append([item])
    repeated = [g for g in groups if len(g) > 1]
    if not repeated:
        return ordered, []
    count: dict[int, int] = {}
    for group in groups:
        for number in {s.acquisition for s in group}:
            count[number] = count.get(number, 0) + 1
    best = max(count, key=lambda number: (count[number], -number))
    kept = [next((s for s in g if s.acquisition == best), g[0]) for g in groups]
    several = any(len({s.acquisition for s in g}) > 1 for g in repeated)
    why = f"; acquisition {best} was taken" if several else ""
    dropped = len(ordered) - len(kept)
    words = "1 slice lies" if dropped == 1 else f"{dropped} slices lie"
    were = "was" if dropped == 1 else "were"
    return kept, [f"{words} at a place already taken and {were} left out{why}."]


def _refuse_shifted(slices: list[Slice], direction: NDArray[np.float64]) -> None:
    """Raise when the slices' corners do not lie on one line along the normal."""
    corners = np.array([s.position for s in slices]) @ direction[:, :2]
    shift = np.abs(corners - np.median(corners, axis=0)).max()
    if shift <= 0.5 * min(slices[0].pixel_spacing or (1.0,)):
        return
    heights = np.array([s.position for s in slices]) @ direction[:, 2]
    slope = np.polyfit(heights - heights.mean(), corners - corners.mean(0), 1)[0]
    angle = np.degrees(np.arctan(np.linalg.norm(slope)))
    raise CTError(
        f"The slices are shifted sideways against each other by up to {2 * shift:.1f} mm "
        f"(gantry tilt of about {angle:.0f}°, or two scans in one series). "
        "Export the series without tilt, or resampled to a straight grid."
    )


def _lone_step(only: Slice) -> float:
    if not only.thickness or only.thickness <= 0:
        raise CTError("One slice without a thickness is no volume. Choose the whole series.")
    return float(only.thickness)


def _regular_grid(positions: NDArray[np.float64]) -> tuple[float, NDArray[np.intp]]:
    """Step in mm and grid index of ascending positions; gaps must be whole steps."""
    gaps = np.diff(positions)
    median = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    for step in (median, float(gaps.min())):
        counts = np.maximum(np.rint(gaps / step), 1)
        refined = float(gaps.sum() / counts.sum())
        off = np.abs(gaps - counts * refined)
        if (off <= np.maximum(0.02 * refined, min(ROUNDED_MM, 0.25 * refined))).all():
            if counts.sum() + 1 > 2 * len(positions):
                break
            return refined, np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    worst = int(np.argmax(np.abs(gaps - median)))
    raise CTError(
        f"The slices are not evenly spaced: mostly {median:.3g} mm apart, but "
        f"{gaps[worst]:.3g} mm between {positions[worst]:.1f} and {positions[worst + 1]:.1f} mm. "
        "Export one reconstruction with even spacing."
    )


def _missing_words(positions: NDArray[np.float64], step: float, missing: int) -> str:
    gaps = np.diff(positions)
    where = [
        f"{positions[i]:.1f} and {positions[i + 1]:.1f}" for i in np.flatnonzero(gaps > 1.5 * step)
    ]
    places = "; ".join(where[:4]) + (f"; and {len(where) - 4} more places" if where[4:] else "")
    slices = "1 slice is" if missing == 1 else f"{missing} slices are"
    return (
        f"{slices} missing (between {places} mm along the slice normal) and filled by linear "
        f"interpolation; the true spacing is {step:.4g} mm."
    )
