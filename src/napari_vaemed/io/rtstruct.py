"""Read RT Structure Sets: contours filled on the CT's voxels, single points as points."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from skimage.draw import polygon

from napari_vaemed.data.annotation import Annotation, PointMarks
from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.stored import StoredSlices
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom_objects import (
    frame_of_reference,
    read_object,
    reading,
    same_frame_of_reference,
)
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.orientation import axes_of
from napari_vaemed.io.privacy import discreet
from napari_vaemed.io.segments import Segment, pack_segments
from napari_vaemed.preprocessing.placement import labels_from_slices

STORAGE = ("1.2.840.10008.5.1.4.1.1.481.3",)
FILLED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
OFF_PLANE = 0.25
"""Voxels by which the points of one contour may leave its slice."""


@dataclass(frozen=True, eq=False)
class Contour:
    """One contour.

    Parameters
    ----------
    kind : str
        ContourGeometricType.
    world : (n, 3)
        LPS mm.
    points : (n, 3)
        Fractional indices into the slices it is drawn on: the volume's voxels (z, y, x), or
        (slice, row, column) of the slices the volume was resampled from.
    """

    kind: str
    world: NDArray[np.float64]
    points: NDArray[np.float64]


def read_structures(path: str | os.PathLike[str], volume: Volume) -> tuple[Annotation, ...]:
    """Read the regions of an RT Structure Set on a scan's voxels.

    A voxel belongs to a region when its centre lies inside the contour. A contour inside
    another of the same region and slice is a hole, as are keyholes; points and open contours
    become points.

    Raises
    ------
    FileNotFoundError
    CTError
        No structure set, another frame of reference than the scan's, contours across the
        slices, damaged, or nothing in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    with reading(path, "structure set"):
        file = read_object(path, STORAGE)
        notes = same_frame_of_reference(_frames_of_reference(file), volume)
        regions = list(_regions(file, volume))
        segments = list(_segments(regions, volume))
        points = _points(regions, volume)
    if not segments and points is None:
        raise CTError(f"The structure set {path.name} marks nothing on this scan.")
    if off := _between_slices(regions, volume):
        notes += (f"{off} contours lie between slices; drawn on the nearest.",)
    found: list[Annotation] = [*pack_segments(segments, volume, notes)]
    return (*found, points) if points is not None else tuple(found)


@dataclass(frozen=True, eq=False)
class Region:
    """A region of interest: its name and contours."""

    number: int
    name: str
    kind: str
    contours: tuple[Contour, ...]


def _frames_of_reference(file: pydicom.Dataset) -> set[str]:
    items = file.get("StructureSetROISequence") or []
    return {str(item.get("ReferencedFrameOfReferenceUID") or "") for item in items} - {""}


def _regions(file: pydicom.Dataset, volume: Volume) -> Iterator[Region]:
    known = frame_of_reference(volume)
    described = {int(i.ROINumber): i for i in file.get("StructureSetROISequence") or []}
    kinds = {
        int(i.ReferencedROINumber): str(i.get("RTROIInterpretedType") or "").lower()
        for i in file.get("RTROIObservationsSequence") or []
    }
    number = 0
    for item in file.get("ROIContourSequence") or []:
        key = int(item.ReferencedROINumber)
        about = described.get(key, pydicom.Dataset())
        frame = str(about.get("ReferencedFrameOfReferenceUID") or "")
        contours = tuple(_contour(c, volume) for c in item.get("ContourSequence") or [])
        if not contours or (known and frame and frame != known):
            continue
        number += 1
        instead = f"Region {number}"
        name = discreet(about.get("ROIName") or instead, file, instead)
        yield Region(number, name, kinds.get(key, ""), contours)


def _contour(item: pydicom.Dataset, volume: Volume) -> Contour:
    numbers = np.array(item.get("ContourData") or [], float)
    if numbers.size == 0 or numbers.size % 3 or not np.isfinite(numbers).all():
        raise CTError(f"has a contour of {numbers.size} numbers, which are no points (x, y, z).")
    world = numbers.reshape(-1, 3)
    index = volume.to_voxel(world) if volume.stored is None else _on_slices(world, volume.stored)
    return Contour(str(item.get("ContourGeometricType") or ""), world, index)


def _on_slices(world: NDArray[np.float64], slices: StoredSlices) -> NDArray[np.float64]:
    """Fractional (slice, row, column) of positions in mm."""
    column, row, normal = slices.direction.T
    heights = slices.positions @ normal
    steps = np.diff(heights, append=2 * heights[-1] - heights[-2])
    place = np.clip(np.searchsorted(heights, world @ normal) - 1, 0, len(heights) - 1)
    part = (world @ normal - heights[place]) / steps[place]
    nearest = np.clip(np.rint(place + part), 0, len(heights) - 1).astype(np.intp)
    beside = world - slices.positions[nearest]
    row_step, column_step = slices.pixel_spacing
    return np.stack([place + part, beside @ row / row_step, beside @ column / column_step], -1)


def _segments(regions: list[Region], volume: Volume) -> Iterator[Segment]:
    for region in regions:
        filled = _closed(region)
        mask = _filled(filled, volume)
        if mask.any():
            columns = {"type": region.kind, "contours": len(filled)}
            yield Segment(region.number, region.name, NoduleMask.of(mask), columns)


def _closed(region: Region) -> list[Contour]:
    return [c for c in region.contours if c.kind in FILLED and len(c.points) > 2]


def _between_slices(regions: list[Region], volume: Volume) -> int:
    """Number of contours that lie on no slice."""
    places = [_slice_of(c, volume)[1] for region in regions for c in _closed(region)]
    return sum(abs(place - round(place)) > OFF_PLANE for place in places)


def _filled(contours: list[Contour], volume: Volume) -> NDArray[np.bool_]:
    """The voxels inside a region's contours."""
    slices_of = volume.stored
    shape = volume.shape if slices_of is None else (len(slices_of.positions), *slices_of.shape)
    mask = np.zeros(shape, bool)
    slices: dict[tuple[int, int], list[tuple[str, NDArray[np.float64]]]] = defaultdict(list)
    for contour in contours:
        axis, place = _slice_of(contour, volume)
        nearest = round(place)
        if 0 <= nearest < shape[axis]:
            slices[axis, nearest].append((contour.kind, np.delete(contour.points, axis, axis=1)))
    for (axis, place), outlines in slices.items():
        where: list[int | slice] = [slice(None)] * 3
        where[axis] = place
        mask[tuple(where)] |= _fill(outlines, mask[tuple(where)].shape)
    return mask if slices_of is None else labels_from_slices(mask, volume).astype(bool)


def _slice_of(contour: Contour, volume: Volume) -> tuple[int, float]:
    """The axis across which a contour lies flat, the file's own slices first, and where on it."""
    extents = np.ptp(contour.points, axis=0)
    stored = 2 - axes_of(volume.stored_axes)[2][0] if volume.stored is None else 0
    axis = stored if extents[stored] <= 2 * OFF_PLANE else int(np.argmin(extents))
    if extents[axis] > 2 * OFF_PLANE:
        raise CTError(
            "has contours that do not lie in the CT's slices. Open the CT it was drawn on."
        )
    return axis, float(contour.points[:, axis].mean())


def _fill(
    outlines: list[tuple[str, NDArray[np.float64]]], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """All outlines of a region on one slice, the largest first; one inside is a hole."""
    areas = [(_inside(points, shape), kind) for kind, points in outlines]
    areas.sort(key=lambda entry: -int(entry[0].sum()))
    filled = np.zeros(shape, bool)
    for n, (inside, kind) in enumerate(areas):
        twice = n > 0 and np.array_equal(inside, areas[n - 1][0])
        if kind == "CLOSEDPLANAR_XOR":
            filled ^= inside
        elif inside.any() and filled[inside].all() and not twice:
            filled &= ~inside
        else:
            filled |= inside
    return filled


def _inside(points: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inside = np.zeros(shape, bool)
    inside[polygon(points[:, 0], points[:, 1], shape)] = True
    return inside


def _points(regions: list[Region], volume: Volume) -> PointMarks | None:
    """Points and the points of open contours, or None."""
    rows = [
        (region, contour.kind, point)
        for region in regions
        for contour in region.contours
        if contour.kind not in FILLED or len(contour.points) < 3
        for point in contour.world
    ]
    if not rows:
        return None
    columns = {
        "name": [region.name for region, _, _ in rows],
        "kind": ["open contour" if kind == "OPEN_PLANAR" else "point" for _, kind, _ in rows],
    }
    positions = np.array([point for *_, point in rows])
    return PointMarks("Region points", positions, volume, columns)
