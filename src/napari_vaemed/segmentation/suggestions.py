"""Places in the lungs that look like nodules, by the click network's own word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.suggestion import Suggestion
from napari_vaemed.data.volume import Volume
from napari_vaemed.models.protocols import ClickSegmenter
from napari_vaemed.models.segmenters.click_net import LOOK_SHAPE, fitting_step
from napari_vaemed.preprocessing.patch import cut_patch
from napari_vaemed.segmentation.candidates import Spot, round_spots
from napari_vaemed.segmentation.learned_click import sights_of

AT_ONCE = 8
WORTH_A_LOOK, LEAST_LOGIT = -1.5, 0.0
"""Logits of there being a nodule: at first sight, and at the look that fits."""

MOST_CLOSER = 100
"""So many spots are looked at more than once; each takes as long as a click."""

SMALLEST_MM = 3.0
"""Smaller things are no nodules to readers (LIDC-IDRI outlines from 3 mm on)."""

ROOM_MM = 2.0
"""A spot so near to what is marked around another belongs to it."""


def suggest(
    net: nn.Module, volume: Volume, lungs: NDArray[np.uint8]
) -> Work[tuple[Suggestion, ...]]:
    """Suggest nodules, the surest first.

    Every round spot in the lungs is looked at once by the click network, which has learned from
    vessels, forks and walls what is none; what may be one is looked at again as by a click, only
    that the first step follows the spot's size. The last look's word is the score: told from
    spots of real scans, phantoms' nodules had a higher share there than by the mean of all looks,
    whose first is blind to what is small.

    Parameters
    ----------
    net : nn.Module
        A `ClickSegmenter`, in evaluation mode.
    volume : Volume
    lungs : (z, y, x) uint8
        Lung labels of the volume.
    """
    spots = yield from round_spots(volume, lungs)
    first = yield from _at_first_sight(net, volume, spots)
    found: list[Suggestion] = []
    looked = 0
    for n in np.argsort(-first, kind="stable"):
        if looked == MOST_CLOSER or first[n] < WORTH_A_LOOK:
            break
        if _taken(found, volume.to_world(spots[n].voxel)):
            continue
        yield Progress("Looking closer", looked, min(len(spots), MOST_CLOSER))
        suggestion, looked = _closer(net, volume, spots[n]), looked + 1
        if suggestion is not None and not _taken(found, suggestion.centre_mm):
            found.append(suggestion)
    return tuple(sorted(found, key=lambda each: -each.score))


def _at_first_sight(
    net: nn.Module, volume: Volume, spots: Sequence[Spot]
) -> Work[NDArray[np.float32]]:
    """Logits (n,) of there being a nodule at each spot, by one look each."""
    device = next(net.parameters()).device
    logits = [np.zeros(0, np.float32)]
    for start in range(0, len(spots), AT_ONCE):
        yield Progress("Looking at round spots", start, len(spots))
        some = spots[start : start + AT_ONCE]
        steps = [_step(spot) for spot in some]
        patches = [
            cut_patch(volume, volume.to_world(spot.voxel), shape=LOOK_SHAPE, spacing_mm=step)
            for spot, step in zip(some, steps, strict=True)
        ]
        hu = torch.from_numpy(np.stack([p.hu for p in patches])[:, None]).to(device)
        measured = torch.from_numpy(np.stack([p.measured for p in patches])[:, None]).to(device)
        with torch.inference_mode():
            _, presence = cast("ClickSegmenter", net).look(
                hu, measured.float(), torch.tensor(steps, device=device)
            )
        logits.append(presence.cpu().numpy())
    return np.concatenate(logits)


def _step(spot: Spot) -> float:
    """Millimetres between the samples of a look at a spot."""
    return fitting_step(2 * spot.radius_mm)


def _closer(net: nn.Module, volume: Volume, spot: Spot) -> Suggestion | None:
    """What the network says of a spot after all looks; None if that is no nodule."""
    last = sights_of(net, volume, volume.to_world(spot.voxel), _step(spot))[-1]
    piece = np.argwhere(last.piece)
    if last.presence < LEAST_LOGIT or not len(piece):
        return None
    diameter = float((6 / np.pi * len(piece)) ** (1 / 3) * last.step)
    if diameter < SMALLEST_MM:
        return None
    z, y, x = (last.grid.matrix @ piece.mean(axis=0) + last.grid.offset).tolist()
    at = volume.to_world((z, y, x)).tolist()
    return Suggestion((at[0], at[1], at[2]), (z, y, x), last.presence, diameter)


def _taken(found: list[Suggestion], place: NDArray[np.float64] | tuple[float, ...]) -> bool:
    """Whether a place lies in, or close to, what is suggested already."""
    return any(
        np.linalg.norm(np.subtract(place, each.centre_mm)) < each.diameter_mm / 2 + ROOM_MM
        for each in found
    )
