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

CLOSE, MIDDLE, FAR_BOX = (12.0, 0.6), (20.0, 1.0), (32.0, 1.0)
SNAP_MM = 3.0
SMOOTHING_MM = 0.7
LUNG_HU = -500.0
CLOSING_MM = (10.0, 20.0)
FAINTEST_HU, DENSEST_HU = -720.0, -380.0
OPENINGS = (0.55, 0.7, 0.85)
REGROW_MM = 1.0
HALO_MM = 1.4
FAR = 2.6


class NoNodule(LookupError):
    """There is no nodule at the click; the message tells a person why."""


@dataclass(frozen=True, eq=False)
class _Scene:
    """The box around a click, smoothed, with the lung in it."""

    box: NoduleBox
    smooth: Field
    lung: Mask
    away: Field
    lung_hu: float


@dataclass(frozen=True, eq=False)
class _Growth:
    """What grew from the seed, on the box's grid."""

    grown: Mask
    kept: Mask
    threshold: float
    seed: tuple[int, int, int]
    radius: float
    kept_ratio: float
    reach_ratio: float
    wall_share: float
    nearby: float = 0
    exits: float = 0
    kept55: float = 0


def segment_nodule(
    volume: Volume, voxel: ArrayLike, lungs: NDArray[np.uint8] | None = None
) -> NoduleMask:
    """Mask the nodule at or within 3 mm of a click."""
    point = np.asarray(voxel, float)
    if not volume.contains(point):
        raise NoNodule("No nodule here: the click lies outside the scan.")
    if lungs is not None and lungs.shape != volume.shape:
        raise ValueError(
            f"The lung labels have shape {lungs.shape}, the volume {volume.shape}. "
            "Pass labels made on this volume."
        )
    scene, growth = _find_in_volume(volume, point, lungs)
    return _on_scan(volume, scene, growth)


def _find_in_volume(volume, point, lungs, judge=True):
    """Look closely or from afar, as the nodule's size asks for."""
    try:
        found = _find(cut_box(volume, point, *MIDDLE, lungs), judge)
    except NoNodule as no:
        if "wall" not in str(no):
            raise
        return _find(cut_box(volume, point, *FAR_BOX, lungs), judge)
    growth = found[1]
    if growth.radius < 3:
        return _find(cut_box(volume, point, *CLOSE, lungs), judge)
    if growth.radius > 7 or _at_edge(growth.kept):
        return _find(cut_box(volume, point, *FAR_BOX, lungs), judge)
    return found


def _at_edge(mask: Mask) -> bool:
    return any(bool(mask.take([0, 1, -2, -1], axis).any()) for axis in range(3))


def _find(box: NoduleBox, judge: bool = True):
    smooth = ndimage.gaussian_filter(box.hu, SMOOTHING_MM / box.step)
    best = None
    why = None
    for closing in CLOSING_MM:
        try:
            scene = _scene(box, smooth, closing)
            for core in _cores(scene):
                try:
                    growth = _grow(scene, core)
                    if judge:
                        _refuse_other_things(scene, growth)
                except NoNodule as no:
                    why = why or no
                    continue
                growth = _with_halo(scene, growth)
                if best is None or growth.wall_share < best[1].wall_share - 0.1:
                    best = scene, growth
                break
        except NoNodule as no:
            why = why or no
        if best is not None and best[1].wall_share < 0.25:
            break
    if best is None:
        raise why
    return best


def _radii(box: NoduleBox, seed: tuple[int, int, int] | None = None) -> Field:
    """Distance in mm of every sample from the box's centre, or from another sample."""
    n = len(box.hu)
    z, y, x = seed or (box.half,) * 3
    line = np.arange(n)
    squares = (line - z)[:, None, None] ** 2 + (line - y)[:, None] ** 2 + (line - x) ** 2
    return np.sqrt(squares) * box.step


def _scene(box: NoduleBox, smooth: Field, closing_mm: float) -> _Scene:
    lung = _lung_around(box, smooth, closing_mm)
    away = _radii(box)
    near = (away <= SNAP_MM) & lung
    if not near.any():
        raise NoNodule(_outside_lung(smooth, away))
    around = smooth[(smooth < LUNG_HU) & (away < 25) & lung]
    if around.size < 50:
        raise NoNodule("No nodule here: there is no lung around the click.")
    return _Scene(box, smooth, lung, away, float(np.median(around)))


def _cores(scene: _Scene) -> list[float]:
    """HU the nodule's core may have: the densest near the click, then the click's own."""
    near = (scene.away <= SNAP_MM) & scene.lung
    cavity = ndimage.binary_fill_holes((scene.smooth > -450) & scene.lung) & scene.lung
    if (cavity & near).sum() > ((scene.smooth > -450) & near).sum():
        hole = cavity & (scene.smooth <= -450)
        holes, _ = ndimage.label(hole)
        mine = np.unique(holes[near & hole])
        rim = ndimage.binary_dilation(np.isin(holes, mine[mine > 0]), iterations=2) & cavity & ~hole
        densest = float(np.percentile(scene.smooth[rim], 80))
    else:
        densest = float(np.percentile(scene.smooth[near], 90))
    own = float(np.median(scene.smooth[(scene.away <= 1.0)]))
    cores = [c for c in (densest, own) if c >= scene.lung_hu + 100]
    if not cores:
        air = "air" if scene.lung_hu < -960 else "normal lung"
        raise NoNodule(f"No nodule here: this is {air}.")
    if len(cores) == 2 and cores[0] - cores[1] < 150:
        return cores[:1]
    return cores


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
    return fine[tuple(slice(n) for n in air.shape)] | air


def _closed(mask: Mask, radius: float) -> Mask:
    """Closing by a ball of ``radius`` samples; nothing is assumed to lie beyond the edge."""
    pad = int(np.ceil(radius)) + 1
    dilated = ndimage.distance_transform_edt(~np.pad(mask, pad)) <= radius
    closed = ndimage.distance_transform_edt(dilated) > radius
    return closed[pad:-pad, pad:-pad, pad:-pad] | mask


def _tissue(scene: _Scene, threshold: float) -> Mask:
    lung = scene.lung
    if threshold < LUNG_HU:
        lung = ndimage.binary_erosion(lung, border_value=1)
    return ndimage.binary_fill_holes((scene.smooth > threshold) & lung)


def _grow(scene: _Scene, core: float, fixed: bool = False) -> _Growth:
    """Grow from the deepest point near the click at half the nodule's contrast, then open."""
    box, away, smooth = scene.box, scene.away, scene.smooth
    near = away <= SNAP_MM
    core = min(core, 100.0)
    for _ in range(1 if fixed else 2):
        threshold = float(np.clip((core + scene.lung_hu) / 2, FAINTEST_HU, DENSEST_HU))
        tissue = _tissue(scene, threshold)
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
        dense = inner & (smooth > threshold)
        rank = 60
        if dense.sum() < 0.8 * inner.sum():  # hollow: its wall is thin and the blur lowers it
            dense = grown & (_radii(box, (z, y, x)) <= 1.3 * radius) & (smooth > threshold)
            rank = 85
        core = min(float(np.percentile(smooth[dense], rank)), 100.0)
    seed = (z, y, x)
    from_seed = _radii(box, seed)
    ball = max(int(((from_seed <= radius) & box.measured).sum()), 1)
    kept55 = None
    for opening in OPENINGS:
        cores, _ = ndimage.label((depth > opening * radius) & grown)
        rest = cores == cores[seed]
        back = ndimage.distance_transform_edt(~rest) * box.step
        kept = grown & (back <= opening * radius + REGROW_MM)
        ratio = int((kept & box.measured).sum()) / ball
        kept55 = kept55 or ratio
        if ratio < 8 and np.percentile(from_seed[kept], 98) < FAR * radius + 1:
            break
    else:
        kept &= from_seed <= 1.15 * radius + 0.5
        ratio = int((kept & box.measured).sum()) / ball
    rim = ndimage.binary_dilation(kept) & ~kept & box.measured
    wall = int((rim & ~scene.lung).sum()) / max(int(rim.sum()), 1)
    nearby = (grown & (from_seed <= 2.5 * radius + 1) & box.measured).sum() / ball
    shell = np.abs(from_seed - 2.2 * radius - 1) <= 0.5
    exits = (grown & shell & box.measured).sum() * box.step**2 / (np.pi * radius**2)
    return _Growth(
        grown, kept, threshold, seed, radius, ratio, _two_sided_reach(box, grown, seed) / radius, wall, nearby, exits, kept55
    )


def _directions(count: int) -> Field:
    """Unit vectors (count, 3) spread evenly over half a sphere (a Fibonacci spiral)."""
    k = np.arange(count) + 0.5
    z = 1 - k / count
    turn = np.pi * (1 + 5**0.5) * k
    across = np.sqrt(1 - z**2)
    return np.stack([z, across * np.cos(turn), across * np.sin(turn)], axis=1)


def _two_sided_reach(box: NoduleBox, grown: Mask, seed: tuple[int, int, int]) -> float:
    """How far (mm) one can go from the seed both ways along a line: long in a vessel."""
    steps = np.arange(1, int(24 / box.step) * 2) * 0.5
    both = []
    for sign in (1, -1):
        way = sign * _directions(160)[:, None] * steps[:, None]
        at = np.rint(way + seed).astype(int)
        ok = ((at >= 0) & (at < len(grown))).all(-1)
        at = at.clip(0, len(grown) - 1)
        inside = ok & (grown & box.measured)[at[..., 0], at[..., 1], at[..., 2]]
        both.append(np.where(inside.all(1), len(steps), inside.argmin(1)))
    return float(np.percentile(np.minimum(*both), 97) * 0.5 * box.step)


def _with_halo(scene: _Scene, growth: _Growth) -> _Growth:
    """The same nodule with its ground-glass halo, if it has one wider than the scan's blur."""
    if growth.threshold < -560:
        return growth
    faint = max(FAINTEST_HU, scene.lung_hu + 165)
    apart = ndimage.distance_transform_edt(~growth.kept) * scene.box.step
    level = np.abs(np.arange(len(apart)) - growth.seed[0]) * scene.box.step <= 1.0
    shell = (apart > 1.0) & (apart <= 1.8) & scene.lung & level[:, None, None]
    shell &= scene.smooth <= growth.threshold
    if not shell.any() or (scene.smooth[shell] > faint).mean() < 0.5:
        return growth
    try:
        wide = _grow(scene, 2 * faint - scene.lung_hu, fixed=True)
        _refuse_other_things(scene, wide)
    except NoNodule:
        return growth
    return wide if wide.kept[growth.seed] else growth


def _outside_lung(smooth: Field, away: Field) -> str:
    """Say what a click outside the lungs has met."""
    hu = float(np.median(smooth[away <= 2]))
    if hu < -900:
        return "No nodule here: this is air outside the lungs."
    if hu > 250:
        return "No nodule here: this is bone."
    return "No nodule here: this is chest wall, mediastinum or another organ, not lung."


def _refuse_other_things(scene: _Scene, growth: _Growth) -> None:
    """Raise when what grew is longer, leakier or more walled in than a nodule."""
    box = scene.box
    if not (growth.kept & box.measured).any():
        raise NoNodule("No nodule here: what is dense lies beyond the scan's first or last slice.")
    runs = growth.kept55 * np.sqrt(1 + growth.exits)
    compact = growth.reach_ratio < 1.35 and growth.kept_ratio < 6
    if growth.kept_ratio > 12 or (runs > 24 and not compact) or growth.reach_ratio > 2.8:
        raise NoNodule("No nodule here: this is a vessel or runs on like one.")
    if growth.wall_share > 0.5:
        raise NoNodule("No nodule here: this is the chest wall or the mediastinum.")


def _on_scan(volume: Volume, scene: _Scene, growth: _Growth) -> NoduleMask:
    """Voxels of the scan above the threshold in the piece that was kept."""
    box = scene.box
    zone = ndimage.binary_dilation(growth.kept) & scene.lung
    found = np.argwhere(zone)
    low = np.floor(box.to_voxel(found.min(0) - 1.0)).astype(int).clip(0)
    high = np.minimum(np.ceil(box.to_voxel(found.max(0) + 1.0)).astype(int) + 1, volume.shape)
    samples = [
        np.rint((np.arange(a, b) - v) * s / box.step + box.half).astype(int).clip(0, len(zone) - 1)
        for a, b, v, s in zip(low, high, box.centre, box.spacing, strict=True)
    ]
    hu = volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    near = np.ix_(*samples)
    cavity = ndimage.binary_erosion(growth.kept, iterations=2)[near]
    pieces, count = ndimage.label(((hu > growth.threshold) & zone[near]) | cavity)
    if count == 0:
        raise NoNodule("No nodule here: nothing within 3 mm is denser than the lung.")
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    mask = NoduleMask.of(ndimage.binary_fill_holes(largest))
    z, y, x = (int(a) + b for a, b in zip(low, mask.start, strict=True))
    return NoduleMask(mask.voxels, (z, y, x))
