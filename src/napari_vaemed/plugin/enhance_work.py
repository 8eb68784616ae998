"""What the enhancement's jobs run, each in a job's thread; heavy imports happen here."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import METADATA_KEY, LayerData, labels_to_layer, volume_to_layer
from napari_vaemed.preprocessing.body import BACKGROUND_HU, body_mask
from napari_vaemed.preprocessing.enhance import (
    DIFFUSION,
    EVERYWHERE,
    METHODS,
    EnhancedPlanes,
    Enhancement,
    Region,
    enhance,
    region_where,
)

if TYPE_CHECKING:
    from napari_vaemed.preprocessing.geometry import Lattice

Lungs = NDArray[np.uint8] | None


@dataclass(frozen=True)
class Wanted:
    """What is done to a CT, where, and whether all around becomes air."""

    how: Enhancement = field(default_factory=Enhancement)
    where: str = EVERYWHERE
    air_around: bool = False


@dataclass(frozen=True, eq=False)
class EnhancedSlice:
    """One axial slice (y, x) of a CT, and how long it took."""

    volume: Volume
    wanted: Wanted
    index: int
    hu: NDArray[np.int16]
    ms: float


class SliceMaker:
    """Makes one slice after another; what slices share is kept from one to the next.

    Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, bool], _Place] = {}
        self._of: weakref.ref[Volume] | None = None
        self._lungs: Lungs = None
        self._planes: tuple[Wanted, EnhancedPlanes] | None = None

    def ready(self, volume: Volume, wanted: Wanted, lungs: Lungs) -> bool:
        """Whether a slice takes a few milliseconds only."""
        if not self._knows(volume, lungs) or wanted.how.method == DIFFUSION:
            return False
        prepared = self._planes is not None and self._planes[0] == wanted
        return prepared or ((wanted.where, wanted.air_around) in self._places
                            and not wanted.how.three_d)  # fmt: skip

    def make(self, volume: Volume, wanted: Wanted, lungs: Lungs, index: int) -> Work[EnhancedSlice]:
        """Make a slice."""
        yield Progress("Enhancing the slice")
        if not self._knows(volume, lungs):
            self._places, self._planes = {}, None
            self._of, self._lungs = weakref.ref(volume), lungs
        start = time.perf_counter()
        if self._planes is None or self._planes[0] != wanted:
            planes = EnhancedPlanes(volume, wanted.how, self._place(volume, wanted).region)
            yield from planes.prepare()
            self._planes = wanted, planes
        hu = self._planes[1].plane(index)
        inside = self._place(volume, wanted).inside
        if inside is not None:
            hu = np.where(inside[index], hu, np.int16(BACKGROUND_HU))
        return EnhancedSlice(volume, wanted, index, hu, 1000 * (time.perf_counter() - start))

    def _knows(self, volume: Volume, lungs: Lungs) -> bool:
        return self._of is not None and self._of() is volume and self._lungs is lungs

    def _place(self, volume: Volume, wanted: Wanted) -> _Place:
        key = wanted.where, wanted.air_around
        if key not in self._places:
            self._places[key] = _Place.of(volume, wanted, self._lungs)
        return self._places[key]


@dataclass(frozen=True, eq=False)
class _Place:
    """Where an enhancement acts, and what remains when all around becomes air."""

    region: Region
    inside: NDArray | None

    @classmethod
    def of(cls, volume: Volume, wanted: Wanted, lungs: Lungs) -> _Place:
        region = region_where(volume, wanted.where, lungs)
        if not wanted.air_around:
            return cls(region, None)
        return cls(region, body_mask(volume) if wanted.where == EVERYWHERE else region.kept)


def enhanced_layer(volume: Volume, wanted: Wanted, lungs: Lungs) -> Work[LayerData]:
    """Enhance the whole CT."""
    yield Progress(METHODS[wanted.how.method])
    place = _Place.of(volume, wanted, lungs)
    hu = yield from enhance(volume, wanted.how, inside=place.region)
    if place.inside is not None:
        hu[place.inside == 0] = BACKGROUND_HU
    name = METHODS[wanted.how.method]
    data, attributes, kind = volume_to_layer(replace(volume, hu=hu), name=name)
    attributes["metadata"][METADATA_KEY]["enhanced"] = {**asdict(wanted.how), "where": wanted.where}
    return data, attributes, kind


def slice_layer(made: EnhancedSlice, name: str) -> LayerData:
    """A layer of one slice, where it lies."""
    one = replace(made.volume, hu=made.hu[None].copy())  # other slices are written into it
    data, attributes, kind = volume_to_layer(one, name=name)
    attributes["metadata"] = {}  # no CT of its own
    return data, {**attributes, "translate": slice_place(made)}, kind


def slice_place(made: EnhancedSlice) -> tuple[float, float, float]:
    """Where the layer of a slice begins, in napari's world (z, y, x) mm."""
    x, y, z = made.volume.origin
    return z + made.index * made.volume.spacing[0], y, x


def resampled_layers(
    volume: Volume,
    lattice: Lattice,
    by: str,
    masks: Sequence[tuple[str, NDArray[np.integer]]] = (),
    masks_by: str = "",
) -> Work[list[LayerData]]:
    """A CT on other voxels, and its masks with it."""
    from napari_vaemed.preprocessing.resampling import resample, resample_labels

    made = yield from resample(volume, lattice, by)
    layers = [volume_to_layer(made)]
    for name, labels in masks:
        mapped = yield from resample_labels(labels, volume, lattice, masks_by)
        layers.append(labels_to_layer(mapped, made, name, opacity=0.6))
    return layers


def slab_layer(
    volume: Volume, kind: str, thickness_mm: float, step_mm: float | None, plane: str
) -> Work[list[LayerData]]:
    """A CT's slabs as a CT."""
    from napari_vaemed.preprocessing.slabs import thick_slabs

    made = yield from thick_slabs(volume, kind, thickness_mm, step_mm=step_mm, plane=plane)
    return [volume_to_layer(made, name=made.description)]
