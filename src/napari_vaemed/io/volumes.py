"""NIfTI, NRRD, MHA and MHD: a CT in, a mask or a CT out on the file's own grid."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_vaemed.data.annotation import LabelMap
from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.intake import Intake
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.errors import CTError, NotHounsfieldError
from napari_vaemed.io.orientation import (
    CANONICAL,
    Grid,
    axes_of,
    canonical_volume,
    from_canonical,
    stored_grid,
)
from napari_vaemed.io.padding import field_of_view_padding
from napari_vaemed.preprocessing.placement import labels_on, labels_present, shares_voxels

READ_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
FORMATS = dict(zip(READ_SUFFIXES, ("NIfTI", "NIfTI", "NRRD", "NRRD", "MHA", "MHD"), strict=True))
WRITE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
SAME_GRID_MM = 0.05
DEFLATE_AT_MOST = 1032
"""Times a deflated stream can grow."""
MOST_LABELS = 64
HIGHEST_LABEL = 255
UID = re.compile(r"\d+(\.\d+){5,}")


def suffix_of(path: str | os.PathLike[str]) -> str:
    """Lower-case ending that names the format; ``.nii.gz`` counts as one."""
    name = Path(path).name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def read_volume(path: str | os.PathLike[str]) -> Volume:
    """Read a CT from a NIfTI, NRRD, MHA or MHD file.

    Returns
    -------
    Volume
        Canonical orientation, HU int16; fractions are rounded.

    Raises
    ------
    FileNotFoundError
    CTError
        Not three-dimensional, not one number a voxel, not finite, or not readable.
    NotHounsfieldError
        The values are labels or were scaled to 0–1.
    """
    stored, grid = _read_stored(Path(path))
    name = Path(path).name
    _refuse_other_than_hounsfield(stored, name)
    notes = _doubtful_spacing(grid)
    if stored.min() < -32768 or stored.max() > 32767:
        raise CTError(
            f"{name} holds values from {stored.min():g} to {stored.max():g}, beyond any CT's "
            "Hounsfield units. Save it in HU."
        )
    if stored.dtype.kind == "f":
        rounded = np.rint(stored)
        if np.abs(rounded - stored).max() > 0.01:
            notes += ("Fractions of a HU were rounded.",)
        stored = rounded
    hu = stored.astype(np.int16, copy=False)
    volume = canonical_volume(
        hu,
        grid,
        padding=field_of_view_padding(hu),
        description="CT",
        series_uid=_series_in(name),
        notes=notes,
    )
    return replace(volume, intake=_intake(volume, suffix_of(name), str(stored.dtype)))


def read_labels(path: str | os.PathLike[str]) -> Volume:
    """Read a mask or label image; the labels stand in the volume's ``hu``.

    Raises
    ------
    FileNotFoundError
    CTError
        Not three-dimensional, or the values are not whole numbers of at least 0.
    """
    stored, grid = _read_stored(Path(path))
    if not _whole(stored) or stored.min() < 0 or stored.max() > 32767:
        raise CTError(
            f"{Path(path).name} holds values from {stored.min():g} to {stored.max():g}; "
            "a mask has whole numbers from 0 to 32767."
        )
    return canonical_volume(stored.astype(np.int16), grid, description="Labels")


def labels_on_scan(labels: Volume, volume: Volume) -> LabelMap | None:
    """Labels as `read_labels` gives them, on a scan's voxels; None when none lies on the scan.

    On another grid every voxel of the scan takes the nearest label, and the notes say so.
    """
    if same_grid(labels, volume):
        return LabelMap("Labels", _small(labels.hu), volume)
    placed = labels_on(labels.hu, labels, volume)
    if not placed.any():
        return None
    notes: list[str] = []
    if not shares_voxels(labels, volume):
        notes.append("The mask lay on another grid; it was resampled to the CT (nearest voxel).")
    lost = set(labels_present(labels.hu)) - set(labels_present(placed))
    if lost or not _reaches(labels, volume):
        notes.append(
            "A part of the mask lies beside the CT, or is finer than it, and was left out."
        )
    return LabelMap("Labels", _small(placed), volume, notes=tuple(notes))


def read_mask(path: str | os.PathLike[str], volume: Volume) -> NDArray[np.int16]:
    """Read the labels (z, y, x) of a mask that lies on the volume's grid.

    Raises
    ------
    FileNotFoundError
    CTError
        No mask, or on another grid.
    """
    labels = read_labels(path)
    if not same_grid(labels, volume):
        raise CTError(
            f"{Path(path).name} lies on another grid than the CT: it has shape {labels.shape}, "
            f"spacing {_short(labels.spacing)} mm and origin {_short(labels.origin)} mm, the CT "
            f"{volume.shape}, {_short(volume.spacing)} mm and {_short(volume.origin)} mm. "
            "Resample the mask to the CT first."
        )
    return labels.hu


def write_mask(
    path: str | os.PathLike[str], labels: NDArray[np.integer | np.bool_], volume: Volume
) -> None:
    """Write labels (z, y, x) of a volume on the grid the volume's file had.

    Raises
    ------
    ValueError
        Labels of another shape than the volume, or a name without a known ending.
    FileNotFoundError
        The folder does not exist.
    """
    if labels.shape != volume.shape:
        raise ValueError(
            f"The mask has shape {labels.shape}, its volume {volume.shape} (z, y, x); "
            "they must be the same to be saved on one grid."
        )
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low < 0:
        raise ValueError(f"A mask holds labels of at least 0; this one goes down to {low}.")
    kind = np.uint8 if high <= 255 else np.uint16 if high <= 65535 else np.uint32
    _write_stored(Path(path), from_canonical(labels, volume.stored_axes).astype(kind), volume)


def write_volume(path: str | os.PathLike[str], hu: NDArray[np.int16], volume: Volume) -> None:
    """Write HU (z, y, x) of a volume on the grid the volume's file had.

    Raises
    ------
    ValueError
        Another shape than the volume, or a name without a known ending.
    FileNotFoundError
        The folder does not exist.
    """
    checked = replace(volume, hu=hu)
    if hu.shape != volume.shape:
        raise ValueError(f"The image has shape {hu.shape}, its volume {volume.shape} (z, y, x).")
    _write_stored(Path(path), from_canonical(checked.hu, volume.stored_axes), volume)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before long work that its result could not be written.

    Raises
    ------
    ValueError
        The name has no known ending.
    FileNotFoundError
        The folder does not exist.
    """
    path = Path(path)
    if suffix_of(path) not in WRITE_SUFFIXES:
        raise ValueError(
            f"{path.name!r} does not end in one of {', '.join(WRITE_SUFFIXES)}; "
            "the ending chooses the format."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path.parent} to write {path.name} into. Make it first."
        )


def same_grid(one: Volume, other: Volume) -> bool:
    """Whether two volumes' voxels lie at the same places, to 0.05 mm at every corner."""
    if one.shape != other.shape:
        return False
    ends = [(0, n - 1) for n in one.shape]
    corners = np.array([(z, y, x) for z in ends[0] for y in ends[1] for x in ends[2]])
    return bool(np.abs(one.to_world(corners) - other.to_world(corners)).max() < SAME_GRID_MM)


def _read_stored(path: Path) -> tuple[NDArray, Grid]:
    """Voxels (z, y, x) as the file has them, and its grid."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if suffix_of(path) not in READ_SUFFIXES:
        raise CTError(
            f"{path.name} is none of {', '.join(READ_SUFFIXES)}. Open one of these, or a "
            "folder of DICOM files."
        )
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with _itk_quiet():
            reader.ReadImageInformation()
            _extract_three_axes(reader, path.name)
            _refuse_more_than_stored(reader, path)
            image = reader.Execute()
    except RuntimeError as error:
        raise CTError(f"{path.name} cannot be read: {_reason(error)}") from error
    voxels = sitk.GetArrayFromImage(image)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        bad = int((~np.isfinite(voxels)).sum())
        raise CTError(
            f"{path.name} holds {bad} voxels that are not numbers (NaN or infinite). "
            "Replace them by the value of air, -1000, and save again."
        )
    size, spacing, origin = image.GetSize(), image.GetSpacing(), image.GetOrigin()
    direction = np.array(image.GetDirection(), float).reshape(3, 3)
    if not np.isfinite([*spacing, *origin, *direction.ravel()]).all():
        raise CTError(
            f"{path.name} does not say where its voxels lie (spacing, origin or axes are no "
            "numbers). Its header is damaged; export it again."
        )
    return voxels, Grid(size, spacing, origin, direction)


def _extract_three_axes(reader: sitk.ImageFileReader, name: str) -> None:
    """Refuse what is no single volume before its voxels are read."""
    size = reader.GetSize()
    if reader.GetNumberOfComponents() != 1:
        raise CTError(
            f"{name} holds {reader.GetNumberOfComponents()} numbers a voxel (colour or vectors); "
            "a CT has one. Save a single channel."
        )
    if len(size) < 3 or any(n > 1 for n in size[3:]):
        raise CTError(
            f"{name} has {len(size)} axes of lengths {size}; a CT has three (x, y, z). "
            "Save one volume a file."
        )
    reader.SetExtractSize([*size[:3], *([0] * (len(size) - 3))])


def _refuse_more_than_stored(reader: sitk.ImageFileReader, path: Path) -> None:
    """Refuse a header that promises more than its file can hold before memory is taken."""
    header_only = suffix_of(path) in (".mhd", ".nhdr")
    files = path.parent.iterdir() if header_only else (path,)
    held = sum(file.stat().st_size for file in files if file.is_file())
    promised = (
        math.prod(reader.GetSize())
        * sitk.Image(1, 1, reader.GetPixelID()).GetSizeOfPixelComponent()
    )
    if promised > DEFLATE_AT_MOST * held:
        raise CTError(
            f"{path.name} promises {promised / 1e9:.3g} GB of voxels and holds "
            f"{held / 1e6:.3g} MB. It is damaged; export it again."
        )


def _refuse_other_than_hounsfield(stored: NDArray, name: str) -> None:
    low, high = float(stored.min()), float(stored.max())
    if low == high:
        raise CTError(f"Every voxel of {name} is {low:g}: there is no image in it.")
    if low >= 0 and high <= HIGHEST_LABEL and _whole(stored):
        present = np.unique(stored.ravel()[:: max(1, stored.size // 200_000)])
        if len(present) <= MOST_LABELS:
            raise NotHounsfieldError(
                f"{name} holds labels ({low:g} to {high:g}), no CT. Open the CT, then this mask."
            )
    if low >= -5 and high <= 5:
        raise NotHounsfieldError(
            f"The values of {name} run from {low:.3g} to {high:.3g}; they were scaled. "
            "Wanted Hounsfield units (air -1000, water 0)."
        )


def _doubtful_spacing(grid: Grid) -> tuple[str, ...]:
    bare = np.array_equal(grid.direction, np.eye(3)) and not any(grid.origin)
    if grid.spacing != (1.0, 1.0, 1.0) or not bare:
        return ()
    return ("The file names no spacing, or exactly 1 mm: all sizes in mm rest on 1 mm voxels.",)


def _intake(volume: Volume, suffix: str, dtype: str) -> Intake:
    tilted = np.degrees(np.arccos(np.clip(np.diag(volume.direction), -1, 1))).max()
    return Intake(
        format=FORMATS[suffix],
        slices=volume.shape[2 - axes_of(volume.stored_axes)[2][0]],
        spacing_mm=volume.spacing,
        stored_axes=volume.stored_axes,
        axes=CANONICAL,
        oblique_deg=float(tilted),
        hu_range=volume.measured_range(),
        stored_bits=dtype,
        padding=volume.padding,
        findings=volume.notes,
        restores="A saved mask lies on the stored grid, voxel for voxel.",
    )


def _series_in(name: str) -> str | None:
    """The series a file is called after, as LUNA16's are."""
    stem = name[: -len(suffix_of(name))]
    return stem if UID.fullmatch(stem) and len(stem) <= 64 else None


def _reaches(labels: Volume, volume: Volume) -> bool:
    """Whether the box around all labels lies within the scan."""
    box = NoduleMask.of(labels.hu > 0)
    ends = np.stack([box.start, np.add(box.start, box.voxels.shape) - 1])
    corners = np.stack(np.meshgrid(*ends.T, indexing="ij"), axis=-1).reshape(-1, 3)
    return all(volume.contains(v) for v in volume.to_voxel(labels.to_world(corners)))


def _small(labels: NDArray[np.integer | np.bool_]) -> NDArray[np.integer]:
    return labels.astype(np.uint8 if labels.max() <= 255 else np.uint16)


def _whole(values: NDArray) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.rint(values)).all())


def _write_stored(path: Path, voxels: NDArray, volume: Volume) -> None:
    check_writable(path)
    suffix = suffix_of(path)
    grid = stored_grid(volume)
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction.ravel().tolist())
    with replacing(path, suffix) as beside, _itk_quiet():
        sitk.WriteImage(image, str(beside), useCompression=suffix != ".nii")


@contextmanager
def _itk_quiet() -> Iterator[None]:
    """Keep ITK's own warnings off the terminal; what matters is raised or noted."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _reason(error: RuntimeError) -> str:
    """ITK's message without its source file and address."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line.split("):", 1)[-1].strip() for line in lines if "ERROR" in line or ":" in line]
    text = (told or lines or ["unknown reason"])[-1]
    if "orthonormal" in str(error):
        text = "its axes are not perpendicular (sheared). Resample it to a straight grid."
    return text[:200]


def _short(numbers: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{n:.4g}" for n in numbers) + ")"
