"""How much of the lungs a scan shows, and what of them is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.volume import Volume

LARGEST_END = 0.15
"""Lung on the first or last slice, as a share of the largest slice's, that is still an end of the
lungs and no cut through them."""

LARGEST_SIDE_CM2 = 10.0
"""Lung surface on the sides of the field of view that is still a touch and no cut."""

SMALLER_LUNG = 0.1
"""The smaller lung's volume as a share of the larger one's, below which it is called missing."""


def lung_areas(
    lungs: NDArray[np.integer], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Area (z,) of both lungs on each slice in cm²; airways do not count.

    Parameters
    ----------
    lungs : (z, y, x) labels
    spacing : (z, y, x) mm
    """
    return _areas(lungs, spacing).sum(axis=0)


def missing_lungs(volume: Volume, lungs: NDArray[np.integer]) -> str | None:
    """Say in a sentence what of the lungs (z, y, x labels) the scan does not show.

    Returns
    -------
    str or None
        None when both lungs are there from end to end.
    """
    sides = _areas(lungs, volume.spacing)
    areas = sides.sum(axis=0)
    if not areas.any():
        return "No lungs were found in this scan."
    ml = sides.sum(axis=1) * volume.spacing[0] / 10
    if ml.min() < SMALLER_LUNG * ml.max():
        return (
            f"Only one lung was found: right {ml[0]:.0f} ml, left {ml[1]:.0f} ml; the smaller "
            f"must be at least {100 * SMALLER_LUNG:.0f} % of the larger."
        )
    return _cut_at_the_ends(areas) or _cut_at_the_sides(volume, lungs)


def _areas(lungs: NDArray[np.integer], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Area (2, z) of the right and the left lung on each slice in cm²."""
    pixel_cm2 = spacing[1] * spacing[2] / 100
    counts = [
        [np.count_nonzero(plane == side) for plane in lungs] for side in (RIGHT_LUNG, LEFT_LUNG)
    ]
    return np.array(counts, float) * pixel_cm2


def _cut_at_the_ends(areas: NDArray[np.float64]) -> str | None:
    largest = areas.max()
    ends = [
        f"the {name} slice still shows {area:.0f} cm² of lung, {100 * area / largest:.0f} % of the "
        "largest slice's"
        for name, area in (("lowest", areas[0]), ("highest", areas[-1]))
        if area > LARGEST_END * largest
    ]
    if not ends:
        return None
    return (
        f"The lungs are cut off: {' and '.join(ends)} (at most {100 * LARGEST_END:.0f} % where "
        "they end)."
    )


def _cut_at_the_sides(volume: Volume, lungs: NDArray[np.integer]) -> str | None:
    """Lung on the outermost rows and columns, or beside what was never measured."""
    z, y, x = volume.spacing
    outside = np.iinfo(volume.hu.dtype).min if volume.padding is None else volume.padding
    cut_mm2 = 0.0
    for hu, labels in zip(volume.hu, lungs, strict=True):
        lung = np.pad((labels == RIGHT_LUNG) | (labels == LEFT_LUNG), 1)
        if not lung.any():
            continue
        measured = np.pad(hu > outside, 1)
        cut_mm2 += z * x * _faces(lung, measured) + z * y * _faces(lung.T, measured.T)
    if cut_mm2 <= 100 * LARGEST_SIDE_CM2:
        return None
    return (
        f"The lungs are cut off: {cut_mm2 / 100:.0f} cm² of their surface lie on the edge of the "
        f"field of view (at most {LARGEST_SIDE_CM2:.0f} cm² where they only touch it)."
    )


def _faces(lung: NDArray[np.bool_], measured: NDArray[np.bool_]) -> int:
    """How many pixels of lung have nothing measured in the row before or after."""
    before, after = lung[1:] & ~measured[:-1], lung[:-1] & ~measured[1:]
    return int(np.count_nonzero(before) + np.count_nonzero(after))
