"""From one click to a nodule's mask by the click network: look, then look again as it fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import nn

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.models.protocols import ClickSegmenter
from napari_vaemed.models.segmenters.click_net import COARSE_MM, LOOK_SHAPE, fitting_step
from napari_vaemed.preprocessing.geometry import Grid, grid_around
from napari_vaemed.preprocessing.patch import cut_patch
from napari_vaemed.segmentation.nodules import NoNodule, segment_nodule
from napari_vaemed.segmentation.refine import Belief

SNAP_MM = 3.0
MOST_LOOKS = 3
"""The first at a fixed step, then at the step that fits what was seen, until it stays."""

FINE_ENOUGH_MM, MOST_ACROSS = 1.5, 20.0
"""A coarser step would blunt a large nodule's border; it may fill more of the cube instead."""

SAME_SCALE = 1.25
SURE, DOUBTFUL = 3.0, 0.5
"""Logits of there being a nodule, mean of all looks: a nodule from here on, none below; in between
the thresholds decide."""

FAR_FROM_IT = -20.0
LOWEST_LEVEL = -2.0


@dataclass(frozen=True, eq=False)
class Sight:
    """What the network says of one look.

    Parameters
    ----------
    grid : Grid
        Where the samples lie in the volume.
    step : float
        Millimetres between them.
    logits : (z, y, x) float32
        Of each sample being nodule.
    on_scan : (z, y, x) bool
        Which samples lie within the scan's voxels.
    presence : float
        Logit of there being a nodule in the middle.
    """

    grid: Grid
    step: float
    logits: NDArray[np.float32]
    on_scan: NDArray[np.bool_]
    presence: float

    @cached_property
    def piece(self) -> NDArray[np.bool_]:
        """The piece of the mask nearest to the middle, none farther than the click may miss."""
        pieces, count = ndimage.label((self.logits > 0) & self.on_scan)
        if count == 0:
            return pieces > 0
        axes = [np.arange(n) - (n - 1) / 2 for n in self.logits.shape]
        away = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij"))) * self.step
        away = np.where(pieces > 0, away, np.inf)
        nearest = np.unravel_index(np.argmin(away), away.shape)
        mine = _without_holes(pieces == pieces[nearest])
        radius = (3 / (4 * np.pi) * mine.sum()) ** (1 / 3) * self.step
        return mine & (away[nearest] <= max(SNAP_MM + self.step, radius))


def look(
    net: nn.Module, volume: Volume, centre_mm: ArrayLike, step: float, turns: int = 1
) -> Sight:
    """Show the network the cube around a place, (x, y, z) LPS mm.

    Parameters
    ----------
    turns : int
        Mirrored so many ways (1, 2, 4 or 8), its answers averaged.
    """
    grid = grid_around(volume, centre_mm, LOOK_SHAPE, step)
    patch = cut_patch(volume, centre_mm, shape=LOOK_SHAPE, spacing_mm=step)
    device = next(net.parameters()).device
    both = np.stack([patch.hu, patch.measured.astype(np.float32)])
    ways = [
        [axis for bit, axis in enumerate((1, 2, 3)) if turn >> bit & 1] for turn in range(turns)
    ]
    shown = torch.stack([torch.from_numpy(both).flip(way) for way in ways]).to(device)
    if len(shown) == 1 and device.type == "cpu":
        shown = shown.expand(2, -1, -1, -1, -1)  # torch convolves one alone three times as slowly
    with torch.inference_mode():
        logits, presence = cast("ClickSegmenter", net).look(
            shown[:, :1], shown[:, 1:], torch.full((len(shown),), step, device=device)
        )
    back = [one[0].flip([a - 1 for a in way]) for one, way in zip(logits, ways, strict=False)]
    at = np.moveaxis(grid.voxels(), 0, -1)
    on_scan: NDArray[np.bool_] = np.all((at > -0.5) & (at < np.array(volume.shape) - 0.5), axis=-1)
    mask = torch.stack(back).mean(0).cpu().numpy()
    return Sight(grid, step, mask, on_scan, float(presence.mean()))


def outline_nodule(
    net: nn.Module, volume: Volume, voxel: ArrayLike, lungs: NDArray[np.uint8] | None = None
) -> NoduleMask:
    """Mask the nodule at or within 3 mm of a click; see `outline_and_belief`."""
    return outline_and_belief(net, volume, voxel, lungs)[0]


def outline_and_belief(
    net: nn.Module, volume: Volume, voxel: ArrayLike, lungs: NDArray[np.uint8] | None = None
) -> tuple[NoduleMask, Belief]:
    """Mask the nodule at or within 3 mm of a click, and tell what the network says around it.

    The mask is the network's. Whether there is a nodule is its word too, unless it doubts: then
    the thresholds of `segment_nodule` decide, and they say what else is there.

    Parameters
    ----------
    net : nn.Module
        A `ClickSegmenter`, in evaluation mode.
    voxel : (z, y, x)
        The click as a fractional voxel index.
    lungs : (z, y, x) uint8, optional
        Lung labels of the whole volume, for the thresholds.

    Raises
    ------
    NoNodule
        With the reason, when there is no nodule at that place.
    ValueError
        When the labels are not the volume's.
    """
    if not volume.contains(voxel):
        raise NoNodule("No nodule here: the click lies outside the scan.")
    sights = sights_of(net, volume, volume.to_world(voxel))
    presence = float(np.mean([sight.presence for sight in sights]))
    seen = sights[-1].piece.any()
    if not seen or presence < SURE:
        segment_nodule(volume, voxel, lungs)
    if not seen or presence < DOUBTFUL:
        raise NoNodule("No nodule here: this looks like a vessel or another structure.")
    return mask_of(volume, sights[-1]), _belief_of(sights[-1])


def sights_of(
    net: nn.Module, volume: Volume, centre_mm: NDArray[np.float64], step: float = COARSE_MM
) -> list[Sight]:
    """All looks at a click: one at a step in mm, then fitting ones around what was seen."""
    sights = [look(net, volume, centre_mm, step)]
    while len(sights) < MOST_LOOKS:
        last = sights[-1]
        piece = last.piece
        if not piece.any():
            break
        diameter = (6 / np.pi * piece.sum()) ** (1 / 3) * last.step
        step = _step_for(diameter)
        if len(sights) > 1 and 1 / SAME_SCALE < step / last.step < SAME_SCALE:
            break
        middle = last.grid.matrix @ np.argwhere(piece).mean(axis=0) + last.grid.offset
        sights.append(look(net, volume, volume.to_world(middle), step, turns=2))
    return sights


def mask_of(volume: Volume, sight: Sight) -> NoduleMask:
    """The scan's voxels that lie in the piece the network marked."""
    zone = ndimage.binary_dilation(sight.piece, iterations=2)
    found = np.argwhere(zone)
    corners = np.array(np.meshgrid(*zip(found.min(0), found.max(0), strict=True))).reshape(3, -1)
    at = (sight.grid.matrix @ corners).T + sight.grid.offset
    low = np.floor(at.min(axis=0)).astype(int).clip(0)
    high = np.minimum(np.ceil(at.max(axis=0)).astype(int) + 1, volume.shape)
    logits = _on_scan(np.where(zone, sight.logits, FAR_FROM_IT), sight.grid, low, high)
    pieces, count = ndimage.label(logits > _level(logits))
    if count == 0:
        raise NoNodule("No nodule here: what is dense is smaller than the scan's voxels.")
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    mask = NoduleMask.of(_without_holes(largest))
    z, y, x = (int(a) + b for a, b in zip(low, mask.start, strict=True))
    return NoduleMask(mask.voxels, (z, y, x))


def belief_about(net: nn.Module, volume: Volume, mask: NoduleMask) -> Belief:
    """What the network says of a nodule's surroundings, whatever its mask: for `refine`."""
    index = np.argwhere(mask.voxels)
    diameter = (6 / np.pi * len(index) * volume.voxel_mm3) ** (1 / 3)
    centre = volume.to_world(index.mean(axis=0) + mask.start)
    return _belief_of(look(net, volume, centre, _step_for(diameter)))


def _belief_of(sight: Sight) -> Belief:
    def believed(where: tuple[slice, slice, slice]) -> NDArray[np.float32]:
        low, high = (np.array([getattr(w, end) for w in where]) for end in ("start", "stop"))
        return _on_scan(sight.logits, sight.grid, low, high, beyond=np.nan)

    return believed


def _step_for(diameter_mm: float) -> float:
    """Millimetres between the samples of a fitting look."""
    return min(fitting_step(diameter_mm), max(FINE_ENOUGH_MM, diameter_mm / MOST_ACROSS))


def _on_scan(
    samples: NDArray[np.float32],
    grid: Grid,
    low: NDArray[np.int_],
    high: NDArray[np.int_],
    beyond: float | None = None,
) -> NDArray[np.float32]:
    """Samples of a grid at the scan's voxels low … high - 1; beyond it the nearest, or a value."""
    back = np.linalg.inv(grid.matrix)
    on_scan: NDArray[np.float32] = ndimage.affine_transform(
        samples,
        back,
        offset=back @ (low - grid.offset),
        output_shape=tuple(high - low),
        order=1,
        mode="nearest" if beyond is None else "constant",
        cval=beyond or 0.0,
    )
    return on_scan


def _level(logits: NDArray[np.float32]) -> float:
    """The logit above which as many voxels lie as the chances of all of them add up to.

    A border the network is unsure of, such as a thin halo, would fall to one side at even odds.
    """
    expected = round(float((1 / (1 + np.exp(-logits))).sum()))
    ordered = np.sort(logits, axis=None)
    level = float(ordered[-expected - 1]) if 0 < expected < len(ordered) else 0.0
    return float(np.clip(level, LOWEST_LEVEL, 0.0))


def _without_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What `ndimage.binary_fill_holes` gives, in an eighth of its time."""
    around, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    filled: NDArray[np.bool_] = (around != around[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return filled
