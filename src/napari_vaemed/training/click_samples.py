"""What a click network learns from: looks at nodules, and at places that are none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaemed.data.labels import AIRWAYS, LEFT_LUNG, RIGHT_LUNG
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.phantoms import Phantom
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.models.protocols import ClickBatch
from napari_vaemed.models.segmenters.click_net import COARSE_MM, LOOK_SHAPE, fitting_step
from napari_vaemed.preprocessing.continuation import continued
from napari_vaemed.preprocessing.patch import cut_mask_share, cut_patch

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

UNMEASURED = 255
"""In `Looks.share`: nothing is known of this sample."""

APART_MM = 4.0
"""A click so far from every nodule must find none."""

TIMES = {"part-solid": 3, "cavitated": 3, "ground-glass": 2}
"""How often a phantom's nodule of a kind that is hard to outline counts."""

DENSE_HU, VESSEL_ROOM_MM = -600.0, 12.0
WALL_MM = 8.0
VESSEL_HU, BONE_HU = -400.0, 200.0
COARSELY_MM, FARTHEST_MM = 2.0, 50.0
HIDDEN_SHARE, UNTOLD_SHARE, AIR_SHARE = 0.6, 0.5, 0.1
CONTINUED_SHARE, FADES = 0.6, (0.4, 2.0)
"""How many looks at a crop show it continued, and within how many slices nodules fade."""


@dataclass(frozen=True, eq=False)
class Looks:
    """Cubes of CT around n points.

    Parameters
    ----------
    hu : (n, z, y, x) int16
    share : (n, z, y, x) uint8
        How much of each sample is nodule, in percent, or `UNMEASURED`.
    step : (n,) float32
        Millimetres between samples.
    """

    hu: NDArray[np.int16]
    share: NDArray[np.uint8]
    step: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.hu)

    @classmethod
    def joined(cls, parts: Sequence[Looks]) -> Looks:
        """All of them behind each other."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(frozen=True, eq=False)
class ClickSamples:
    """Several looks at each of n nodules or at as many places that are none, as tensors.

    Parameters
    ----------
    hu : (n, v, z, y, x) int16
    share : (n, v, z, y, x) uint8
        See `Looks`.
    step : (n, v) float32
    nodule : (n,) bool
    """

    hu: torch.Tensor
    share: torch.Tensor
    step: torch.Tensor
    nodule: torch.Tensor

    @classmethod
    def of(cls, nodules: Sequence[Looks], others: Looks, seed: int = 0) -> ClickSamples:
        """One sample a nodule; the other places, shuffled, as many to a sample."""
        views = len(nodules[0])
        order = np.random.default_rng(seed).permutation(len(others))
        rest = len(order) // views

        def together(name: str) -> torch.Tensor:
            mine = np.stack([getattr(looks, name) for looks in nodules])
            other = getattr(others, name)[order[: rest * views]]
            other = other.reshape(rest, views, *other.shape[1:])
            return torch.from_numpy(np.concatenate([mine, other]))

        nodule = torch.arange(len(nodules) + rest) < len(nodules)
        return cls(together("hu"), together("share"), together("step"), nodule)

    def __len__(self) -> int:
        return len(self.hu)

    def to(self, device: str) -> ClickSamples:
        """The same on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> ClickBatch:
        """One varied look of each row: mirrored, turned, with an offset and noise.

        In some looks what lies beyond the scan is not told, or is air, as in a padded crop.
        """
        device = self.hu.device
        n = len(rows)

        def chance(*shape: int) -> torch.Tensor:
            return torch.rand(n, *shape, generator=generator, device=device)

        pick = torch.randint(self.hu.shape[1], (n,), generator=generator, device=device)
        hu, share = self.hu[rows, pick].float(), self.share[rows, pick]
        known = share != UNMEASURED
        noise = torch.randn(hu.shape, generator=generator, device=device)
        hu = hu + 20.0 * (chance(1, 1, 1) - 0.5) + 20.0 * chance(1, 1, 1) * noise
        padded = (chance(1, 1, 1) < AIR_SHARE) & ~known
        measured = known | padded | (chance(1, 1, 1) < UNTOLD_SHARE)
        looks = torch.stack([torch.where(padded, -1000.0, hu), measured, share, known], dim=1)
        bits = torch.randint(2, (4,), generator=generator, device=device).tolist()
        looks = looks.flip([axis for axis, bit in zip((2, 3, 4), bits, strict=False) if bit])
        looks = looks.transpose(3, 4) if bits[3] else looks
        return ClickBatch(
            hu=looks[:, :1],
            measured=looks[:, 1:2] > 0,
            step=self.step[rows, pick],
            share=looks[:, 2:3] / 100.0 * looks[:, 3:],
            known=looks[:, 3:] > 0,
            nodule=self.nodule[rows].float(),
        )


def nodule_looks(
    volume: Volume,
    mask: Mask,
    views: int,
    rng: np.random.Generator,
    *,
    hide: bool = False,
    longer: Volume | None = None,
) -> Looks:
    """Look at a nodule as a click in it does, coarsely, and as the second look does, fittingly.

    Parameters
    ----------
    mask : (z, y, x) bool
        The nodule, on the volume's grid.
    hide : bool
        Let the scan end here and there around the nodule, as a crop does.
    longer : Volume or None
        The volume continued beyond its ends, to be shown in most looks; nothing is known there.
    """
    inside = np.argwhere(mask)
    middle = inside.mean(axis=0)
    diameter = (6 / np.pi * len(inside) * volume.voxel_mm3) ** (1 / 3)
    parts = []
    for view in range(views):
        if view % 5 < 2:
            on_it = inside[rng.integers(len(inside))] if rng.random() < 0.5 else middle
            centre = volume.to_world(on_it) + rng.normal(0, 0.7, 3)
            step = COARSE_MM * np.exp(rng.uniform(-0.2, 0.2))
        else:
            centre = volume.to_world(middle) + rng.normal(0, 0.07, 3) * diameter
            step = fitting_step(diameter) * np.exp(rng.uniform(-0.35, 0.35))
        end = hide and rng.random() < HIDDEN_SHARE
        seen, marked = _cropped(volume, mask, inside, rng) if end else (volume, mask)
        shown = None if end or rng.random() > CONTINUED_SHARE else longer
        parts.append(_look(seen, marked, centre, float(step), shown))
    return Looks.joined(parts)


def other_looks(
    volume: Volume,
    points: Points,
    rng: np.random.Generator,
    *,
    hide: bool = False,
    longer: Volume | None = None,
) -> Looks:
    """Look once at each place (n, 3), world mm, that is no nodule; the rest as `nodule_looks`."""
    parts = []
    for point in points:
        fine = rng.random() < 0.5
        step = np.exp(rng.uniform(*np.log((0.45, 1.6)))) if fine else COARSE_MM
        step = float(step * np.exp(rng.uniform(-0.2, 0.2)))
        seen, shown = volume, longer if rng.random() < CONTINUED_SHARE else None
        if hide and rng.random() < HIDDEN_SHARE:
            around = volume.to_voxel(point)[None] + rng.normal(0, 3, (2, 3)) / volume.spacing
            seen, _ = _cropped(volume, None, around, rng)
            shown = None
        parts.append(_look(seen, None, point, step, shown))
    return Looks.joined(parts)


def _look(
    volume: Volume, mask: Mask | None, centre: Points, step: float, shown: Volume | None = None
) -> Looks:
    patch = cut_patch(volume, centre, shape=LOOK_SHAPE, spacing_mm=step)
    share = np.zeros(LOOK_SHAPE, np.uint8)
    if mask is not None:
        share[:] = np.rint(
            100 * cut_mask_share(volume, mask, centre, shape=LOOK_SHAPE, spacing_mm=step)
        )
    share[~patch.measured] = UNMEASURED
    if shown is not None:
        patch = cut_patch(shown, centre, shape=LOOK_SHAPE, spacing_mm=step)
    hu = np.rint(patch.hu.clip(-1100, 3000)).astype(np.int16)
    return Looks(hu[None], share[None], np.array([step], np.float32))


def _cropped(
    volume: Volume, mask: Mask | None, inside: NDArray, rng: np.random.Generator
) -> tuple[Volume, Mask | None]:
    """The scan as a crop that ends near these voxels (n, 3), or even within them, in z."""
    margin = np.array([rng.uniform(-1, 4), rng.uniform(5, 15), rng.uniform(5, 15)])
    margin = margin / volume.spacing
    middle = inside.mean(axis=0)
    low = np.minimum(np.floor(inside.min(axis=0) - margin), middle - 1)
    high = np.maximum(np.ceil(inside.max(axis=0) + margin), middle + 1)
    first = np.clip(low, 0, np.array(volume.shape) - 1).astype(int)
    last = np.clip(high, first, np.array(volume.shape) - 1).astype(int)
    z, y, x = (slice(a, b + 1) for a, b in zip(first, last, strict=True))
    ox, oy, oz = volume.to_world(first)
    seen = replace(volume, hu=volume.hu[z, y, x], origin=(ox, oy, oz))
    return seen, None if mask is None else mask[z, y, x]


def crop_samples(
    nodules: NoduleSet, rows: Iterable[int], views: int, rng: np.random.Generator
) -> Work[tuple[list[Looks], Looks]]:
    """Looks at known nodules, as most readers marked them, and beside them."""
    found, others = [], []
    rows = list(rows)
    for done, row in enumerate(rows):
        volume, union = nodules.volumes[row], nodules.masks[row]
        end, truth = bool(rng.random() < 0.3), nodules.majorities[row]
        longer, _ = continued(volume, rng.uniform(*FADES))
        found.append(nodule_looks(volume, truth, views, rng, hide=end, longer=longer))
        others.append(other_looks(volume, _beside(volume, union, rng), rng, longer=longer))
        if done % 25 == 0:
            yield Progress("Cutting looks at nodules", done, len(rows))
    return found, Looks.joined(others)


def _beside(volume: Volume, nodule: Mask, rng: np.random.Generator) -> Points:
    """Places (n, 3) apart from the nodule: mostly vessels, some wall and lung."""
    spacing = np.array(volume.spacing)
    apart = ndimage.distance_transform_edt(~nodule, sampling=spacing) > APART_MM
    smooth = ndimage.gaussian_filter(volume.hu.clip(-1000, 400).astype(np.float32), 0.8 / spacing)
    dense = smooth > DENSE_HU
    size = np.maximum(1, np.rint(VESSEL_ROOM_MM / spacing)).astype(int)
    airy = ndimage.uniform_filter((~dense).astype(np.float32), tuple(size)) > 0.5
    chosen = []
    for where, most in ((dense & airy, 5), (dense & ~airy, 1), (~dense, 1)):
        spots = np.flatnonzero(where & apart)
        if len(spots):
            chosen.append(rng.choice(spots, min(most, len(spots)), replace=False))
    index = np.stack(np.unravel_index(np.concatenate(chosen), volume.shape), axis=1)
    return volume.to_world(index)


def phantom_samples(
    phantom: Phantom, views: int, others: int, rng: np.random.Generator
) -> tuple[list[Looks], Looks]:
    """Looks at a phantom's nodules, and at its vessels, wall, bones and airways."""
    volume, found = phantom.volume, []
    for label, box in enumerate(ndimage.find_objects(phantom.nodules), 1):
        if box is not None:
            here, where = _around(volume, box)
            mask = phantom.nodules[where] == label
            looks = nodule_looks(here, mask, views, rng, hide=True)
            found += [looks] * TIMES.get(phantom.planted[label - 1].kind, 1)
    points = other_places(
        volume, phantom.lungs, others, rng, avoid=phantom.nodules > 0, vessels=phantom.vessels
    )
    return found, other_looks(volume, np.concatenate(list(points.values())), rng, hide=True)


def _around(volume: Volume, box: tuple[slice, ...]) -> tuple[Volume, tuple[slice, ...]]:
    """The part of a scan that looks at what lies in a box of it can show, and where it is."""
    reach = [int(np.ceil(FARTHEST_MM / s)) for s in volume.spacing]
    where = tuple(slice(max(b.start - r, 0), b.stop + r) for b, r in zip(box, reach, strict=True))
    x, y, z = volume.to_world([w.start for w in where])
    return replace(volume, hu=volume.hu[where], origin=(x, y, z)), where


def other_places(
    volume: Volume,
    lungs: NDArray[np.uint8],
    n: int,
    rng: np.random.Generator,
    *,
    avoid: Mask | None = None,
    vessels: Mask | None = None,
    slices: NDArray[np.int_] | None = None,
) -> dict[str, Points]:
    """Places that are no nodule, by what is there; (n, 3) each, world mm.

    Six in ten lie on vessels, half of these on wide ones and at the hilum.

    Parameters
    ----------
    lungs : (z, y, x) uint8
        Lung labels of the volume.
    avoid : (z, y, x) bool or None
        Nodules, to keep away from.
    vessels : (z, y, x) bool or None
        Where they are known; else everything dense inside the lungs counts.
    slices : ints or None
        The only slices to take places from.
    """
    z, y, x = (slice(None, None, max(1, round(COARSELY_MM / s))) for s in volume.spacing)
    every, spacing = (z.step, y.step, x.step), np.array(volume.spacing) * (z.step, y.step, x.step)
    hu, lungs = volume.hu[z, y, x], lungs[z, y, x]
    lung = (lungs == RIGHT_LUNG) | (lungs == LEFT_LUNG)
    vessels = lung & (hu > VESSEL_HU) if vessels is None else vessels[z, y, x]
    reach = ndimage.distance_transform_edt(~lung, sampling=spacing)
    wall = (reach > 0) & (reach < WALL_MM)
    free = np.ones(hu.shape, bool)
    if avoid is not None and avoid.any():
        apart = ndimage.distance_transform_edt(~avoid[z, y, x], sampling=spacing)
        free = apart > APART_MM + COARSELY_MM / 2
    if slices is not None:
        free &= np.isin(np.arange(volume.shape[0])[z], slices)[:, None, None]
    wide = ndimage.binary_erosion(vessels)
    kinds = {
        "vessel": (vessels & ~wide, 0.3),
        "wide vessel": (wide, 0.3),
        "wall": (wall & (hu > -300) & (hu <= BONE_HU), 0.15),
        "bone": (wall & (hu > BONE_HU), 0.05),
        "airway or organ": (~lung & ~wall & (hu > -300) | (lungs == AIRWAYS), 0.1),
        "lung": (lung & (hu < -700), 0.1),
    }
    places = {}
    for kind, (where, part) in kinds.items():
        spots = np.flatnonzero(where & free)
        chosen = rng.choice(spots, round(part * n)) if len(spots) else spots
        index = np.stack(np.unravel_index(chosen, hu.shape), axis=1)
        places[kind] = volume.to_world(index * every)
    return places
