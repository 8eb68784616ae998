"""Read a CT series from DICOM files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.intake import Intake
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.source import DicomSource
from napari_vaemed.data.stored import StoredSlices
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.headers import Slice
from napari_vaemed.io.hounsfield import Tally, tally, to_hounsfield
from napari_vaemed.io.orientation import (
    CANONICAL,
    Grid,
    canonical_volume,
    from_canonical,
    orientation_code,
    to_canonical,
)
from napari_vaemed.io.padding import padding_of
from napari_vaemed.io.pixels import COMPRESSIONS, FrameReader
from napari_vaemed.io.resampling import FILL_HU, resample_planes, straight_frame
from napari_vaemed.io.series import Series, choose_ct, find_series, is_chest
from napari_vaemed.io.stack import Stack
from napari_vaemed.preprocessing.intensity import WINDOWS

BODY_PARTS = {
    "ABDOMEN": "abdomen",
    "HEAD": "head",
    "NECK": "neck",
    "PELVIS": "pelvis",
}
THUMBNAIL = 128


def read_dicom(path: str | os.PathLike[str], *, series_uid: str | None = None) -> Work[Volume]:
    """Read the largest CT series of a folder or zip archive as a volume in HU.

    Slices are ordered by position along their normal; file names and instance numbers are not
    trusted. What was left out, dropped or filled stands in the volume's notes and intake.

    Parameters
    ----------
    path : path
        A folder, subfolders included, or a ``.zip``; files need no suffix.
    series_uid : str or None
        Read this series instead of the largest.

    Returns
    -------
    Volume
        Canonical orientation, HU int16.

    Raises
    ------
    CTError
        No CT, slices that lie on no stack, or pixels that cannot be decoded.
    """
    found = yield from find_series(Path(path))
    chosen = choose_ct(found, series_uid)
    return (yield from read_series(chosen, found))


def read_series(series: Series, among: tuple[Series, ...] = ()) -> Work[Volume]:
    """Read one series; ``among`` is what was found beside it, to be named in the intake.

    Raises
    ------
    CTError
        `Series.why_not`, or pixels that cannot be decoded.
    """
    stack = series.stack()
    reader = FrameReader()
    yield Progress("Reading slices", 0, len(stack.slices))
    reader.stored(stack.slices[0])  # before memory is taken on the headers' word
    frame, offset = straight_frame(stack)
    code = orientation_code(stack.direction)
    shape = (stack.depth, *frame)
    hu = _room_for(to_canonical(np.broadcast_to(np.int16(0), shape), code).shape)
    planes = from_canonical(hu, code)
    read = _read_straight if stack.straight else _read_resampled
    counted = yield from read(reader, stack, planes)
    if counted.count == counted.size:
        raise CTError(
            f"Every voxel of this series is {counted.lowest} HU: there is no image in it."
        )
    return _volume_of(stack, planes, offset, counted, series, among)


def read_thumbnail(series: Series, most: int = THUMBNAIL) -> NDArray[np.uint8]:
    """The middle slice as grey values (h, w), at most ``most`` pixels long; reads one file.

    Raises
    ------
    CTError
        There is no image, or it cannot be decoded.
    """
    try:
        ordered = series.stack().slices
    except CTError:
        ordered = tuple(sorted(series.slices, key=lambda s: (s.instance, s.frame)))
    middle = ordered[len(ordered) // 2]
    stored = FrameReader().stored(middle)
    step = max(1, -(-max(stored.shape) // most))
    grey = stored[step // 2 :: step, step // 2 :: step] * middle.slope + middle.intercept
    level, width = WINDOWS["lung"]
    low, high = level - width / 2, level + width / 2
    if series.why_not:
        low, high = np.percentile(grey, (1, 99))
    return (np.clip((grey - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8)


def _room_for(shape: tuple[int, ...]) -> NDArray[np.int16]:
    try:
        return np.empty(shape, np.int16)
    except MemoryError as error:
        size = np.prod(shape, dtype=float) * 2 / 1e9
        raise CTError(
            f"This scan takes {size:.1f} GB of memory, more than there is. Close other programs, "
            "or choose a series with fewer or smaller slices."
        ) from error


def _read_straight(reader: FrameReader, stack: Stack, planes: NDArray[np.int16]) -> Work[Tally]:
    """Decode all slices, each to its own plane, on all processors."""
    total = len(stack.slices)
    tallies = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        jobs = [
            pool.submit(_read_plane, reader, item, planes[k]) for k, item in enumerate(stack.slices)
        ]
        try:
            for count, job in enumerate(as_completed(jobs), 1):
                tallies.append(job.result())
                yield Progress("Reading slices", count, total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return sum(tallies[1:], tallies[0])


def _read_plane(reader: FrameReader, item: Slice, out: NDArray[np.int16]) -> Tally:
    plane = out if out.flags.c_contiguous else np.empty(item.shape, np.int16)
    to_hounsfield(reader.stored(item, plane), item.slope, item.intercept, plane)
    if plane is not out:
        out[...] = plane
    return tally(plane)


def _read_resampled(reader: FrameReader, stack: Stack, planes: NDArray[np.int16]) -> Work[Tally]:
    """Decode slices in order and lay them onto the grid, two in memory at a time."""
    tallies = []

    def in_order() -> Iterator[NDArray[np.int16]]:
        for item in stack.slices:
            plane = np.empty(item.shape, np.int16)
            tallies.append(_read_plane(reader, item, plane))
            yield plane

    for count in resample_planes(stack, in_order(), planes):
        yield Progress("Reading slices", count, len(stack.slices))
    return sum(tallies[1:], tallies[0])


def _volume_of(
    stack: Stack,
    planes: NDArray[np.int16],
    offset: tuple[float, float],
    counted: Tally,
    series: Series,
    among: tuple[Series, ...],
) -> Volume:
    first = stack.slices[0]
    assert first.pixel_spacing is not None
    row_step, column_step = first.pixel_spacing
    origin = np.array(stack.origin) + stack.direction[:, :2] @ offset
    depth, rows, columns = planes.shape
    grid = Grid(
        size=(columns, rows, depth),
        spacing=(column_step, row_step, stack.step_mm),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=stack.direction,
    )
    part = first.body_part.strip().upper()
    named = "chest" if part and is_chest(part) else BODY_PARTS.get(part)
    volume = canonical_volume(
        planes,
        grid,
        padding=_padding(stack, counted),
        description=f"CT {named}" if named else "CT",
        patient=first.patient or None,
        series_uid=first.series_uid or None,
        notes=(),
        source=_source(stack),
        stored=_stored(stack),
    )
    intake = _intake(volume, stack, series, among)
    return replace(volume, notes=_notes(series, among), intake=intake)


def _padding(stack: Stack, counted: Tally) -> int | None:
    first = stack.slices[0]
    named = None
    if first.padding is not None:
        named = round(first.padding * first.slope + first.intercept)
    found = padding_of(counted.lowest, counted.count / counted.size, named)
    return max(FILL_HU, found or FILL_HU) if stack.tilt_deg else found


def _stored(stack: Stack) -> StoredSlices | None:
    first = stack.slices[0]
    if not (stack.uneven or stack.tilt_deg) or first.pixel_spacing is None:
        return None
    beside = np.column_stack([stack.shifts, stack.heights - stack.heights[0]])
    return StoredSlices(
        positions=np.array(stack.origin) + beside @ stack.direction.T,
        direction=stack.direction,
        pixel_spacing=first.pixel_spacing,
        shape=first.shape,
    )


def _source(stack: Stack) -> DicomSource:
    first, slices = stack.slices[0], list(stack.slices)
    names = [(s.instance_uid, s.frame) for s in slices]
    if not (stack.uneven or stack.tilt_deg):
        names = [("", 0)] * stack.depth
        for place, item in zip(stack.places, slices, strict=True):
            names[round(place)] = item.instance_uid, item.frame
    uids, frames = zip(*names, strict=True)
    return DicomSource(first.study_uid, first.frame_of_reference_uid, first.sop_class, uids, frames)


def _notes(series: Series, among: tuple[Series, ...]) -> tuple[str, ...]:
    return (*_left_out(series, among), *series.remarks)


def _left_out(series: Series, among: tuple[Series, ...]) -> tuple[str, ...]:
    others = [s for s in among if s is not series]
    if not others:
        return ()
    listed = [f"Left out: {s.words()}." for s in others]
    return (f"Of {len(among)} series one CT was taken: {series.words()}.", *listed)


def _measured_range(volume: Volume) -> tuple[int, int]:
    try:
        return volume.measured_range()
    except ValueError as reason:
        raise CTError(f"{reason} Choose another series.") from reason


def _intake(volume: Volume, stack: Stack, series: Series, among: tuple[Series, ...]) -> Intake:
    first = stack.slices[0]
    pixels = first.pixels
    assert pixels is not None
    scales = dict.fromkeys((s.slope, s.intercept) for s in stack.slices)
    sign = "signed" if pixels.signed else "unsigned"
    tilted = np.degrees(np.arccos(np.clip(np.diag(volume.direction), -1, 1))).max()
    return Intake(
        format="DICOM",
        series=series.words(),
        left_out=tuple(s.words() for s in among if s is not series),
        sort_key="position along the slice normal",
        slices=len(stack.slices),
        missing=stack.missing,
        repeated=stack.repeated,
        others=stack.others,
        damaged=series.damaged,
        uneven=stack.uneven,
        tilt_deg=stack.tilt_deg,
        spacing_mm=volume.spacing,
        thickness_mm=first.thickness,
        stored_axes=volume.stored_axes,
        axes=CANONICAL,
        oblique_deg=float(tilted),
        hu_range=_measured_range(volume),
        scale=tuple(scales),
        stored_bits=f"{pixels.bits_stored} of {pixels.bits_allocated} bits, {sign}",
        padding=volume.padding,
        compression=COMPRESSIONS.get(pixels.syntax, pixels.syntax),
        findings=series.remarks,
        resampled=_resampled(stack),
        restores=(
            "A saved mask lies on this grid; as DICOM SEG it returns to the stored slices."
            if not stack.straight
            else "A saved mask lies on the stored grid, voxel for voxel."
        ),
    )


def _resampled(stack: Stack) -> str:
    filled = "1 missing slice was" if stack.missing == 1 else f"{stack.missing} missing slices were"
    what = [
        f"{filled} interpolated" if stack.missing else "",
        f"slices were interpolated every {stack.step_mm:.4g} mm" if stack.uneven else "",
        f"slices were shifted to undo {stack.tilt_deg:.1f}° of tilt" if stack.tilt_deg else "",
    ]
    told = "; ".join(w for w in what if w)
    return f"Resampled linearly: {told}." if told else ""
