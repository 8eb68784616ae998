"""Diameters, volume, shape and density of a nodule's mask, as radiologists define them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, KDTree
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes, mesh_surface_area

from napari_vaemed.data import diameters as calipers
from napari_vaemed.data.diameters import Points
from napari_vaemed.data.finding import PERCENTILES, Ends, Measurement, NoduleMask, SolidPart
from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.density import density_class, solid_part
from napari_vaemed.segmentation.partial_volume import Filled, filled
from napari_vaemed.segmentation.sections import outlines

AROUND_MM = (8.0, 24.0, 72.0)
"""How far around a nodule its lung's border is looked for, nearer first."""

STEPS_MM = (0.0, 1.0, 2.5)
"""How finely, at each of these: a step is a whole number of voxels, one at least."""


@dataclass(frozen=True, eq=False)
class Diameters:
    """The two calipers of a nodule, each (2, 2) as ends × (y, x) in mm, and their slice."""

    slice_index: int
    longest: Points
    across: Points

    @property
    def longest_mm(self) -> float:
        """Length of the longest."""
        return calipers.length(self.longest)

    @property
    def across_mm(self) -> float:
        """Length of the longest at right angles to it."""
        return calipers.length(self.across)


def measure_nodule(
    volume: Volume,
    mask: NoduleMask,
    lungs: NDArray[np.uint8] | None = None,
    *,
    refined: bool = False,
) -> Measurement:
    """Measure a nodule on its own voxels.

    The longest diameter is the longest of any one axial slice, the perpendicular one the longest
    at right angles to it on that slice (RECIST 1.1, Eisenhauer 2009). On a mask's voxels both end
    a quarter of a voxel beyond the centres of the outermost ones: the longest of many chords is an
    extreme, and measured to the voxels' edges it would make a disc two thirds of a pixel too long,
    so ended it is a third.

    Parameters
    ----------
    lungs : (z, y, x) uint8, optional
        Lung labels of the whole volume; without them side and pleura stay unknown.
    refined : bool
        Tell the border finer than the voxels, from the HU on both sides of it (see
        `partial_volume`): for masks made from the HU. A drawn mask is measured as drawn.

    Raises
    ------
    ValueError
        When the mask is empty, reaches beyond the volume, or the labels are not the volume's.
    """
    _check(volume, mask, lungs)
    hu = volume.hu[mask.where]
    index = np.argwhere(mask.voxels)
    centre = volume.to_world(index.mean(axis=0) + mask.start)
    density = density_class(volume, mask)
    fill = filled(volume, mask, density) if refined else None
    wide = diameters(volume, mask, fill)
    side, pleura = _place(volume, mask, lungs) if lungs is not None else (None, None)
    values = hu[mask.voxels]
    voxels_mm3 = len(index) * volume.voxel_mm3
    share_mm3 = voxels_mm3 if fill is None else float(fill.share.sum()) * volume.voxel_mm3
    return Measurement(
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        longest_mm=wide.longest_mm,
        perpendicular_mm=wide.across_mm,
        slice_index=wide.slice_index,
        longest_ends=_ends(volume, wide.slice_index, wide.longest),
        perpendicular_ends=_ends(volume, wide.slice_index, wide.across),
        volume_mm3=voxels_mm3,
        mean_hu=float(values.mean()),
        partial_volume_mm3=share_mm3,
        longest_3d_mm=_longest_3d(mask, volume.spacing),
        hu_percentiles=tuple(float(v) for v in np.percentile(values, PERCENTILES)),
        sphericity=_sphericity(mask, volume.spacing),
        density=density,
        solid=measure_solid(volume, mask, density),
        side=side,
        pleura_mm=pleura,
    )


def diameters(volume: Volume, mask: NoduleMask, fill: Filled | None = None) -> Diameters:
    """The calipers of the slice with the longest diameter.

    With ``fill`` they are finer than voxels, and leave out what is thin beside the nodule, such
    as spicules and vessels that the mask goes a little way along (`diameters.THIN`, and
    `sections.THIN_AT_CONTACT` where a vessel runs on beyond the mask).
    """
    spacing = np.asarray(volume.spacing[1:], float)
    found = _drawn(mask, spacing) if fill is None else outlines(fill, spacing)
    if not found:  # nowhere half filled: smaller than a voxel
        return diameters(volume, mask)
    z = max(found, key=lambda z: round(calipers.reach(found[z]), 9))
    longest = calipers.longest(found[z])
    start = mask.start if fill is None else fill.start
    return Diameters(z + start[0], longest, calipers.across(found[z], longest))


def measure_solid(volume: Volume, mask: NoduleMask, density: str) -> SolidPart | None:
    """Diameters and volume of a part-solid nodule's soft tissue; None of any other nodule."""
    part = solid_part(volume, mask) if density == "part-solid" else None
    if part is None:
        return None
    wide = diameters(volume, part)
    cubic = float(part.voxels.sum()) * volume.voxel_mm3
    return SolidPart(wide.longest_mm, wide.across_mm, cubic)


def _check(volume: Volume, mask: NoduleMask, lungs: NDArray[np.uint8] | None) -> None:
    if volume.hu[mask.where].shape != mask.voxels.shape:
        raise ValueError(
            f"The mask's box {mask.voxels.shape} at {mask.start} does not fit the volume "
            f"{volume.shape}. Measure it on the volume it was drawn on."
        )
    if not mask.voxels.any():
        raise ValueError("The mask is empty: there is nothing to measure.")
    if lungs is not None and lungs.shape != volume.shape:
        raise ValueError(
            f"The lung labels have shape {lungs.shape}, the volume {volume.shape}. "
            "Pass labels made on this volume."
        )


def _drawn(mask: NoduleMask, spacing: NDArray[np.float64]) -> dict[int, Points]:
    """Convex outlines (mm) of a mask's sections, a quarter of a voxel beyond the centres."""
    return {
        z: calipers.convex_outline((calipers.outermost(plane) + mask.start[1:]) * spacing)
        for z, plane in enumerate(mask.voxels)
        if plane.any()
    }


def _longest_3d(mask: NoduleMask, spacing: tuple[float, float, float]) -> float:
    """Longest diameter in any direction, ended as those of a slice are."""
    steps = np.concatenate([np.eye(3), -np.eye(3)]) / 4
    surface = mask.voxels & ~ndimage.binary_erosion(mask.voxels)
    points = (np.argwhere(surface)[:, None] + steps).reshape(-1, 3) * spacing
    return float(pdist(points[ConvexHull(points).vertices]).max())


def _sphericity(mask: NoduleMask, spacing: tuple[float, float, float]) -> float:
    """Surface of the ball with the mask's volume over the mask's own."""
    sigma = 0.7 * max(spacing) / np.asarray(spacing)  # the staircase would count as surface
    margin = int(np.ceil(3 * sigma.max())) + 1
    smooth = ndimage.gaussian_filter(np.pad(mask.voxels, margin).astype(np.float32), sigma)
    if smooth.max() <= 0.5:
        return 1.0  # smaller than what can be told from a ball
    corners, faces, *_ = marching_cubes(smooth, 0.5, spacing=spacing)
    cubic = float((smooth > 0.5).sum() * np.prod(spacing))
    return float(min(1.0, np.pi ** (1 / 3) * (6 * cubic) ** (2 / 3) / mesh_surface_area(
        corners, faces)))  # fmt: skip


def _place(
    volume: Volume, mask: NoduleMask, lungs: NDArray[np.uint8]
) -> tuple[str | None, float | None]:
    """The lung a nodule lies in, and how far (mm) its surface is from that lung's outside.

    Airways inside the lung count as lung. A nodule at the wall may lie outside the labels in part.
    """
    for margin, step in zip(AROUND_MM, STEPS_MM, strict=True):
        every = np.maximum(np.rint(step / np.asarray(volume.spacing)), 1).astype(int)
        spacing = np.asarray(volume.spacing) * every
        box, inside = mask.around(volume.shape, np.ceil(margin / spacing).astype(int) * every)
        thinned = tuple(slice(None, None, n) for n in every)
        labels, inside = lungs[box][thinned], inside[thinned]
        if not inside.any():  # between the steps
            continue
        counts = [int((labels == side).sum()) for side in (RIGHT_LUNG, LEFT_LUNG)]
        if not any(counts):
            return None, None
        side = "right" if counts[0] >= counts[1] else "left"
        tissue = (labels > 0) | inside
        if tissue.all():
            continue
        nearest = max(_apart(inside, ~tissue, spacing) - float(spacing.min()), 0.0)
        if nearest <= margin:
            return side, nearest
    return side, None


def _apart(
    first: NDArray[np.bool_], second: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> float:
    """The shortest way (mm) between the voxels of two masks; only their borders are looked at."""
    borders = (mask & ~ndimage.binary_erosion(mask, border_value=1) for mask in (first, second))
    here, there = (np.argwhere(border) * spacing for border in borders)
    return float(KDTree(there).query(here)[0].min())


def _ends(volume: Volume, z: int, caliper: Points) -> Ends:
    """A caliper's ends as voxel indices (z, y, x)."""
    (y0, x0), (y1, x1) = caliper / np.asarray(volume.spacing[1:])
    return (float(z), float(y0), float(x0)), (float(z), float(y1), float(x1))
