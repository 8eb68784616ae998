"""From one click to a nodule's mask, by thresholds and shape alone.

Half-maximum region growing with the vessels opened away and the lung's border closed over the
nodule, after Kuhnigk et al. (IEEE TMI 2006, doi 10.1109/TMI.2006.871547). The work is done in an
isotropic box around the click, so that slices of any thickness are treated alike; the mask is
then cut on the scan's own voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.nodule_box import NoduleBox, cut_box

Mask = NDArray[np.bool_]
Field = NDArray[np.floating]

HALF_MM = 32.0
STEP_MM = 1.0
SNAP_MM = 3.0
SMOOTHING_MM = 0.7
LUNG_HU = -500.0
CLOSING_MM = 10.0
FAINTEST_HU, DENSEST_HU = -720.0, -380.0
OPENING = 0.55
REGROW_MM = 1.0


class NoNodule(LookupError):
    """There is no nodule at the click; the message tells a person why."""


@dataclass(frozen=True, eq=False)
class _Growth:
    """What grew from the seed, on the box's grid."""

    grown: Mask
    kept: Mask
    threshold: float
    seed: tuple[int, int, int]
    radius: float


def segment_nodule(
    volume: Volume, voxel: ArrayLike, lungs: NDArray[np.uint8] | None = None
) -> NoduleMask:
    """Mask the nodule at or within 3 mm of a click.

    Parameters
    ----------
    volume : Volume
    voxel : (z, y, x)
        The click as a fractional voxel index.
    lungs : (z, y, x) uint8, optional
        Lung labels of the whole volume (see `data.labels`). Without them the lung is told
        from the HU around the click.

    Raises
    ------
    NoNodule
        When the click meets air, a vessel, bone, the chest wall, the mediastinum or nothing.
    """
    point = np.asarray(voxel, float)
    if not volume.contains(point):
        raise NoNodule("No nodule here: the click lies outside the scan.")
    if lungs is not None and lungs.shape != volume.shape:
        raise ValueError(
            f"The lung labels have shape {lungs.shape}, the volume {volume.shape}. "
            "Pass labels made on this volume."
        )
    box = cut_box(volume, point, HALF_MM, STEP_MM, lungs)
    smooth = ndimage.gaussian_filter(box.hu, SMOOTHING_MM / box.step)
    lung = _lung_around(box, smooth)
    growth = _grow(box, smooth, lung)
    _refuse_other_things(box, lung, growth)
    return _on_scan(volume, box, growth, lung)


def _radii(box: NoduleBox, seed: tuple[int, int, int] | None = None) -> Field:
    """Distance in mm of every sample from the box's centre, or from another sample."""
    n = len(box.hu)
    z, y, x = seed or (box.half,) * 3
    line = np.arange(n)
    squares = (line - z)[:, None, None] ** 2 + (line - y)[:, None] ** 2 + (line - x) ** 2
    return np.sqrt(squares) * box.step


def _lung_around(box: NoduleBox, smooth: Field) -> Mask:
    """Air of the lung and what it surrounds or bulges around: nodules, small vessels."""
    if box.lungs is None:
        air = smooth < LUNG_HU
    else:
        air = (box.lungs == RIGHT_LUNG) | (box.lungs == LEFT_LUNG)
    coarse = _closed(air[::2, ::2, ::2], CLOSING_MM / (2 * box.step))
    tissue, _ = ndimage.label(~coarse)
    edges = np.unique(np.concatenate([tissue.take([0, -1], a).ravel() for a in range(3)]))
    coarse |= ~np.isin(tissue, edges)
    fine = coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return fine[tuple(slice(n) for n in air.shape)] | air


def _closed(mask: Mask, radius: float) -> Mask:
    """Closing by a ball of ``radius`` samples; nothing is assumed to lie beyond the edge."""
    pad = int(np.ceil(radius)) + 1
    dilated = ndimage.distance_transform_edt(~np.pad(mask, pad)) <= radius
    closed = ndimage.distance_transform_edt(dilated) > radius
    return closed[pad:-pad, pad:-pad, pad:-pad] | mask


def _grow(box: NoduleBox, smooth: Field, lung: Mask) -> _Growth:
    """Grow from the deepest point near the click at half the nodule's contrast, then open."""
    away = _radii(box)
    near = (away <= SNAP_MM) & lung
    if not near.any():
        raise NoNodule(_outside_lung(smooth, away))
    around = smooth[(smooth < LUNG_HU) & (away < 25) & lung]
    if around.size < 50:
        raise NoNodule("No nodule here: there is no lung around the click.")
    lung_hu = float(np.median(around))
    core = min(float(np.percentile(smooth[near], 90)), 100.0)
    if core < lung_hu + 100:
        air = "air" if lung_hu < -960 else "normal lung"
        raise NoNodule(f"No nodule here: this is {air}.")
    for _ in range(2):
        threshold = float(np.clip((core + lung_hu) / 2, FAINTEST_HU, DENSEST_HU))
        tissue = (smooth > threshold) & lung
        if not (near & tissue).any():
            raise NoNodule("No nodule here: nothing within 3 mm is denser than the lung.")
        depth = ndimage.distance_transform_edt(tissue) * box.step
        pieces, _ = ndimage.label(tissue)
        start = np.argmax(np.where(near & tissue, depth - 0.3 * away, -np.inf))
        grown = pieces == pieces.flat[start]
        climb = np.where(grown & (away < 20), depth - 0.4 * away, -np.inf)
        z, y, x = (int(i) for i in np.unravel_index(np.argmax(climb), climb.shape))
        radius = float(depth[z, y, x])
        inner = grown & (depth >= 0.6 * radius) & (_radii(box, (z, y, x)) <= radius)
        core = min(float(np.percentile(smooth[inner], 60)), 100.0)
    rest = depth > OPENING * radius
    cores, _ = ndimage.label(rest & grown)
    rest = cores == cores[z, y, x]
    back = ndimage.distance_transform_edt(~rest) * box.step
    kept = grown & (back <= OPENING * radius + REGROW_MM)
    return _Growth(grown, kept, threshold, (z, y, x), radius)


def _outside_lung(smooth: Field, away: Field) -> str:
    """Say what a click outside the lungs has met."""
    hu = float(np.median(smooth[away <= 2]))
    if hu < -900:
        return "No nodule here: this is air outside the lungs."
    if hu > 250:
        return "No nodule here: this is bone."
    return "No nodule here: this is chest wall, mediastinum or another organ, not lung."


def _refuse_other_things(box: NoduleBox, lung: Mask, growth: _Growth) -> None:
    """Raise when what grew is longer, leakier or more walled in than a nodule."""
    if not (growth.kept & box.measured).any():
        raise NoNodule("No nodule here: what is dense lies beyond the scan's first or last slice.")
    from_seed = _radii(box, growth.seed)
    ball = max(int(((from_seed <= growth.radius) & box.measured).sum()), 1)
    kept = int((growth.kept & box.measured).sum()) / ball
    near = growth.grown & (from_seed <= 2.5 * growth.radius + 1)
    nearby = int((near & box.measured).sum()) / ball
    if kept > 14 or (kept * nearby > 26 and growth.radius < 3):
        raise NoNodule("No nodule here: this is a vessel or runs on like one.")
    rim = ndimage.binary_dilation(growth.kept) & ~growth.kept & box.measured
    if (rim & ~lung).sum() > 0.5 * rim.sum():
        raise NoNodule("No nodule here: this is the chest wall or the mediastinum.")


def _on_scan(volume: Volume, box: NoduleBox, growth: _Growth, lung: Mask) -> NoduleMask:
    """Voxels of the scan above the threshold in the piece that was kept."""
    zone = ndimage.binary_dilation(growth.kept) & lung
    found = np.argwhere(zone)
    low = np.floor(box.to_voxel(found.min(0) - 1.0)).astype(int).clip(0)
    high = np.minimum(np.ceil(box.to_voxel(found.max(0) + 1.0)).astype(int) + 1, volume.shape)
    samples = [
        np.rint((np.arange(a, b) - v) * s / box.step + box.half).astype(int).clip(0, len(zone) - 1)
        for a, b, v, s in zip(low, high, box.centre, box.spacing, strict=True)
    ]
    hu = volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    pieces, count = ndimage.label((hu > growth.threshold) & zone[np.ix_(*samples)])
    if count == 0:
        raise NoNodule("No nodule here: nothing within 3 mm is denser than the lung.")
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    mask = NoduleMask.of(ndimage.binary_fill_holes(largest))
    z, y, x = (int(a) + b for a, b in zip(low, mask.start, strict=True))
    return NoduleMask(mask.voxels, (z, y, x))
