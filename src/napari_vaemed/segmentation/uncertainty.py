"""How far a nodule's diameters and volume can be trusted: 95 % intervals.

Four things spread a measurement: further clicks inside the nodule, another way to outline it,
the reader's choice where it touches vessels or wall, and the voxels, slices included. Their
squares add up to an uncalibrated spread. How many of these the truth lies away was counted on
phantom nodules (`FACTORS`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, hypot, log

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.finding import ErrorBars, Measurement, NoduleMask
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.density import solid_part
from napari_vaemed.segmentation.measure import diameters
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.segmentation.partial_volume import filled

Outline = Callable[[Volume, tuple[float, float, float]], NoduleMask]

CLICKS = 4
"""So many further clicks; they take most of the time."""

VOXEL, BORDER, OTHER_WAY, TOUCHING, TOUCHING_MM = 0.25, 0.11, 0.5, 0.2, 0.3
"""Weights of: a pixel in a diameter; half a voxel of border in a volume; the other outline's
difference; the touching share of the border, in a volume and in a diameter."""

UNSEEN_LOG, UNSEEN_MM = 0.3, 1.0
"""Stands for the other outline's difference in log volume and in mm where it sees no nodule."""

SHELL_MM = (1.2, 2.4)
SOLID_STEP_HU = 100
FEWEST_SLICES, FEWEST_PIXELS = 2, 3
MOST_APART = 2.0
"""Volumes of further clicks this many times larger or smaller are another thing: a leak."""

MOST_JOINED = 0.3
"""Of a nodule's border; readers' nodules in LIDC-IDRI seldom join a vessel along more than 0.22."""

SMALL_MM = 6.0
FACTORS = {
    "small": {
        "volume": (-5.9, 7.8), "longest": (-5.3, 4.5), "across": (-4.6, 4.9), "mean": (-4.7, 5.0),
        "solid": (-1.0, 0.8),
    },
    "part-solid": {
        "volume": (-1.9, 6.5), "longest": (-1.0, 3.6), "across": (-1.8, 2.5), "mean": (-1.2, 3.0),
        "solid": (-0.7, 3.2),
    },
    "other": {
        "volume": (-2.1, 5.3), "longest": (-2.2, 2.7), "across": (-2.0, 2.4), "mean": (-1.8, 2.0),
    },
}  # fmt: skip
"""Error over spread at the ends of the 95 % interval: 1.5 and 98.5 % of 298 phantom nodules lie
between, since few stand behind each end: 72 with mean diameters below `SMALL_MM`, where halos and
hollows are missed, 34 larger part-solid ones, and the rest (seeds 4000 to 4029 and 20000 to
20008). `benchmarks/measure.py --calibrate` counts anew."""


@dataclass(frozen=True)
class Sizes:
    """What is compared between outlines: two diameters in mm, volume in mm³."""

    longest: float
    across: float
    cubic: float

    @property
    def mean(self) -> float:
        """Mean of the diameters."""
        return (self.longest + self.across) / 2


@dataclass(frozen=True)
class Spread:
    """Uncalibrated spreads: of the log volume, of the diameters in mm, of the solid log volume."""

    volume: float
    longest: float
    across: float
    mean: float
    solid: float | None = None
    clicks: int = 0


def error_bars(
    volume: Volume,
    mask: NoduleMask,
    measured: Measurement,
    outlines: Sequence[Outline] = (),
) -> Work[ErrorBars]:
    """The 95 % intervals of a measurement, or why it cannot be measured.

    Parameters
    ----------
    outlines : sequence of functions from a volume and a voxel (z, y, x) to a mask
        The one that made the mask, asked again at other places in the nodule, then others, asked
        once. None for a mask drawn by hand: then its border alone spreads.

    Raises
    ------
    ValueError
        When the mask does not fit the volume.
    """
    spread = yield from measuring_spread(volume, mask, measured, outlines)
    return ErrorBars(refused=spread) if isinstance(spread, str) else intervals(measured, spread)


def measuring_spread(
    volume: Volume, mask: NoduleMask, measured: Measurement, outlines: Sequence[Outline] = ()
) -> Work[Spread | str]:
    """The spread before calibration, or the reason why a nodule cannot be measured."""
    reason = _unmeasurable(volume, mask, measured)
    if reason is None and outlines:
        reason = _joined(volume, mask)
    if reason is not None:
        return reason
    again: list[Sizes | None] = []
    others: list[Sizes | None] = []
    places = _places(volume, mask)
    asked = [*((outlines[0], place, again) for place in places if outlines),
             *((other, places[0], others) for other in outlines[1:])]  # fmt: skip
    for done, (outline, place, answers) in enumerate(asked):
        yield Progress("Measuring again", done, len(asked))
        answers.append(_sizes_at(outline, volume, place))
    own = Sizes(measured.longest_mm, measured.perpendicular_mm, measured.partial_volume_mm3)
    leak = _leak(own, again)
    if leak is not None:
        return leak
    return spread_of(volume, mask, measured, [s for s in again if s is not None], others)


def spread_of(
    volume: Volume,
    mask: NoduleMask,
    measured: Measurement,
    again: Sequence[Sizes],
    others: Sequence[Sizes | None],
) -> Spread:
    """How far a measurement's numbers spread, before calibration.

    Parameters
    ----------
    again, others : sequences of Sizes
        From further clicks, and from other ways to outline it; None where one sees no nodule.
    """
    own = Sizes(measured.longest_mm, measured.perpendicular_mm, measured.partial_volume_mm3)
    touching = _touching(volume, mask)
    pixel = max(volume.spacing[1:])
    slices = volume.spacing[0] ** 2 / (8 * max(own.longest, 1e-6))  # a chord half a slice off
    fixed = hypot(VOXEL * pixel, slices, TOUCHING_MM * touching * own.mean)

    def in_mm(name: str) -> float:
        mine = getattr(own, name)
        clicks = float(np.std([mine, *(getattr(sizes, name) for sizes in again)]))
        apart = [UNSEEN_MM if s is None else getattr(s, name) - mine for s in others]
        return hypot(fixed, clicks, *(OTHER_WAY * a for a in apart))

    clicks = float(np.std(np.log([own.cubic, *(sizes.cubic for sizes in again)])))
    apart = [UNSEEN_LOG if s is None else log(s.cubic / own.cubic) for s in others]
    border = BORDER * _half_voxel(volume, filled(volume, mask).share, own.cubic)
    return Spread(
        volume=hypot(border, clicks, TOUCHING * touching, *(OTHER_WAY * a for a in apart)),
        longest=in_mm("longest"),
        across=in_mm("across"),
        mean=in_mm("mean"),
        solid=None if measured.solid is None else _solid_spread(volume, mask),
        clicks=len(again),
    )


def intervals(measured: Measurement, spread: Spread) -> ErrorBars:
    """Calibrated intervals around a measurement."""
    factors = FACTORS[group_of(measured)]

    def plain(value: float, name: str) -> Interval:
        low, high = factors[name]
        sigma = getattr(spread, name)
        return Interval(value, max(value - high * sigma, 0.0), value - low * sigma)

    def in_logs(value: float, name: str, power: float = 1.0) -> Interval:
        low, high = factors[name]
        sigma = getattr(spread, name) * power
        return Interval(value, value * exp(-high * sigma), value * exp(-low * sigma))

    solid = measured.solid
    return ErrorBars(
        longest_mm=plain(measured.longest_mm, "longest"),
        perpendicular_mm=plain(measured.perpendicular_mm, "across"),
        mean_mm=plain(measured.mean_mm, "mean"),
        volume_mm3=in_logs(measured.partial_volume_mm3, "volume"),
        solid_mm=None if solid is None else in_logs(solid.mean_mm, "solid", 1 / 3),
        solid_mm3=None if solid is None else in_logs(solid.volume_mm3, "solid"),
        clicks=spread.clicks,
    )


def group_of(measured: Measurement) -> str:
    """Which of the `FACTORS` hold for a nodule."""
    if measured.mean_mm < SMALL_MM:
        return "small"
    return "part-solid" if measured.density == "part-solid" else "other"


def _unmeasurable(volume: Volume, mask: NoduleMask, measured: Measurement) -> str | None:
    """Why a nodule cannot be measured, as far as its mask tells."""
    ends = np.add(mask.start, mask.voxels.shape)
    if min(mask.start) == 0 or np.any(ends == volume.shape):
        return "It reaches the edge of the scan: part of it may be missing."
    slices = int(mask.voxels.any(axis=(1, 2)).sum())
    if slices < FEWEST_SLICES:
        return (
            f"It is too small for these slices: it shows on {slices} of "
            f"{volume.spacing[0]:.1f} mm, and {FEWEST_SLICES} are needed."
        )
    pixels = measured.longest_mm / max(volume.spacing[1:])
    if pixels < FEWEST_PIXELS:
        return f"It is too small for these pixels: {pixels:.1f} across, {FEWEST_PIXELS} are needed."
    return None


def _joined(volume: Volume, mask: NoduleMask) -> str | None:
    """Why a clicked nodule cannot be told from a vessel; who drew one has told."""
    joined = filled(volume, mask).joined
    if joined <= MOST_JOINED:
        return None
    return f"It cannot be told from the vessel that joins {100 * joined:.0f} % of its border."


def _leak(own: Sizes, again: Sequence[Sizes | None]) -> str | None:
    """Why further clicks speak against this outline."""
    if not again:
        return None
    missed = sum(sizes is None for sizes in again)
    if 2 * missed > len(again):
        return f"{missed} of {len(again)} further clicks in it find no nodule."
    ratios = [max(s.cubic / own.cubic, own.cubic / s.cubic) for s in again if s is not None]
    far = sum(ratio > MOST_APART for ratio in ratios)
    if 2 * far > len(ratios):
        return (
            f"It leaks or is more than one: {far} of {len(again)} further clicks in it find more "
            f"than {MOST_APART:g} times its volume, or less than half."
        )
    return None


def _places(volume: Volume, mask: NoduleMask) -> list[tuple[float, float, float]]:
    """Places (z, y, x) for further clicks: anywhere in the nodule's inner half."""
    depth = ndimage.distance_transform_edt(np.pad(mask.voxels, 1), sampling=volume.spacing)
    inner = np.argwhere(depth[1:-1, 1:-1, 1:-1] >= 0.5 * depth.max())
    rng = np.random.default_rng(0)  # the same clicks give the same bars
    chosen = inner[rng.integers(len(inner), size=CLICKS)] + rng.uniform(-0.5, 0.5, (CLICKS, 3))
    return [(float(z), float(y), float(x)) for z, y, x in chosen + mask.start]


def _sizes_at(outline: Outline, volume: Volume, place: tuple[float, float, float]) -> Sizes | None:
    try:
        mask = outline(volume, place)
    except NoNodule:
        return None
    return sizes_of(volume, mask)


def sizes_of(volume: Volume, mask: NoduleMask) -> Sizes:
    """Diameters and volume of an outline made from the HU."""
    fill = filled(volume, mask)
    wide = diameters(volume, mask, fill)
    return Sizes(wide.longest_mm, wide.across_mm, float(fill.share.sum()) * volume.voxel_mm3)


def _half_voxel(volume: Volume, share: NDArray[np.float32], cubic: float) -> float:
    """Change of the log volume when the border moves by half a voxel."""
    slopes = np.gradient(share, *volume.spacing)
    surface_mm2 = float(np.sqrt(sum(slope**2 for slope in slopes)).sum()) * volume.voxel_mm3
    return 0.5 * volume.voxel_mm3 ** (1 / 3) * surface_mm2 / cubic


def _touching(volume: Volume, mask: NoduleMask) -> float:
    """Share of the border beyond which it goes on as dense: vessels, wall."""
    spacing = np.asarray(volume.spacing)
    box, inside = mask.around(volume.shape, np.ceil(SHELL_MM[1] / spacing).astype(int) + 1)
    hu = volume.hu[box]
    apart = ndimage.distance_transform_edt(~inside, sampling=spacing)
    shell = hu[(apart > SHELL_MM[0]) & (apart <= SHELL_MM[1])]
    if not shell.size:
        return 0.0
    middle = (float(np.median(hu[inside])) + float(np.percentile(shell, 25))) / 2
    return float((shell > middle).mean())


def _solid_spread(volume: Volume, mask: NoduleMask) -> float:
    """Spread of the solid part's log volume: its threshold moved, and half a voxel of border."""
    part = solid_part(volume, mask)
    if part is None:
        return 0.0
    cubic = [_solid_mm3(volume, mask, step) for step in (-SOLID_STEP_HU, 0, SOLID_STEP_HU)]
    whole = np.pad(part.voxels, 1).astype(np.float32)
    border = _half_voxel(volume, whole, cubic[1])
    return hypot(BORDER * border, log(cubic[0] / cubic[2]) / 2)


def _solid_mm3(volume: Volume, mask: NoduleMask, step: int) -> float:
    part = solid_part(volume, mask, step)
    return volume.voxel_mm3 * (1.0 if part is None else float(part.voxels.sum()))
