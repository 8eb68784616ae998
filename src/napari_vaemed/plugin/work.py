"""What the window's jobs run, each in a job's thread; heavy imports happen here, not before."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vaemed.data.caliper import MeasuredCaliper
from napari_vaemed.data.finding import ErrorBars, Measurement, NoduleMask
from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import (
    LayerData,
    labels_to_layer,
    preview_for_3d,
    volume_to_layer,
)
from napari_vaemed.plugin.masks import boxed
from napari_vaemed.plugin.theme import LUNG_COLOURS
from napari_vaemed.workflow.lungs import LUNG_METHODS, THRESHOLD, find_lungs, told_of

if TYPE_CHECKING:
    from napari_vaemed.io.series import Series
    from napari_vaemed.workflow.classify import Classified
    from napari_vaemed.workflow.examine import Marked

FIRST_SLICE_S = 2.0
"""Reading a CT waits no longer than this for its first slice to be drawn."""


@dataclass(frozen=True, eq=False)
class Lungs:
    """A lung mask, its volumes in ml by side, the layer that shows it, and where it comes from."""

    labels: NDArray[np.uint8]
    ml: dict[str, float]
    layer: LayerData
    told: str = ""


def get_ready() -> None:
    """Import what reading and showing a CT will need; while the user looks for the folder."""
    warm_napari()
    importlib.import_module("napari_vaemed.io.ct")


def look(path: Path) -> Work[Volume | tuple[Series, ...] | None]:
    """Find the DICOM series of a folder or archive; read the CT of any other file.

    None for masks and annotations: they lie on what is open in the window; see `read_marks`.
    """
    yield Progress("Looking what is there")
    warm_napari()
    from napari_vaemed.io.annotations import annotation_kind
    from napari_vaemed.io.ct import NotHounsfieldError, read_ct
    from napari_vaemed.io.series import find_series

    if path.is_dir() or path.suffix.lower() == ".zip":
        return (yield from find_series(path))
    if path.name.upper() == "DICOMDIR":
        return (yield from find_series(path.parent))
    if path.is_file() and annotation_kind(path):
        return None
    try:
        return (yield from read_ct(path))
    except NotHounsfieldError:
        return None


def read_marks(path: Path, scans: Sequence[Volume]) -> Work[list[LayerData]]:
    """Read a mask or annotations onto the one of the open CTs they are about."""
    from napari_vaemed.plugin.annotations import mark_layers

    return (yield from mark_layers(path, scans))


def first_slice(series: Series) -> Work[Volume | None]:
    """The middle slice as a volume of its own; None where it cannot be read alone."""
    from napari_vaemed.io.dicom import read_series
    from napari_vaemed.io.errors import CTError

    try:
        slices = series.stack().slices
        return (yield from read_series(replace(series, slices=(slices[len(slices) // 2],))))
    except CTError:
        return None  # whatever is wrong with it, reading the series will say


def read_series(series: Series, among: tuple[Series, ...], drawn: threading.Event) -> Work[Volume]:
    """Read one of the series found, once its first slice is ``drawn``.

    Else the threads that read would keep the window from drawing it.
    """
    from napari_vaemed.io.dicom import read_series as read

    yield Progress("Reading CT")
    drawn.wait(FIRST_SLICE_S)
    return (yield from read(series, among))


def picture_of(series: Series) -> NDArray[np.uint8]:
    """The middle slice as a small grey picture (h, w)."""
    from napari_vaemed.io.dicom import read_thumbnail

    return read_thumbnail(series)


def hu_range(volume: Volume) -> tuple[int, int]:
    """Lowest and highest HU, padding left out; a pass over all voxels."""
    return volume.measured_range()


def sample() -> Work[list[LayerData]]:
    """Make the synthetic chest."""
    yield Progress("Making the sample chest")
    warm_napari()
    from napari_vaemed.plugin.samples import making_chest

    return (yield from making_chest())


def lungs(
    volume: Volume,
    method: str = LUNG_METHODS[0],
    weights: Path | None = None,
    device: str = "auto",
) -> Work[Lungs]:
    """Find right lung, left lung and airways; by one of `workflow.lungs.LUNG_METHODS`."""
    yield Progress("Finding the lungs")
    from napari.utils.colormaps import DirectLabelColormap

    if method != THRESHOLD:
        examine()  # torch comes in by its one door
    from napari_vaemed.segmentation.lungs import lung_ml

    labels = yield from find_lungs(volume, method, weights=weights, device=device)
    colours: dict[Any, Any] = {None: "transparent", **LUNG_COLOURS}
    layer = labels_to_layer(
        labels, volume, "Lungs", opacity=0.8, colormap=DirectLabelColormap(color_dict=colours)
    )
    told = told_of(method, weights, device)
    return Lungs(labels, lung_ml(labels, volume.spacing), layer, told)


def enhance(volume: Volume) -> Work[LayerData]:
    """Make the CLAHE view."""
    yield Progress("CLAHE")
    from napari_vaemed.preprocessing.clahe import clahe

    hu = yield from clahe(volume)
    data, attributes, kind = volume_to_layer(replace(volume, hu=hu), name="CLAHE")
    return data, {**attributes, "visible": False}, kind


def preview(
    volume: Volume, lung_labels: NDArray[np.uint8] | None, around: NoduleMask | None = None
) -> Work[LayerData]:
    """Make the small copy that 3-D shows: all, the lungs' inside, or what is around a nodule."""
    yield Progress("Making the 3-D copy")
    if around is not None:
        start, nodule = boxed(around, volume)
        z, y, x = (slice(a, a + n) for a, n in zip(start, nodule.shape, strict=True))
        inside = np.ones_like(nodule) if lung_labels is None else in_lungs(lung_labels[z, y, x])
        return preview_for_3d(volume, inside | nodule, (z, y, x))
    if lung_labels is None or not (inside := in_lungs(lung_labels)).any():
        return preview_for_3d(volume)
    z, y, x = NoduleMask.of(inside).where
    yield Progress("Making the 3-D copy", 1, 2)
    return preview_for_3d(volume, inside[z, y, x], (z, y, x))


def mark(
    volume: Volume, voxel: tuple[float, float, float], lung_labels: NDArray[np.uint8] | None
) -> Marked:
    """Outline and measure the nodule at a voxel (z, y, x)."""
    return examine().mark(volume, voxel, lung_labels)


def amend(
    volume: Volume,
    marked: Marked | None,
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
    box: NDArray[np.float64] | None,
    lung_labels: NDArray[np.uint8] | None,
) -> Marked:
    """Correct a marked nodule by hints, or mark the one in a box; voxels (n, 3), corners (2, 3)."""
    workflow = examine()
    from napari_vaemed.segmentation.refine import Hints

    hints = Hints.of(inside, outside, box)
    if marked is None and box is not None:
        marked = workflow.mark(volume, box.mean(axis=0), lung_labels)
    return workflow.amend(volume, marked, hints, lung_labels)


def measure(
    volume: Volume,
    mask: NoduleMask,
    voxel: tuple[float, float, float],
    lung_labels: NDArray[np.uint8] | None,
) -> Marked:
    """Measure a mask the user has drawn."""
    from napari_vaemed.segmentation.measure import measure_nodule

    return examine().Marked(voxel, mask, measure_nodule(volume, mask, lung_labels))


def error_bars(
    volume: Volume, marked: Marked, lung_labels: NDArray[np.uint8] | None
) -> Work[ErrorBars]:
    """How far a marked nodule's sizes can be trusted."""
    yield Progress("Measuring again")
    examine()  # torch comes in by its one door
    from napari_vaemed.workflow.measured import error_bars as bars_of

    return (yield from bars_of(volume, marked, lung_labels))


def write_mask(
    path: Path,
    mask: NDArray,
    volume: Volume,
    names: Mapping[int, str] | None = None,
    identity_from: Path | None = None,
) -> Work[Path]:
    """Save a mask on the grid the CT's file had."""
    yield Progress("Saving the mask")
    from napari.utils.notifications import show_info

    from napari_vaemed.io.masks import save_mask

    notes = save_mask(path, mask, volume, names, identity_from=identity_from)
    if notes:
        show_info("\n".join(notes))
    return path


def write_findings(
    path: Path,
    masks: list[tuple[int, NoduleMask]],
    volume: Volume,
    identity_from: Path | None = None,
) -> Work[Path]:
    """Save findings as one label image, each with its number."""
    labels = np.zeros(volume.shape, np.uint8)
    for label, mask in masks:
        labels[mask.where][mask.voxels] = label
    names = {label: f"Finding {label}" for label, _ in masks}
    return (yield from write_mask(path, labels, volume, names, identity_from))


def write_measurements(path: Path, rows: list[tuple[int, Measurement, ErrorBars | None]]) -> Path:
    """Save measurements and their error bars as CSV, one line a finding."""
    from napari_vaemed.io.reports import write_measurements_csv

    examine()
    from napari_vaemed.workflow.measured import measured_values

    write_measurements_csv(
        path,
        [{"finding": label, **measured_values(sizes, bars)} for label, sizes, bars in rows],
    )
    return path


def write_slices(path: Path, said: Classified, volume: Volume) -> Path:
    """Save the scores of slices as CSV, one line a slice, from the feet to the head."""
    from napari_vaemed.io.reports import write_measurements_csv
    from napari_vaemed.workflow.classify import slice_rows

    write_measurements_csv(path, slice_rows(said, volume))
    return path


def write_calipers(path: Path, calipers: tuple[MeasuredCaliper, ...], volume: Volume) -> Path:
    """Save calipers as CSV, one line each."""
    from napari_vaemed.io.calipers import write_calipers as write

    write(path, calipers, volume)
    return path


def warm_napari() -> None:
    """Do here what napari's first layers would hold the window up with, for a second each."""
    import pint

    pint.get_application_registry()("mm")
    for module in ("pandas", "scipy.spatial.transform"):
        importlib.import_module(module)


def examine() -> Any:
    """The workflow behind the docks, imported with torch on first use."""
    from napari_vaemed.plugin import expert

    return expert.examine()
