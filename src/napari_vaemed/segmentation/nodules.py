"""From one click to a nodule's mask, by thresholds and shape alone.

Half-maximum region growing with the vessels opened away and the lung's border closed over the
nodule, after Kuhnigk et al. (IEEE TMI 2006, doi 10.1109/TMI.2006.871547). The work is done in an
isotropic box around the click, so that slices of any thickness are treated alike; the mask is
then cut on the scan's own voxels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.labels import LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.nodule_box import NoduleBox, cut_box
from napari_vaemed.segmentation.nodule_shape import (
    NoduleShape,
    Seed,
    apart_from_vessel,
    exit_section,
    radii_from,
    two_sided_reach,
    vessels_running_on,
    wall_share,
)

Mask = NDArray[np.bool_]
Field = NDArray[np.floating]

CLOSE, MIDDLE, FAR = (12.0, 0.6), (20.0, 1.0), (32.0, 1.0)
"""Half side of the box and its step, mm: for nodules under 6 mm, up to 14 mm and above."""
SNAP_MM = 3.0
SMOOTHING_MM = 0.7
LUNG_HU = -500.0
WALL_HU = -450.0
BONE_HU = 250.0
CLOSINGS_MM = (10.0, 20.0)
FAINTEST_HU, DENSEST_HU, CORE_HU = -720.0, -380.0, 100.0
LEAST_CONTRAST_HU = 100.0
OPENINGS = (0.55, 0.7, 0.85)
REGROW_MM = 1.0
LOST_TO_VESSELS = 0.5
HALO_HU, WALL_OF_CAVITY_HU = 165.0, 295.0
FAINTEST_CAVITY_HU = -500.0
SUBSOLID_HU = -120.0


class NoNodule(LookupError):
    """There is no nodule at the click; the message tells a person why."""


class _NotLung(NoNodule):
    """The click lies outside the lungs, as far as this box and this closing can tell."""


@dataclass(frozen=True, eq=False)
class _Scene:
    """The box around a click, smoothed; the lung in it and its HU; mm from the click."""

    box: NoduleBox
    smooth: Field
    lung: Mask
    lung_hu: float
    away: Field

    @property
    def near(self) -> Mask:
        return self.away <= SNAP_MM


@dataclass(frozen=True, eq=False)
class _Growth:
    """The piece that was kept of what grew from the seed, on the box's grid."""

    kept: Mask
    threshold: float
    core: float
    seed: Seed
    shape: NoduleShape


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
    ValueError
        When the labels are not the volume's.
    """
    point = np.asarray(voxel, float)
    if not volume.contains(point):
        raise NoNodule("No nodule here: the click lies outside the scan.")
    if lungs is not None and lungs.shape != volume.shape:
        raise ValueError(
            f"The lung labels have shape {lungs.shape}, the volume {volume.shape}. "
            "Pass labels made on this volume."
        )
    return _on_scan(volume, *_find(volume, point, lungs))


def _find(
    volume: Volume, point: NDArray[np.float64], lungs: NDArray[np.uint8] | None
) -> tuple[_Scene, _Growth]:
    """Look, then look again closer or from farther off as the nodule's size asks for."""
    try:
        scene, growth = _find_in(cut_box(volume, point, *MIDDLE, lungs))
    except _NotLung:
        return _find_in(cut_box(volume, point, *FAR, lungs))
    if growth.shape.radius < 3:
        return _find_in(cut_box(volume, point, *CLOSE, lungs))
    at_edge = any(growth.kept.take([0, 1, -2, -1], axis).any() for axis in range(3))
    if growth.shape.radius > 7 or at_edge:
        return _find_in(cut_box(volume, point, *FAR, lungs))
    return scene, growth


def _find_in(box: NoduleBox) -> tuple[_Scene, _Growth]:
    """Try the ways to see the nodule until one shows no more than a little wall."""
    smooth = ndimage.gaussian_filter(box.hu, SMOOTHING_MM / box.step)
    best: tuple[_Scene, _Growth] | None = None
    refused: NoNodule | None = None
    for closing in CLOSINGS_MM:
        try:
            scene = _scene(box, smooth, closing)
            growth = _first_accepted(scene)
        except NoNodule as no:
            refused = refused or no
            continue
        if best is None or growth.shape.wall_share < best[1].shape.wall_share - 0.1:
            best = scene, growth
        if best[1].shape.wall_share < 0.25:
            break
    if best is None:
        raise refused or NoNodule("No nodule here.")
    return best


def _scene(box: NoduleBox, smooth: Field, closing_mm: float) -> _Scene:
    """Tell the lung from the rest, or say what the click has met."""
    lung = _lung_around(box, smooth, closing_mm)
    away = radii_from(box, (box.half,) * 3)
    if not (lung & (away <= SNAP_MM)).any():
        raise _outside_lung(float(np.median(smooth[away <= 2])))
    around = smooth[(smooth < LUNG_HU) & (away < 25) & lung]
    if around.size < 50:
        raise _NotLung("No nodule here: there is no lung around the click.")
    return _Scene(box, smooth, lung, float(np.median(around)), away)


def _outside_lung(hu: float) -> NoNodule:
    """What a click outside the lungs has met."""
    if hu < -900:
        return _NotLung("No nodule here: this is air outside the lungs.")
    if hu > BONE_HU:
        return _NotLung("No nodule here: this is bone.")
    return _NotLung("No nodule here: this is chest wall, mediastinum or another organ, not lung.")


def _lung_around(box: NoduleBox, smooth: Field, closing_mm: float) -> Mask:
    """Air of the lung and what it surrounds or bulges around: nodules, small vessels."""
    if box.lungs is None:
        air = smooth < LUNG_HU
    else:
        air = (box.lungs == RIGHT_LUNG) | (box.lungs == LEFT_LUNG)
    coarse = _closed(air[::2, ::2, ::2], closing_mm / (2 * box.step))
    tissue, _ = ndimage.label(~coarse)
    edges = np.unique(np.concatenate([tissue.take([0, -1], a).ravel() for a in range(3)]))
    coarse |= ~np.isin(tissue, edges)
    fine = coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    z, y, x = (slice(n) for n in air.shape)
    lung: Mask = fine[z, y, x] | air
    return lung


def _closed(mask: Mask, radius: float) -> Mask:
    """Closing by a ball of ``radius`` samples; beyond the edge nothing belongs to the mask."""
    pad = int(np.ceil(radius)) + 1
    dilated = ndimage.distance_transform_edt(~np.pad(mask, pad)) <= radius
    closed: Mask = ndimage.distance_transform_edt(dilated) > radius
    return closed[pad:-pad, pad:-pad, pad:-pad] | mask


def _first_accepted(scene: _Scene) -> _Growth:
    """Grow from each core HU in turn until the shape is a nodule's."""
    refused: NoNodule | None = None
    for core in _core_hus(scene):
        try:
            growth = _grow(scene, core)
            _refuse_other_things(scene, growth)
        except NoNodule as no:
            refused = refused or no
            continue
        return _with_halo(scene, _with_thin_wall(scene, growth))
    if refused is not None:
        raise refused
    air = "air" if scene.lung_hu < -960 else "normal lung"
    raise NoNodule(f"No nodule here: this is {air}.")


def _core_hus(scene: _Scene) -> Iterator[float]:
    """HU the nodule's core may have: the densest near the click, then the click's own."""
    dense = (scene.smooth > WALL_HU) & scene.lung
    hole = ndimage.binary_fill_holes(dense) & scene.lung & ~dense
    if (hole & scene.near).any():
        holes, _ = ndimage.label(hole)
        mine = np.isin(holes, np.unique(holes[scene.near & hole]))
        rim = ndimage.binary_dilation(mine, iterations=2) & dense
        densest = float(np.percentile(scene.smooth[rim], 80))
    else:
        densest = float(np.percentile(scene.smooth[scene.near & scene.lung], 90))
    own = float(np.median(scene.smooth[scene.away <= 1]))
    least = scene.lung_hu + LEAST_CONTRAST_HU
    if densest >= least:
        yield densest
    if own >= least and own < densest - 150:
        yield own


def _grow(scene: _Scene, core: float, settle: bool = True) -> _Growth:
    """Grow from the deepest point near the click at half the nodule's contrast, then open.

    ``settle`` measures the core's HU once more inside what has grown.
    """
    for _ in range(2 if settle else 1):
        half = (min(core, CORE_HU) + scene.lung_hu) / 2
        threshold = float(np.clip(half, FAINTEST_HU, DENSEST_HU))
        grown, depth, seed = _region(scene, threshold)
        radius = float(depth[seed])
        core = _core_hu(scene, grown, depth, seed, threshold)
    exits = exit_section(scene.box, grown, seed, radius)
    kept, opened_ratio, kept_ratio = _opened(scene.box, grown, depth, seed)
    wall = wall_share(scene.box, kept, scene.lung)
    if radius < 3.5 and exits > 1 and kept_ratio < 2.5 and wall < 0.2:
        kept = apart_from_vessel(scene.box, grown, kept, seed, radius)
    if wall < 0.02 and radius < 7:  # the spicules of a larger one would go as well
        kept = kept & ~vessels_running_on(scene.box, grown, kept, depth, seed)
    shape = NoduleShape(
        radius=radius,
        opened_ratio=opened_ratio,
        kept_ratio=kept_ratio,
        exits=exits,
        reach=two_sided_reach(scene.box, grown, seed) / radius,
        wall_share=wall,
    )
    return _Growth(kept, threshold, core, seed, shape)


def _region(scene: _Scene, threshold: float) -> tuple[Mask, Field, Seed]:
    """What is denser than the threshold at the click, its depth in mm, its deepest point."""
    lung = scene.lung
    if threshold < LUNG_HU:  # else the wall's blurred edge would grow along the whole lung
        lung = ndimage.binary_erosion(lung, border_value=1)
    tissue = ndimage.binary_fill_holes((scene.smooth > threshold) & lung)
    if not (scene.near & tissue).any():
        raise NoNodule("No nodule here: nothing within 3 mm is denser than the lung.")
    depth = ndimage.distance_transform_edt(tissue) * scene.box.step
    pieces, _ = ndimage.label(tissue)
    start = np.argmax(np.where(scene.near & tissue, depth - 0.3 * scene.away, -np.inf))
    grown: Mask = pieces == pieces.flat[start]
    # Depth rises by 1 mm a mm towards a nodule's middle, but slowly along a vessel.
    climb = np.where(grown & (scene.away < 20), depth - 0.4 * scene.away, -np.inf)
    z, y, x = (int(i) for i in np.unravel_index(np.argmax(climb), climb.shape))
    return grown, depth, (z, y, x)


def _core_hu(scene: _Scene, grown: Mask, depth: Field, seed: Seed, threshold: float) -> float:
    """HU of the nodule's core; of a hollow one's wall, thin and lowered by the blur."""
    from_seed = radii_from(scene.box, seed)
    dense = grown & (scene.smooth > threshold)
    inner = grown & (depth >= 0.6 * depth[seed]) & (from_seed <= depth[seed])
    if (dense & inner).sum() >= 0.8 * inner.sum():
        return float(np.percentile(scene.smooth[dense & inner], 60))
    return float(np.percentile(scene.smooth[dense & (from_seed <= 1.3 * depth[seed])], 85))


def _opened(box: NoduleBox, grown: Mask, depth: Field, seed: Seed) -> tuple[Mask, float, float]:
    """Cut the vessels by the gentlest opening that does; volumes in balls, first and final."""
    radius = float(depth[seed])
    from_seed = radii_from(box, seed)
    ball = max(int(((from_seed <= radius) & box.measured).sum()), 1)
    pieces, ratios = [], []
    for opening in OPENINGS:
        cores, _ = ndimage.label((depth > opening * radius) & grown)
        back = ndimage.distance_transform_edt(cores != cores[seed]) * box.step
        pieces.append(grown & (back <= opening * radius + max(REGROW_MM, 0.25 * radius)))
        ratios.append(int((pieces[-1] & box.measured).sum()) / ball)
    first = len(OPENINGS) - 1 if ratios[-1] < LOST_TO_VESSELS * ratios[0] else 0
    for kept, ratio in zip(pieces[first:], ratios[first:], strict=True):
        if ratio < 8 and np.percentile(from_seed[kept], 98) < 3.3 * radius - 1:
            return kept, ratios[0], ratio
    kept = pieces[-1] & (from_seed <= (1.15 if ratios[0] > 9 else 1.6) * radius + 0.5)
    return kept, ratios[0], int((kept & box.measured).sum()) / ball


def _refuse_other_things(scene: _Scene, growth: _Growth) -> None:
    """Raise when what grew is a vessel, wall, or not on the scan at all."""
    if not (growth.kept & scene.box.measured).any():
        raise NoNodule("No nodule here: what is dense lies beyond the scan's first or last slice.")
    middle = (scene.box.half,) * 3
    if scene.smooth[middle] > BONE_HU and not growth.kept[middle]:
        raise _outside_lung(float(scene.smooth[middle]))
    if growth.shape.is_vessel:
        raise NoNodule("No nodule here: this is a vessel or runs on like one.")
    if growth.shape.is_wall:
        raise _NotLung("No nodule here: this is the chest wall or the mediastinum.")


def _with_thin_wall(scene: _Scene, growth: _Growth) -> _Growth:
    """The same nodule; if it is a small hollow one, at the HU where its blurred wall ends."""
    least = scene.lung_hu + WALL_OF_CAVITY_HU
    hollow = growth.core > FAINTEST_CAVITY_HU and _middle_hu(scene, growth) < growth.core - 40
    if not hollow or growth.shape.radius >= 4 or growth.threshold >= least:
        return growth
    return _regrown(scene, growth, least)


def _with_halo(scene: _Scene, growth: _Growth) -> _Growth:
    """The same nodule with its ground-glass halo, if it has one wider than the scan's blur."""
    faint = max(FAINTEST_HU, scene.lung_hu + HALO_HU)
    if growth.threshold <= faint + 100:
        return growth
    blur = 1.1 + 0.6 * max(float(scene.box.spacing[1]) - 0.95, 0)
    # A thin halo is half blurred away; around a large core, spicules can fill most of the shell,
    # and vessels around any.
    shape = growth.shape
    needed = (0.55 if shape.exits < 1 else 0.85) if shape.radius <= 4 else 0.97
    if _is_small_subsolid(scene, growth):
        blur, needed = blur - 0.3, 0.2
    apart = ndimage.distance_transform_edt(~growth.kept) * scene.box.step
    level = np.abs(np.arange(len(apart)) - growth.seed[0]) * scene.box.step <= 1
    shell = (apart > blur) & (apart <= blur + 0.7) & scene.lung & level[:, None, None]
    shell &= scene.smooth <= growth.threshold
    if not shell.any() or (scene.smooth[shell] > faint).mean() < needed:
        return growth
    return _regrown(scene, growth, faint)


def _is_small_subsolid(scene: _Scene, growth: _Growth) -> bool:
    """Whether a core this wide is too faint, even blurred, for a solid nodule's."""
    faint = growth.core < min(SUBSOLID_HU, _middle_hu(scene, growth))
    return faint and 2.3 < growth.shape.radius < 5 and growth.shape.exits < 0.5


def _middle_hu(scene: _Scene, growth: _Growth) -> float:
    return float(scene.smooth[radii_from(scene.box, growth.seed) <= 1].mean())


def _regrown(scene: _Scene, growth: _Growth, threshold: float) -> _Growth:
    """The same nodule at another threshold, where that is still a nodule."""
    try:
        again = _grow(scene, 2 * threshold - scene.lung_hu, settle=False)
        _refuse_other_things(scene, again)
    except NoNodule:
        return growth
    return again if again.kept[growth.seed] else growth


def _on_scan(volume: Volume, scene: _Scene, growth: _Growth) -> NoduleMask:
    """Voxels of the scan above the threshold in the piece that was kept."""
    box = scene.box
    zone = ndimage.binary_dilation(growth.kept) & scene.lung
    found = np.argwhere(zone)
    low = np.floor(box.to_voxel(found.min(0) - 1.0)).astype(int).clip(0)
    high = np.minimum(np.ceil(box.to_voxel(found.max(0) + 1.0)).astype(int) + 1, volume.shape)
    nearest = np.ix_(*box.nearest_samples(low, high))
    hu = volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    hollow = ndimage.binary_erosion(growth.kept, iterations=2)
    marked = (zone[nearest] & (hu > growth.threshold)) | hollow[nearest]
    pieces, count = ndimage.label(marked)
    if count == 0:
        raise NoNodule("No nodule here: nothing within 3 mm is denser than the lung.")
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    mask = NoduleMask.of(ndimage.binary_fill_holes(largest))
    z, y, x = (int(a) + b for a, b in zip(low, mask.start, strict=True))
    return NoduleMask(mask.voxels, (z, y, x))
