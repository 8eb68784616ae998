"""Read DICOM Segmentations: every segment on the voxels its frames name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import iter_pixels

from napari_vaemed.data.annotation import LabelMap
from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom_objects import read_object, reading, same_frame_of_reference
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.orientation import Grid, canonical_volume, to_canonical
from napari_vaemed.io.privacy import discreet
from napari_vaemed.io.segments import Segment, pack_segments
from napari_vaemed.preprocessing.placement import labels_from_slices, labels_on, shares_voxels

STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes: Segmentation, Label Map Segmentation."""
SAME_PLACE_MM = 0.01
MOST_SLICES = 4096
"""Between the outermost frames of one scan."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Where the frames of a segmentation lie.

    Parameters
    ----------
    places : (n,) int
        Slice of each frame on the grid.
    segments : (n,) int
        Segment number of each frame; 0 for a label map's frames, whose pixels hold it.
    grid : Grid
        From the lowest frame to the highest along the slices' normal.
    on_slices : bool
        Whether places count the stored slices of a volume that was resampled from them.
    """

    places: NDArray[np.intp]
    segments: NDArray[np.intp]
    grid: Grid
    on_slices: bool = False


def read_segmentation(
    path: str | os.PathLike[str], volume: Volume | None = None
) -> tuple[LabelMap, ...]:
    """Read the segments of a DICOM SEG as label maps.

    Fractional segments count where they reach half.

    Parameters
    ----------
    volume : Volume or None
        Put them on this scan's voxels; without it they stay on the file's own grid.

    Raises
    ------
    FileNotFoundError
    CTError
        No segmentation, another frame of reference than the scan's, damaged, or nothing in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    notes: tuple[str, ...] = ()
    with reading(path, "segmentation"):
        file = read_object(path, STORAGE)
        if volume is not None:
            notes = same_frame_of_reference([str(file.get("FrameOfReferenceUID", ""))], volume)
        frames = _frames(file, volume)
        planes = _planes(file, frames)
        target = _bare(frames.grid) if volume is None else volume
        segments = list(_segments(file, planes, frames, target))
    if not segments:
        raise CTError(f"The segmentation {path.name} marks no voxel of this scan.")
    if frames.on_slices or not shares_voxels(_bare(frames.grid), target):
        notes += ("Resampled to the CT's voxels (nearest).",)
    return pack_segments(segments, target, notes)


def _frames(file: pydicom.Dataset, volume: Volume | None) -> Frames:
    shared = (file.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    groups = file.get("PerFrameFunctionalGroupsSequence") or []
    count = int(file.get("NumberOfFrames") or 0)
    if not count or len(groups) != count:
        raise CTError(f"promises {count} frames and describes {len(groups)}. It is damaged.")
    direction = _direction(groups, shared)
    positions = np.array(
        [_item(g, shared, "PlanePositionSequence").ImagePositionPatient for g in groups], float
    )
    if not np.isfinite(positions).all():
        raise CTError("has frames without a place.")
    measures = _item(groups[0], shared, "PixelMeasuresSequence")
    row_step, column_step = (float(v) for v in measures.PixelSpacing)
    segments = np.array([_segment_of(g, shared) for g in groups])
    size = (int(file.Columns), int(file.Rows), 1)
    spacing, lowest = (column_step, row_step, 1.0), positions[0]
    slices = None if volume is None else _on_slices(positions, direction, size, volume)
    if slices is not None:
        return Frames(slices, segments, Grid(size, spacing, tuple(lowest), direction), True)
    along = positions @ direction
    if np.ptp(along[:, :2], axis=0).max() > 10 * SAME_PLACE_MM:
        raise CTError("has frames shifted sideways against each other.")
    step = _step(along[:, 2], measures, direction[:, 2], volume)
    places = np.rint((along[:, 2] - along[:, 2].min()) / step).astype(np.intp)
    if places.max() >= MOST_SLICES:
        raise CTError("has frames too far apart to be of one scan.")
    lowest = positions[int(np.argmin(along[:, 2]))]
    size = (*size[:2], int(places.max()) + 1)
    grid = Grid(size, (column_step, row_step, step), tuple(lowest), direction)
    return Frames(places, segments, grid)


def _direction(groups: list[pydicom.Dataset], shared: pydicom.Dataset) -> NDArray[np.float64]:
    """Growing column index, growing row index and the normal of all frames, as columns."""
    orientations = np.array(
        [_item(g, shared, "PlaneOrientationSequence").ImageOrientationPatient for g in groups],
        float,
    )
    if np.ptp(orientations, axis=0).max() > 1e-3:
        raise CTError("has frames of several orientations, which cannot be one volume.")
    column, row = orientations[0][:3], orientations[0][3:]
    direction = np.stack([column, row, np.cross(column, row)], axis=1)
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-2:
        raise CTError("has frames whose axes are no perpendicular unit steps.")
    return direction


def _on_slices(
    positions: NDArray[np.float64],
    direction: NDArray[np.float64],
    size: tuple[int, int, int],
    volume: Volume,
) -> NDArray[np.intp] | None:
    """Which stored slice of a resampled volume each frame is; None when they are others."""
    slices = volume.stored
    if slices is None or slices.shape != size[1::-1]:
        return None
    if np.abs(slices.direction - direction).max() > 1e-3:
        return None
    apart = np.linalg.norm(slices.positions - positions[:, None], axis=-1)
    return apart.argmin(axis=1) if apart.min(axis=1).max() < 0.1 else None


def _item(group: pydicom.Dataset, shared: pydicom.Dataset, name: str) -> pydicom.Dataset:
    """A functional group's item, of the frame itself or of all frames."""
    found = group.get(name) or shared.get(name)
    if not found:
        raise CTError(f"does not say where its frames lie ({name} is missing).")
    return found[0]


def _segment_of(group: pydicom.Dataset, shared: pydicom.Dataset) -> int:
    name = "SegmentIdentificationSequence"
    found = group.get(name) or shared.get(name)
    return int(found[0].ReferencedSegmentNumber) if found else 0


def _step(
    depths: NDArray[np.float64],
    measures: pydicom.Dataset,
    normal: NDArray[np.float64],
    volume: Volume | None,
) -> float:
    """Distance of slices: frames without a marked pixel are left out of most files."""
    gaps = np.diff(np.unique(np.round(depths, 3)))
    candidates = [
        abs(float(measures.get(name) or 0)) for name in ("SpacingBetweenSlices", "SliceThickness")
    ]
    if volume is not None:
        candidates.append(_spacing_along(normal, volume))
    candidates.append(float(gaps.min()) if len(gaps) else 0.0)
    for n, step in enumerate(candidates):
        if step > SAME_PLACE_MM:
            counts = np.rint(gaps / step)
            # positions are often rounded to 0.1 mm; a step that nothing names has to fit better
            off = (0.02 if n == len(candidates) - 1 else 0.1) * step
            if (counts >= 1).all() and (np.abs(gaps - counts * step) <= off).all():
                return float(gaps.sum() / counts.sum()) if len(gaps) else step
    raise CTError("has unevenly spaced frames, which lie on no regular grid.")


def _spacing_along(normal: NDArray[np.float64], volume: Volume) -> float:
    """The volume's spacing along a direction; 0 when no axis runs along it."""
    strength = np.abs(volume.direction.T @ normal)
    axis = int(np.argmax(strength))
    return volume.spacing[2 - axis] if strength[axis] > 0.999 else 0.0


@dataclass(frozen=True, eq=False)
class Plane:
    """The marked box of one segment on one frame."""

    place: int
    corner: tuple[int, int]
    pixels: NDArray[np.bool_]


def _planes(file: pydicom.Dataset, frames: Frames) -> dict[int, list[Plane]]:
    """Marked pixels of each segment, frame by frame so that one frame is unpacked at a time."""
    columns, rows, _ = frames.grid.size
    bits, syntax = int(file.BitsAllocated), file.file_meta.TransferSyntaxUID
    needed = len(frames.places) * rows * columns * bits // 8
    if not syntax.is_encapsulated and len(file.get("PixelData") or b"") < needed:
        raise CTError(f"promises {needed} bytes of pixels and holds fewer. It is damaged.")
    half = 1.0
    if file.get("SegmentationType") == "FRACTIONAL":
        half = float(file.get("MaximumFractionalValue") or 255) / 2
    planes: dict[int, list[Plane]] = defaultdict(list)
    for number, place, pixels in zip(
        frames.segments, frames.places, iter_pixels(file), strict=True
    ):
        if pixels.shape != (rows, columns):
            raise CTError(f"has a frame of shape {pixels.shape}; it promises {(rows, columns)}.")
        present = [number] if number else [n for n in np.unique(pixels) if n]
        for segment in present:
            marked = pixels >= half if number else pixels == segment
            if marked.any():
                planes[int(segment)].append(_plane(int(place), marked))
    return planes


def _plane(place: int, marked: NDArray[np.bool_]) -> Plane:
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    box = marked[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return Plane(place, (int(rows[0]), int(columns[0])), box)


def _mask(planes: list[Plane], frames: Frames, target: Volume) -> NDArray[np.bool_]:
    """One segment on the target's voxels."""
    if frames.on_slices and target.stored is not None:
        stored = np.zeros((len(target.stored.positions), *target.stored.shape), bool)
        for plane in planes:
            row, column = plane.corner
            rows, columns = plane.pixels.shape
            stored[plane.place, row : row + rows, column : column + columns] |= plane.pixels
        return labels_from_slices(stored, target).astype(bool)
    mask = np.zeros(target.shape, bool)
    for run in _runs(sorted(planes, key=lambda p: p.place)):
        own = _box(run, frames.grid)
        mask |= labels_on(own.hu, own, target) > 0
    return mask


def _runs(planes: list[Plane]) -> Iterator[list[Plane]]:
    """Planes on slices without a gap; a box around all could be as large as the file says."""
    start = 0
    for end in range(1, len(planes) + 1):
        if end == len(planes) or planes[end].place > planes[end - 1].place + 1:
            yield planes[start:end]
            start = end


def _box(planes: list[Plane], grid: Grid) -> Volume:
    """The tight box of marked pixels (1, else 0), in its place."""
    low = np.min([(p.place, *p.corner) for p in planes], axis=0)
    high = np.max([(p.place + 1, *np.add(p.corner, p.pixels.shape)) for p in planes], axis=0)
    box = np.zeros(high - low, np.int16)
    for plane in planes:
        row, column = np.subtract(plane.corner, low[1:])
        rows, columns = plane.pixels.shape
        box[plane.place - low[0], row : row + rows, column : column + columns] |= plane.pixels
    corner = np.asarray(grid.origin) + grid.direction @ (low[::-1] * grid.spacing)
    return canonical_volume(
        box, Grid(box.shape[::-1], grid.spacing, tuple(corner.tolist()), grid.direction)
    )


def _bare(grid: Grid) -> Volume:
    """A volume on the grid that takes no memory for its voxels, which are all 0."""
    placed = canonical_volume(np.zeros((1, 1, 1), np.int16), grid)
    stored = np.broadcast_to(np.int16(0), grid.size[::-1])
    return replace(placed, hu=to_canonical(stored, placed.stored_axes), description="Segments")


def _segments(
    file: pydicom.Dataset, planes: dict[int, list[Plane]], frames: Frames, target: Volume
) -> Iterator[Segment]:
    """The segments that mark a voxel of the target, one whole mask in memory at a time."""
    items = {int(s.SegmentNumber): s for s in file.get("SegmentSequence") or []}
    for number in sorted(planes):
        mask = _mask(planes[number], frames, target)
        if mask.any():
            item = items.get(number, pydicom.Dataset())
            instead = f"Segment {number}"
            name = discreet(item.get("SegmentLabel") or instead, file, instead)
            columns = {
                "type": _meaning(item, "SegmentedPropertyTypeCodeSequence"),
                "category": _meaning(item, "SegmentedPropertyCategoryCodeSequence"),
                "made": str(item.get("SegmentAlgorithmType") or "").lower(),
            }
            yield Segment(number, name, NoduleMask.of(mask), columns)


def _meaning(item: pydicom.Dataset, name: str) -> str:
    codes = item.get(name)
    return str(codes[0].get("CodeMeaning") or "") if codes else ""
