"""The neighbourhood of a click on an isotropic grid, and the way back to the scan's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.volume import Volume

AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class NoduleBox:
    """HU around a point, sampled every ``step`` mm.

    Parameters
    ----------
    hu : (n, n, n) float32
        Linear interpolation; beyond the scan the nearest measured voxel is repeated.
    lungs : (n, n, n) uint8 or None
        Lung labels at the nearest voxel.
    measured : (n, n, n) bool
        Whether the sample lies on the scan.
    step : float
        Millimetres between samples.
    spacing, centre : (z, y, x)
        Of the scan, and the box's central sample as its fractional voxel index.
    """

    hu: NDArray[np.float32]
    lungs: NDArray[np.uint8] | None
    measured: NDArray[np.bool_]
    step: float
    spacing: NDArray[np.float64]
    centre: NDArray[np.float64]

    @property
    def half(self) -> int:
        """Samples from the centre to an edge."""
        return len(self.hu) // 2

    def to_voxel(self, sample: NDArray[np.float64]) -> NDArray[np.float64]:
        """Voxel index (..., 3) in the scan of sample indices (..., 3)."""
        return self.centre + (np.asarray(sample) - self.half) * self.step / self.spacing

    def nearest_samples(
        self, low: NDArray[np.int_], high: NDArray[np.int_]
    ) -> list[NDArray[np.int_]]:
        """Along each axis, the sample nearest to each of the scan's voxels low … high - 1."""
        axes = zip(low, high, self.centre, self.spacing, strict=True)
        return [
            np.rint((np.arange(first, last) - centre) * spacing / self.step + self.half)
            .astype(int)
            .clip(0, len(self.hu) - 1)
            for first, last, centre, spacing in axes
        ]


def cut_box(
    volume: Volume,
    voxel: NDArray[np.float64],
    half_mm: float,
    step: float,
    lungs: NDArray[np.uint8] | None = None,
) -> NoduleBox:
    """Sample a cube of ``2 half_mm`` around a fractional voxel index (z, y, x).

    The samples lie on one grid per scan, whatever the point, so that clicks on one nodule see
    the same samples.
    """
    spacing = np.asarray(volume.spacing, float)
    voxel = np.rint(voxel * spacing / step) * step / spacing
    reach = np.arange(-round(half_mm / step), round(half_mm / step) + 1) * step
    axes = [v + reach / s for v, s in zip(voxel, spacing, strict=True)]
    inside = [(a > -0.5) & (a < n - 0.5) for a, n in zip(axes, volume.shape, strict=True)]
    axes = [np.clip(a, 0, n - 1) for a, n in zip(axes, volume.shape, strict=True)]
    floor = -1100.0 if volume.padding is None else max(-1100.0, volume.padding + 0.5)
    near = np.ix_(*(np.rint(a).astype(int) for a in axes))
    return NoduleBox(
        hu=_linear(volume.hu, axes, floor),
        lungs=None if lungs is None else np.ascontiguousarray(lungs[near]),
        measured=inside[0][:, None, None] & inside[1][:, None] & inside[2],
        step=step,
        spacing=spacing,
        centre=np.asarray(voxel, float),
    )


def _linear(
    hu: NDArray[np.int16], axes: list[NDArray[np.float64]], floor: float
) -> NDArray[np.float32]:
    """Trilinear samples at the outer product of three axes; below ``floor`` counts as air."""
    lows = [np.floor(a).astype(int) for a in axes]
    block = hu[
        tuple(slice(low[0], min(low[-1] + 2, n)) for low, n in zip(lows, hu.shape, strict=True))
    ]
    values = np.where(block < floor, AIR_HU, block).astype(np.float32)
    for axis, (points, low) in enumerate(zip(axes, lows, strict=True)):
        first = low - low[0]
        second = np.minimum(first + 1, values.shape[axis] - 1)
        shape = [1, 1, 1]
        shape[axis] = -1
        weight = (points - low).astype(np.float32).reshape(shape)
        values = values.take(first, axis) * (1 - weight) + values.take(second, axis) * weight
    return np.ascontiguousarray(values)
