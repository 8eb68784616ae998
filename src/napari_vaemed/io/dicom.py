"""Read a CT series from a folder of DICOM files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.orientation import Grid, canonical_volume
from napari_vaemed.io.padding import field_of_view_padding
from napari_vaemed.io.series import Series, Slice, choose_ct, find_series
from napari_vaemed.io.stack import Stack, stack_slices

PIXEL_TAGS = [
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelData",
    "PixelRepresentation",
    "Rows",
    "SamplesPerPixel",
]
BODY_PARTS = {
    "CHEST": "chest",
    "THORAX": "chest",
    "LUNG": "chest",
    "ABDOMEN": "abdomen",
    "HEAD": "head",
    "NECK": "neck",
    "PELVIS": "pelvis",
}


def read_dicom(folder: str | os.PathLike[str], *, series_uid: str | None = None) -> Work[Volume]:
    """Read the largest CT series below a folder as a volume in HU.

    Slices are ordered by position along their normal; file names and instance numbers are not
    trusted. What was left out, dropped or filled stands in the volume's notes.

    Parameters
    ----------
    folder : path
        Subfolders are searched too; files need no suffix.
    series_uid : str or None
        Read this series instead of the largest.

    Returns
    -------
    Volume
        Canonical orientation, HU int16.

    Raises
    ------
    CTError
        No CT, a geometry that is no regular grid, or pixels that cannot be decoded.
    """
    series = yield from find_series(Path(folder))
    chosen = choose_ct(series, series_uid)
    if chosen.first.frames > 1:
        raise CTError(
            "This is an enhanced multi-frame CT (one file with all slices), which is not read "
            "yet. Export the series as classic CT, one file per slice."
        )
    stack = stack_slices(chosen)
    stored = yield from _read_pixels(stack)
    return _volume_of(stack, stored, stack.notes + _left_out(series, chosen))


def _read_pixels(stack: Stack) -> Work[NDArray[np.int16]]:
    """Decode all slices into (n, rows, columns) HU; missing places interpolated."""
    total = len(stack.slices)
    yield Progress("Reading slices", 0, total)
    first = _read_slice(stack.slices[0])  # before memory is taken on the headers' word
    hu = np.empty((stack.depth, *first.shape), np.int16)
    hu[0] = first
    yield Progress("Reading slices", 1, total)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        jobs = [
            pool.submit(_read_slice_into, hu[place], item)
            for place, item in zip(stack.places[1:], stack.slices[1:], strict=True)
        ]
        try:
            for count, job in enumerate(as_completed(jobs), 2):
                job.result()
                yield Progress("Reading slices", count, total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    _fill_missing(hu, stack)
    return hu


def _read_slice_into(out: NDArray[np.int16], item: Slice) -> None:
    out[...] = _read_slice(item)


def _read_slice(item: Slice) -> NDArray[np.int16]:
    """HU (rows, columns) of one file."""
    try:
        stored = decode_pixels(item.path)
    except Exception as error:
        # every decoder has exceptions of its own; the user needs the file and the reason
        raise CTError(
            f"The pixels of {item.path.name} cannot be decoded ({_brief(error)}). "
            "The file is damaged or compressed in a way not supported; export it again."
        ) from error
    if stored.shape != item.shape:
        raise CTError(
            f"{item.path.name} holds pixels of shape {stored.shape}; its header promises "
            f"{item.shape}. The file is damaged; export it again."
        )
    return _hounsfield(stored, item.slope, item.intercept)


def decode_pixels(path: Path) -> NDArray[np.integer]:
    """Stored values (rows, columns) of one file, with the unused high bits cleared."""
    file = pydicom.dcmread(path, specific_tags=PIXEL_TAGS, force=True)
    stored: NDArray[np.integer] = file.pixel_array
    unused = 8 * stored.dtype.itemsize - int(file.BitsStored)
    if unused > 0:  # overlays of old scanners live in these bits
        stored = (stored << unused) >> unused
    return stored


def _hounsfield(stored: NDArray[np.integer], slope: float, intercept: float) -> NDArray[np.int16]:
    if slope == 1 and intercept == 0 and stored.dtype == np.int16:
        return stored.astype(np.int16, copy=False)
    if slope == 1 and intercept == int(intercept):
        hu = stored.astype(np.int32) + int(intercept)
    else:
        hu = np.rint(stored * slope + intercept).astype(np.int32)
    return np.clip(hu, -32768, 32767).astype(np.int16)


def _fill_missing(hu: NDArray[np.int16], stack: Stack) -> None:
    for place in stack.missing:
        after = int(np.searchsorted(stack.places, place))
        low, high = int(stack.places[after - 1]), int(stack.places[after])
        weight = (place - low) / (high - low)
        between = (1 - weight) * hu[low].astype(np.float32) + weight * hu[high]
        hu[place] = np.rint(between).astype(np.int16)


def _volume_of(stack: Stack, stored: NDArray[np.int16], notes: tuple[str, ...]) -> Volume:
    first = stack.slices[0]
    assert first.position is not None
    assert first.pixel_spacing is not None
    rows, columns = first.shape
    row_step, column_step = first.pixel_spacing
    grid = Grid(
        size=(columns, rows, stack.depth),
        spacing=(column_step, row_step, stack.step_mm),
        origin=first.position,
        direction=stack.direction,
    )
    named = None
    if first.padding is not None:
        named = round(first.padding * first.slope + first.intercept)
    part = BODY_PARTS.get(first.body_part.upper())
    return canonical_volume(
        stored,
        grid,
        padding=field_of_view_padding(stored, named),
        description=f"CT {part}" if part else "CT",
        patient=first.patient or None,
        series_uid=first.series_uid or None,
        notes=notes,
    )


def _left_out(series: tuple[Series, ...], chosen: Series) -> tuple[str, ...]:
    others = [s for s in series if s is not chosen]
    if not others:
        return ()
    listed = [f"Left out: {s.words()}." for s in others]
    return (f"Of {len(series)} series the largest CT was taken: {chosen.words()}.", *listed)


def _brief(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
