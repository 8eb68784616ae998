"""Thick slices: maximum, minimum or mean of a CT over some millimetres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.geometry import Lattice
from napari_vaemed.preprocessing.resampling import on_other_voxels

MIP, MINIP, MEAN = KINDS = ("MIP", "MinIP", "Mean")
"""What readers call a slab: maximum, minimum or mean intensity projection."""
PLANES = ("axial", "coronal", "sagittal")
"""Across which axis (z, y, x) a slab is thick."""


def slices_beyond(thickness_mm: float, spacing_mm: float) -> int:
    """How many slices on each side of its middle one a slab holds.

    A slab holds the slices whose middles lie within half its thickness.
    """
    return int(thickness_mm / 2 / spacing_mm + 1e-6)


def thick_slabs(
    volume: Volume,
    kind: str,
    thickness_mm: float,
    *,
    step_mm: float | None = None,
    plane: str = PLANES[0],
) -> Work[Volume]:
    """Project a CT slab by slab.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    thickness_mm : float
        Of a slab; fewer slices at the ends of the volume.
    step_mm : float, optional
        From slab to slab, rounded to whole slices; by default one slice, so that slabs overlap.
    plane : str
        One of `PLANES`.

    Returns
    -------
    Volume
        A slice a slab, placed at the slab's middle one. Padding counts in no slab that has
        anything else.

    Raises
    ------
    ValueError
        An unknown kind or plane, or a thickness or step that is not positive.
    """
    if kind not in KINDS or plane not in PLANES:
        raise ValueError(
            f"A slab is one of {', '.join(KINDS)} and {', '.join(PLANES)}; got {kind!r}, {plane!r}."
        )
    axis = PLANES.index(plane)
    mm = volume.spacing[axis]
    step_mm = mm if step_mm is None else step_mm
    if not (thickness_mm > 0 and step_mm > 0):
        raise ValueError(f"Slabs need positive mm; got {thickness_mm:g} every {step_mm:g}.")
    n, every, beyond = (
        volume.shape[axis],
        max(1, round(step_mm / mm)),
        slices_beyond(thickness_mm, mm),
    )
    middles = np.arange((n - 1) % every // 2, n, every)
    lines = np.moveaxis(volume.hu, axis, 0)
    out = np.empty((len(middles), *lines.shape[1:]), np.int16)
    for k, middle in enumerate(middles):
        yield Progress("Projecting", k, len(middles))
        slab = lines[max(middle - beyond, 0) : middle + beyond + 1]
        out[k] = _project(slab, kind, volume.padding)
    first = np.zeros(3)
    first[axis] = middles[0]
    lattice = _lattice(volume, axis, len(middles), every, first)
    said = f"{kind} slabs of {thickness_mm:g} mm every {every * mm:.4g} mm, {plane}."
    made = on_other_voxels(volume, np.ascontiguousarray(np.moveaxis(out, 0, axis)), lattice, said)
    return replace(made, description=f"{volume.description} {kind} {thickness_mm:g} mm")


def _lattice(
    volume: Volume, axis: int, count: int, every: int, first: NDArray[np.float64]
) -> Lattice:
    shape, spacing = list(volume.shape), list(volume.spacing)
    shape[axis], spacing[axis] = count, spacing[axis] * every
    x, y, z = volume.to_world(first).tolist()
    return Lattice((shape[0], shape[1], shape[2]), (spacing[0], spacing[1], spacing[2]), (x, y, z))


def _project(slab: NDArray[np.int16], kind: str, padding: int | None) -> NDArray[np.int16]:
    """Of the slices of a slab (slices, …) one."""
    if kind == MIP:
        return slab.max(axis=0)
    measured = None if padding is None else slab > padding
    if measured is None or measured.all():
        if kind == MINIP:
            return slab.min(axis=0)
        return np.rint(slab.mean(axis=0, dtype=np.float32)).astype(np.int16)
    count = measured.sum(axis=0)
    if kind == MINIP:
        made = np.where(measured, slab, np.int16(32767)).min(axis=0)
    else:
        total = np.where(measured, slab, 0).sum(axis=0, dtype=np.int32)
        made = np.rint(total / np.maximum(count, 1)).astype(np.int16)
    return np.where(count > 0, made, slab.max(axis=0))
