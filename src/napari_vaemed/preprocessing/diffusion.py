"""Anisotropic diffusion: noise is smoothed away, edges stay."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.threads import working_threads

PLANES_AT_ONCE, PARTS_AT_ONCE = 8, 4
"""Planes of a thread's piece of work, and how many of these lie between two reports."""
SAFETY = 0.9
"""Part of the longest stable step that is taken."""


@dataclass(frozen=True)
class Diffusion:
    """How far and across what is smoothed.

    Parameters
    ----------
    smoothing_mm : float
        Standard deviation of the Gaussian that the diffusion amounts to where nothing is an edge.
    edge_hu_per_mm : float
        Slopes well above it are edges and stay; well below they are smoothed.
    three_d : bool
        Smooth across slices too; else each axial slice by itself.

    Raises
    ------
    ValueError
        If a length or slope is not positive.
    """

    smoothing_mm: float = 1.0
    edge_hu_per_mm: float = 60.0
    three_d: bool = True

    def __post_init__(self) -> None:
        if not (self.smoothing_mm > 0 and self.edge_hu_per_mm > 0):
            raise ValueError(
                "Diffusion needs a positive smoothing in mm and edge in HU per mm; "
                f"got {self.smoothing_mm:g} and {self.edge_hu_per_mm:g}."
            )

    def steps(self, spacing: tuple[float, float, float]) -> tuple[int, float]:
        """How many steps there are on a grid, and how long each is in mm²."""
        time = self.smoothing_mm**2 / 2
        longest = SAFETY / (2 * sum(1 / s**2 for s in spacing[0 if self.three_d else 1 :]))
        count = math.ceil(time / longest)
        return count, time / count


def diffuse(volume: Volume, how: Diffusion | None = None) -> Work[NDArray[np.int16]]:
    """Smooth a CT, but not across its edges.

    Perona and Malik's equation (IEEE TPAMI 12, 1990) with an exponential edge function, in mm.

    Parameters
    ----------
    volume : Volume
    how : Diffusion, optional

    Returns
    -------
    (z, y, x) int16
        HU. What borders on padding stays: its slope is far above any edge.
    """
    how = how or Diffusion()
    count, _ = how.steps(volume.spacing)
    now = volume.hu.astype(np.float32)
    then = np.empty_like(now)
    depth = len(now)
    parts = [(a, min(a + PLANES_AT_ONCE, depth)) for a in range(0, depth, PLANES_AT_ONCE)]
    with working_threads() as pool:
        for done in range(count):
            step = _step(volume, how, now, then)
            for at in range(0, len(parts), PARTS_AT_ONCE):
                yield Progress("Smoothing", done * len(parts) + at, count * len(parts))
                list(pool.map(step, parts[at : at + PARTS_AT_ONCE]))
            now, then = then, now
    return _rounded(now)


def diffused_plane(volume: Volume, how: Diffusion, index: int) -> NDArray[np.int16]:
    """One axial plane (y, x) of what `diffuse` gives, from the planes that reach it alone."""
    count, _ = how.steps(volume.spacing)
    reach = count + 1 if how.three_d else 0
    first = max(index - reach, 0)
    now = volume.hu[first : index + reach + 1].astype(np.float32)
    then = np.empty_like(now)
    for _ in range(count):
        _step(volume, how, now, then)((0, len(now)))
        now, then = then, now
    return _rounded(now[index - first])


def _step(
    volume: Volume, how: Diffusion, now: NDArray[np.float32], then: NDArray[np.float32]
) -> Callable[[tuple[int, int]], None]:
    """One step from ``now`` to ``then``, of the planes between two indices."""
    from napari_vaemed.preprocessing.diffusion_kernels import diffuse_planes

    _, time = how.steps(volume.spacing)
    per_mm = np.array([1 / s for s in volume.spacing], np.float32)
    per_mm[0] *= how.three_d

    def step(planes: tuple[int, int]) -> None:
        diffuse_planes(now, *planes, per_mm, how.edge_hu_per_mm, time, then)

    return step


def _rounded(values: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.rint(values, out=values).astype(np.int16)
