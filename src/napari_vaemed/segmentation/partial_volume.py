"""How much of each voxel a nodule fills: its volume and outline finer than the voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.density import SOLID_HU, density_class

MARGIN_MM = 4.0
NEAR_MM = 1.2
"""A border voxel is compared with what lies about this far from it inside and outside."""

LEAST_CONTRAST_HU = 150.0
MIXED_HU = 120.0
"""Where the inside varies so much, as a hollow does, its HU tells of no share."""

DENSEST_HU = 100.0
"""Soft tissue; a calcified centre does not make its rim half empty."""

FEWEST_HALO = 8
FLAT_CROSS = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], bool)
LUNG_HU, FAINTEST_HU = -850.0, -450.0
"""Midway between the nodule and lung, and no fainter than this, something beside it is as dense."""

RUNS_ON_MM, SHELL_MM, WIDEST = 3.0, (1.0, 4.0), 0.3
"""A vessel runs on so far from the nodule's border, and fills less of the shell around it than
this; the wall fills more, where a nodule lies on it with a third of itself."""


@dataclass(frozen=True, eq=False)
class Filled:
    """A nodule as the share of each voxel that it fills, in a box around it.

    Parameters
    ----------
    share : (z, y, x) float32
        0 to 1.
    vessels : (z, y, x) bool
        What joins it right at its border, is as dense and runs on like a vessel.
    start : (z, y, x)
        Index of the box's first voxel in the volume.
    """

    share: NDArray[np.float32]
    vessels: NDArray[np.bool_]
    start: tuple[int, int, int]

    @property
    def joined(self) -> float:
        """Share of its border that vessels join."""
        inside = self.share >= 0.5
        rim = ndimage.binary_dilation(inside) & ~inside
        return float((self.vessels & rim).sum() / max(int(rim.sum()), 1))


def filled(volume: Volume, mask: NoduleMask, density: str | None = None) -> Filled:
    """How much of each voxel a nodule fills.

    Only voxels at the mask's border, on both sides of it, are judged: each by where its HU lies
    between what is near it inside and what is near it outside. Where the two are alike, as at the
    chest wall or at a vessel, or the inside is mixed, the mask alone decides. Of a part-solid
    nodule the halo is what is inside, however dense its core; of a faint border the mask may have
    missed more than a voxel, so it is judged once more from where it was found.

    Parameters
    ----------
    density : str, optional
        Its `density_class`, where it is known already.
    """
    spacing = np.asarray(volume.spacing)
    box, inside = mask.around(volume.shape, np.ceil(MARGIN_MM / spacing).astype(int))
    density = density or density_class(volume, mask)
    raw = volume.hu[box].astype(np.float32)
    halo = _halo(raw, inside) if density == "part-solid" else DENSEST_HU
    hu = np.minimum(_without_hollow(raw, inside), min(halo, DENSEST_HU))
    share = _share(hu, inside, spacing)
    if density in ("part-solid", "ground-glass"):
        grown = inside | ((share >= 0.5) & (raw < SOLID_HU))  # not along a vessel
        grown = inside | ndimage.binary_opening(grown, FLAT_CROSS)
        if (grown & ~inside).any():
            share = _share(hu, grown, spacing)
    z, y, x = box
    vessels = _vessels(raw, inside | (share >= 0.5), spacing)
    return Filled(share, vessels, (z.start, y.start, x.start))


def _without_hollow(hu: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """HU with what a solid wall encloses in a slice as dense as the wall."""
    dense = inside & (hu >= SOLID_HU)
    hollow = np.stack([ndimage.binary_fill_holes(plane) for plane in dense]) & ~dense
    return np.where(hollow, np.median(hu[dense]), hu) if hollow.any() else hu


def _halo(hu: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """HU of a part-solid nodule's halo, away from its core's blur and, if it is wide, from lung."""
    halo = inside & ~ndimage.binary_dilation(inside & (hu >= SOLID_HU))
    deep = halo & ndimage.binary_erosion(inside)
    halo = deep if deep.sum() >= FEWEST_HALO else halo
    return float(np.median(hu[halo])) if halo.sum() >= FEWEST_HALO else DENSEST_HU


def _share(
    hu: NDArray[np.float32], inside: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Share of each voxel that is filled, judged at a mask's border."""
    grown = ndimage.binary_dilation(inside)
    core = ndimage.binary_erosion(inside, border_value=1)
    if not core.any():
        core = inside & (hu >= np.percentile(hu[inside], 70))
    beyond = ndimage.binary_dilation(grown, iterations=2) & ~grown
    reach = NEAR_MM / spacing
    within, without = (_near(hu, part, reach) for part in (core, beyond))
    judged = grown & ~core & (within - without > LEAST_CONTRAST_HU)
    deep = ndimage.binary_erosion(core)
    deep = deep if deep.any() else core
    variance = _near(np.square(hu), deep, reach) - np.square(_near(hu, deep, reach))
    judged &= ~(variance > MIXED_HU**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((hu - without) / (within - without), 0, 1)
    return np.where(judged, part, inside).astype(np.float32)


def _vessels(
    hu: NDArray[np.float32], inside: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """`Filled.vessels`."""
    middle = float(np.median(np.minimum(hu[inside], DENSEST_HU)) + LUNG_HU) / 2
    dense = ~inside & (hu > max(middle, FAINTEST_HU))
    border = ndimage.binary_dilation(inside, iterations=2)
    if not (dense & border).any():
        return np.zeros_like(inside)
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    shell = (away > SHELL_MM[0]) & (away <= SHELL_MM[1])
    pieces, count = ndimage.label(dense)
    numbers = np.arange(1, count + 1)
    share = ndimage.sum_labels(shell, pieces, numbers) / max(int(shell.sum()), 1)
    runs_on = np.asarray(ndimage.maximum(away, pieces, numbers)) >= RUNS_ON_MM
    vessels: NDArray[np.bool_] = np.isin(pieces, numbers[runs_on & (share < WIDEST)]) & border
    return vessels


def _near(
    hu: NDArray[np.float32], part: NDArray[np.bool_], reach: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Mean HU of a part as it is near each voxel; nan where none of it is near."""
    weight = ndimage.gaussian_filter(part.astype(np.float32), reach, truncate=3.0)
    total = ndimage.gaussian_filter(np.where(part, hu, 0).astype(np.float32), reach, truncate=3.0)
    mean: NDArray[np.float32] = np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), np.nan)
    return mean
