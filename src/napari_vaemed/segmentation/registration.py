"""Lay an earlier scan's lungs on a later one's by turning and shifting it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.rigid import RigidTransform
from napari_vaemed.data.volume import Volume

COARSE_MM = 4.0
AIR_HU, TISSUE_HU = -1000.0, 0.0
"""What is told apart: the lungs' own density and the vessels in it; bone and fat are one."""
LUNG_HU = -400.0
LEAST_LUNG_ML = 300.0
ROUND_LUNGS_MM = 8.0
"""So far around the lungs counts too: their border is the strongest edge."""
BLURS_MM = (8.0, 4.0, 2.0)
"""Both scans are smoothed this much, step by step, so that far places attract each other first."""
STEPS = 100
SHARE = 0.1
"""Of the coarse voxels, evenly spread, that are compared at each step."""
THREADS = 2
"""The metric at 4 mm is little work: more threads wait for each other."""
LEAST_LIKENESS = 0.6


class NotRegistered(ValueError):
    """The two scans could not be laid on each other; the message says why."""


@dataclass(frozen=True, eq=False)
class _Coarse:
    """A scan at 4 mm, 0 for air to 1 for tissue, and where its lungs are; both (z, y, x)."""

    tissue: NDArray[np.float32]
    lungs: NDArray[np.bool_]
    grid: Volume

    def image(self, values: NDArray) -> sitk.Image:
        made = sitk.GetImageFromArray(values)
        made.SetSpacing([float(s) for s in self.grid.spacing[::-1]])
        made.SetOrigin([float(o) for o in self.grid.origin])
        made.SetDirection([float(d) for d in self.grid.direction.ravel()])
        return made

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        return self.grid.to_world(np.argwhere(self.lungs).mean(axis=0))


def register_rigid(
    fixed: Volume,
    moving: Volume,
    fixed_lungs: NDArray[np.uint8] | None = None,
    moving_lungs: NDArray[np.uint8] | None = None,
) -> Work[RigidTransform]:
    """Where each point of ``fixed`` lies in ``moving``, by their lungs.

    Both are brought to 4 mm and to the densities from air to water. From the middles of the lungs
    on each other, turn and shift follow the correlation in and around the fixed lungs, which a
    deeper breath changes little; first of heavily smoothed scans, then of sharper ones (ITK's
    `Euler3DTransform`, regular step gradient descent). Grids, spacings and fields of view may
    differ.

    Parameters
    ----------
    fixed, moving : Volume
    fixed_lungs, moving_lungs : (z, y, x) uint8, optional
        Lung labels; without them large regions of air inside the body are taken.

    Raises
    ------
    NotRegistered
        A scan shows no lungs, or what was found is not alike.
    """
    yield Progress("Making both scans coarse", 0, len(BLURS_MM) + 1)
    still, turned = _coarse(fixed, fixed_lungs), _coarse(moving, moving_lungs)
    found = sitk.Euler3DTransform()
    found.SetCenter([float(c) for c in still.centre_mm])
    found.SetTranslation([float(d) for d in turned.centre_mm - still.centre_mm])
    around = _around_lungs(still)
    for done, blur in enumerate(BLURS_MM, 1):
        yield Progress("Laying the lungs on each other", done, len(BLURS_MM) + 1)
        _improve(found, still, turned, around, blur)
    likeness = _likeness(found, still, turned, around)
    if likeness < LEAST_LIKENESS:
        raise NotRegistered(
            f"The lungs of the two scans do not look alike (correlation {likeness:.2f}, wanted "
            f"{LEAST_LIKENESS}). Check that both are chest CTs of one patient."
        )
    rotation = np.array(found.GetMatrix()).reshape(3, 3)
    middle = np.array(found.GetCenter())
    shift = middle + np.array(found.GetTranslation()) - rotation @ middle
    return RigidTransform(_orthonormal(rotation), shift, likeness)


def resample_onto(
    moving: Volume, fixed: Volume, transform: RigidTransform
) -> Work[NDArray[np.int16]]:
    """HU of ``moving`` on the voxels of ``fixed``, linear, (z, y, x); -1024 where it shows nothing.

    Parameters
    ----------
    transform : RigidTransform
        From points of ``fixed`` to points of ``moving``.
    """
    picture = sitk.GetImageFromArray(moving.hu)
    picture.SetSpacing([float(s) for s in moving.spacing[::-1]])
    picture.SetOrigin([float(o) for o in moving.origin])
    picture.SetDirection([float(d) for d in moving.direction.ravel()])
    there = sitk.AffineTransform(3)
    there.SetMatrix([float(m) for m in np.asarray(transform.rotation).ravel()])
    there.SetTranslation([float(t) for t in transform.shift])
    filter_ = sitk.ResampleImageFilter()
    filter_.SetTransform(there)
    filter_.SetDefaultPixelValue(-1024)
    filter_.SetOutputSpacing([float(s) for s in fixed.spacing[::-1]])
    filter_.SetOutputDirection([float(d) for d in fixed.direction.ravel()])
    depth, rows, columns = fixed.shape
    out = np.empty(fixed.shape, np.int16)
    slab = max(1, depth // 16)
    for first in range(0, depth, slab):
        yield Progress("Laying the prior on the CT", first, depth)
        count = min(slab, depth - first)
        filter_.SetSize([columns, rows, count])
        filter_.SetOutputOrigin([float(o) for o in fixed.to_world((first, 0, 0))])
        out[first : first + count] = sitk.GetArrayFromImage(filter_.Execute(picture))
    return out


def lay_mask(
    mask: NoduleMask, moving: Volume, fixed: Volume, transform: RigidTransform
) -> NoduleMask | None:
    """A mask of ``moving`` on the voxels of ``fixed``, by the nearest one; None outside.

    Parameters
    ----------
    transform : RigidTransform
        From points of ``fixed`` to points of ``moving``.
    """
    start, shape = np.array(mask.start), np.array(mask.voxels.shape)
    corners = start - 0.5 + np.indices((2, 2, 2)).reshape(3, -1).T * shape
    there = fixed.to_voxel(transform.inverse()(moving.to_world(corners)))
    low = np.maximum(np.floor(there.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(there.max(0)).astype(int) + 1, fixed.shape)
    if (low >= high).any():
        return None
    index = np.moveaxis(np.indices(high - low), 0, -1) + low
    nearest = np.rint(moving.to_voxel(transform(fixed.to_world(index)))).astype(int) - start
    inside = ((nearest >= 0) & (nearest < shape)).all(-1)
    inside[inside] = mask.voxels[tuple(nearest[inside].T)]
    if not inside.any():
        return None
    laid = NoduleMask.of(inside)
    z, y, x = (int(a) + int(b) for a, b in zip(laid.start, low, strict=True))
    return NoduleMask(laid.voxels, (z, y, x))


def _coarse(volume: Volume, lungs: NDArray[np.uint8] | None) -> _Coarse:
    """Blocks of voxels averaged to about 4 mm; what remains at the far edges is left out."""
    blocks = [max(1, round(COARSE_MM / s)) for s in volume.spacing]
    shape = [n // b for n, b in zip(volume.shape, blocks, strict=True)]
    tissue = np.empty(shape, np.float32)
    inside = None if lungs is None else np.empty(shape, bool)
    _, by, bx = blocks
    rows, columns = shape[1] * by, shape[2] * bx
    for k in range(shape[0]):
        planes = slice(k * blocks[0], (k + 1) * blocks[0])
        slab = volume.hu[planes, :rows, :columns].clip(AIR_HU, TISSUE_HU).mean(0)
        tissue[k] = slab.reshape(shape[1], by, shape[2], bx).mean((1, 3))
        if inside is not None and lungs is not None:
            middle = lungs[
                k * blocks[0] + blocks[0] // 2, by // 2 : rows : by, bx // 2 : columns : bx
            ]
            inside[k] = in_lungs(middle)
    first = volume.to_world([(b - 1) / 2 for b in blocks])
    dz, dy, dx = (float(s * b) for s, b in zip(volume.spacing, blocks, strict=True))
    x, y, z = (float(c) for c in first)
    grid = Volume(np.empty(shape, np.int16), (dz, dy, dx), (x, y, z), volume.direction)
    if inside is None:
        inside = _air_inside(tissue, grid.spacing)
    tissue = (tissue - AIR_HU) / (TISSUE_HU - AIR_HU)
    if inside.sum() * grid.voxel_mm3 < LEAST_LUNG_ML * 1000:
        raise NotRegistered(
            f"{volume.description} shows less than {LEAST_LUNG_ML:.0f} ml of lung; a prior is laid "
            "on a CT by its lungs. Choose another scan."
        )
    return _Coarse(tissue, inside, grid)


def _air_inside(hu: NDArray[np.float32], spacing: tuple[float, ...]) -> NDArray[np.bool_]:
    """Large regions below -400 HU that reach the sides of no slice."""
    inside = np.stack([_without_sides(plane) for plane in hu < LUNG_HU])
    labels, count = ndimage.label(inside)
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * float(np.prod(spacing))
    sizes[0] = 0
    return np.isin(labels, np.flatnonzero(sizes >= LEAST_LUNG_ML / 3 * 1000))


def _without_sides(air: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The regions of one slice (y, x) that do not touch its edges."""
    labels, _ = ndimage.label(air)
    edges = np.concatenate([labels[e] for e in (0, -1)] + [labels[:, e] for e in (0, -1)])
    return air & ~np.isin(labels, edges)


def _around_lungs(scan: _Coarse) -> NDArray[np.uint8]:
    """Within 8 mm of the lungs, what lies between the two included."""
    reach = ndimage.distance_transform_edt(~scan.lungs, sampling=scan.grid.spacing)
    return (reach <= ROUND_LUNGS_MM).astype(np.uint8)


def _improve(
    found: sitk.Euler3DTransform,
    still: _Coarse,
    turned: _Coarse,
    around: NDArray[np.uint8],
    blur_mm: float,
) -> None:
    """Follow the correlation at one sharpness; ``found`` is changed in place."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(still.image(around))
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SHARE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=blur_mm / 2, minStep=0.01, numberOfIterations=STEPS, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(found, inPlace=True)
    method.SetNumberOfThreads(THREADS)
    method.Execute(*(scan.image(_blurred(scan, blur_mm)) for scan in (still, turned)))


def _blurred(scan: _Coarse, blur_mm: float) -> NDArray[np.float32]:
    """Smoothed to the same width whatever the spacing was."""
    sigma = [blur_mm / s for s in scan.grid.spacing]
    return ndimage.gaussian_filter(scan.tissue, sigma, mode="nearest")


def _likeness(
    found: sitk.Euler3DTransform, still: _Coarse, turned: _Coarse, around: NDArray[np.uint8]
) -> float:
    """Correlation in and around the fixed lungs, where the moved scan shows anything."""
    one, other = (scan.image(_blurred(scan, BLURS_MM[-1])) for scan in (still, turned))
    moved = sitk.GetArrayFromImage(sitk.Resample(other, one, found, sitk.sitkLinear, -1.0))
    seen = (around > 0) & (moved >= 0)
    if seen.sum() < around.sum() / 3:
        return 0.0
    return float(np.corrcoef(sitk.GetArrayViewFromImage(one)[seen], moved[seen])[0, 1])


def _orthonormal(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest exact rotation; ITK's differs by rounding."""
    u, _, v = np.linalg.svd(rotation)
    return np.asarray(u @ v)
