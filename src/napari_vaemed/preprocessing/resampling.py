"""Voxels of another size: a CT by four interpolations, masks by two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.geometry import Lattice
from napari_vaemed.preprocessing.threads import MOST_THREADS, working_threads

NEAREST, LINEAR, CUBIC, AREA = INTERPOLATIONS = ("nearest", "linear", "cubic", "area")
DISTANCE = "distance"
OF_MASKS = (NEAREST, DISTANCE)
AIR_HU, LEAST_HU = -1000, -32768
PLANES_AT_ONCE = 16
NEGLIGIBLE = 1e-6
"""A weight below it adds less than 0.01 HU."""


def resample(volume: Volume, lattice: Lattice, by: str = LINEAR) -> Work[Volume]:
    """Put a CT onto other voxels along its own axes.

    Parameters
    ----------
    volume : Volume
    lattice : Lattice
    by : str
        ``"nearest"``: the voxel a point lies in. ``"linear"``: between the two around it along
        each axis. ``"cubic"``: on the cubic spline through all. ``"area"``: the mean over the new
        voxel's extent, right for fewer voxels, where the others leave some out. Beyond the
        outermost centres, by half a voxel at most, the outermost voxel is repeated.

    Returns
    -------
    Volume
        Padding stays padding, by the nearest voxel, and counts as air for its neighbours. What
        referred to the stored slices is left out: its slices are others.

    Raises
    ------
    ValueError
        If the interpolation is unknown.
    """
    if by not in INTERPOLATIONS:
        raise ValueError(f"An interpolation is one of {', '.join(INTERPOLATIONS)}, not {by!r}.")
    nearest = _nearest(volume, lattice)
    out = np.empty(lattice.shape, np.int16)
    weights = [None if by == NEAREST else _weights(volume, lattice, axis, by) for axis in range(3)]

    def fill(planes: slice) -> None:
        if by == NEAREST:
            out[planes] = _taken(volume.hu, nearest, planes)
        else:
            out[planes] = _blended(volume, weights, nearest, planes)

    parts = [slice(a, a + PLANES_AT_ONCE) for a in range(0, len(out), PLANES_AT_ONCE)]
    with working_threads() as pool:
        for at in range(0, len(parts), MOST_THREADS):
            yield Progress("Resampling", at * PLANES_AT_ONCE, len(out))
            list(pool.map(fill, parts[at : at + MOST_THREADS]))
    mm = " × ".join(f"{s:.4g}" for s in lattice.spacing)
    said = f"Resampled from {len(volume.hu)} to {len(out)} slices of {mm} mm (z, y, x), {by}."
    return on_other_voxels(volume, out, lattice, said)


def on_other_voxels(volume: Volume, hu: NDArray[np.int16], lattice: Lattice, said: str) -> Volume:
    """A volume on a lattice of another, which says what was done."""
    intake = volume.intake
    if intake is not None:
        resampled = f"{intake.resampled} {said}".strip()
        restores = "A saved mask or image lies on the new voxels."
        intake = replace(intake, spacing_mm=lattice.spacing, resampled=resampled, restores=restores)
    return replace(
        volume,
        hu=hu,
        spacing=lattice.spacing,
        origin=lattice.origin,
        notes=(*volume.notes, said),
        source=None,
        stored=None,
        intake=intake,
    )


def resample_labels(
    labels: NDArray[np.integer], volume: Volume, lattice: Lattice, by: str = DISTANCE
) -> Work[NDArray[np.integer]]:
    """Put a mask of a volume onto other voxels along its axes.

    Parameters
    ----------
    labels : (z, y, x), of the volume's shape
    by : str
        ``"nearest"``: the voxel a point lies in, which makes steps. ``"distance"``: where the
        distance in mm to the label's surface, positive inside and interpolated linearly, says
        inside; of several labels the one a point lies deepest in (Raya and Udupa, IEEE TMI 1990).

    Returns
    -------
    (z, y, x), of the lattice's shape and the labels' type

    Raises
    ------
    ValueError
        Another shape, or an unknown interpolation.
    """
    if labels.shape != volume.shape:
        raise ValueError(f"The mask has shape {labels.shape} but the volume {volume.shape}.")
    if by not in OF_MASKS:
        raise ValueError(f"Masks are resampled by {' or '.join(OF_MASKS)}, not by {by!r}.")
    if by == NEAREST:
        return _taken(labels, _nearest(volume, lattice), slice(None))
    out = np.zeros(lattice.shape, labels.dtype)
    deepest = np.full(lattice.shape, -np.inf, np.float32)
    boxes = ndimage.find_objects(labels.astype(np.int32))
    present = [(label, box) for label, box in enumerate(boxes, 1) if box is not None]
    for done, (label, box) in enumerate(present):
        yield Progress("Resampling the mask", done, len(present) + 1)
        there, depth = _depth(labels == label, box, volume, lattice)
        deeper = depth > deepest[there]
        out[there][deeper] = label
        deepest[there][deeper] = depth[deeper]
    if present:
        yield Progress("Resampling the mask", len(present), len(present) + 1)
        marked = labels > 0
        there, depth = _depth(
            marked, ndimage.find_objects(marked.view(np.uint8))[0], volume, lattice
        )
        kept = np.zeros(lattice.shape, bool)
        kept[there] = depth > 0
        out[~kept] = 0
    return out


def _nearest(volume: Volume, lattice: Lattice) -> list[NDArray[np.intp]]:
    """Index of the voxel each plane's middle lies in, by axis."""
    return [
        np.clip(np.floor(lattice.voxels_along(volume, axis) + 0.5), 0, n - 1).astype(np.intp)
        for axis, n in enumerate(volume.shape)
    ]


def _taken(voxels: NDArray, nearest: list[NDArray[np.intp]], planes: slice) -> NDArray:
    """Some planes of the nearest voxels."""
    along_z, along_y, along_x = nearest
    return voxels[along_z[planes]].take(along_y, axis=1).take(along_x, axis=2)


def _weights(volume: Volume, lattice: Lattice, axis: int, by: str) -> NDArray[np.float32] | None:
    """What each voxel along an axis adds to each new one, (new, old); None where all stay."""
    at, n = lattice.voxels_along(volume, axis), volume.shape[axis]
    if len(at) == n and np.allclose(at, np.arange(n), atol=1e-6):
        return None
    old = np.arange(n)
    if by == AREA:
        half = lattice.spacing[axis] / volume.spacing[axis] / 2
        upper = np.minimum(at[:, None] + half, old + 0.5)
        lower = np.maximum(at[:, None] - half, old - 0.5)
        covered = np.maximum(upper - lower, 0)
        return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
    within = np.clip(at, 0, n - 1)
    if by == CUBIC and n > 1:
        from scipy.interpolate import make_interp_spline  # takes a while to import

        spline = make_interp_spline(old, np.eye(n), k=min(3, n - 1))
        return np.asarray(spline(within), np.float32)
    return np.maximum(1 - np.abs(within[:, None] - old), 0).astype(np.float32)


def _blended(
    volume: Volume,
    weights: list[NDArray[np.float32] | None],
    nearest: list[NDArray[np.intp]],
    planes: slice,
) -> NDArray[np.int16]:
    """Some of the new planes, by weights along each axis; None keeps an axis."""
    along_z, along_y, along_x = weights
    used, share = planes, None
    if along_z is not None:
        matters = np.flatnonzero(np.abs(along_z[planes]).max(axis=0) > NEGLIGIBLE)
        used = slice(int(matters[0]), int(matters[-1]) + 1)
        share = along_z[planes, used]
    block = volume.hu[used].astype(np.float32)
    padding = LEAST_HU - 1 if volume.padding is None else volume.padding
    unmeasured = block <= padding
    block[unmeasured] = AIR_HU
    if along_y is not None:
        block = along_y @ block
    if along_x is not None:
        block = block @ along_x.T
    if share is not None:
        block = _summed(share, block)
    mixed = np.clip(np.rint(block, out=block), LEAST_HU, -LEAST_HU - 1).astype(np.int16)
    if unmeasured.any():
        as_stored = _taken(volume.hu, nearest, planes)
        np.copyto(mixed, as_stored, where=as_stored <= padding)
    return mixed


def _summed(share: NDArray[np.float32], block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Planes (new, y, x), each the sum of those (old, y, x) that have a share in it."""
    made = np.empty((len(share), *block.shape[1:]), np.float32)
    for plane, mine in zip(made, share, strict=True):
        first, *others = np.flatnonzero(np.abs(mine) > NEGLIGIBLE)
        np.multiply(block[first], mine[first], out=plane)
        for k in others:
            plane += block[k] * mine[k]
    return made


def _depth(
    mask: NDArray[np.bool_], box: tuple[slice, ...], volume: Volume, lattice: Lattice
) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
    """How many mm below the surface of a mask, which lies in a box, points of the lattice lie.

    Returns
    -------
    slices (z, y, x)
        The part of the lattice around the box.
    float32
        There; negative outside the mask.
    """
    wide = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in box)
    bordered = np.pad(mask[wide], 1)
    depth = ndimage.distance_transform_edt(bordered, volume.spacing)
    depth -= ndimage.distance_transform_edt(~bordered, volume.spacing)
    values, there = depth[1:-1, 1:-1, 1:-1].astype(np.float32), []
    for axis, side in enumerate(wide):
        n = values.shape[axis]
        at = np.clip(lattice.voxels_along(volume, axis), 0, volume.shape[axis] - 1) - side.start
        inside = np.flatnonzero((at >= 0) & (at <= n - 1))
        if not inside.size:
            return (slice(0, 0),) * 3, np.zeros((0, 0, 0), np.float32)
        there.append(slice(int(inside[0]), int(inside[-1]) + 1))
        share = np.maximum(1 - np.abs(at[inside, None] - np.arange(n)), 0).astype(np.float32)
        values = np.moveaxis(np.tensordot(share, values, axes=(1, axis)), 0, axis)
    return tuple(there), values
