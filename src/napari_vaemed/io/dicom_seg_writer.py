"""Write masks as DICOM Segmentations that refer to the CT they were drawn on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from napari_vaemed import __version__
from napari_vaemed.data.source import DicomSource
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.atomic import replacing
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.orientation import from_canonical, stored_grid
from napari_vaemed.io.privacy import IDENTITY, read_identity
from napari_vaemed.preprocessing.placement import Labels, labels_on_slices, labels_present

NEIGHBORHOOD = Code("123104", "DCM", "Neighborhood Analysis")
TISSUE = Code("85756007", "SCT", "Tissue")
ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
MEANINGS = {
    "right lung": (ANATOMY, Code("3341006", "SCT", "Right lung")),
    "left lung": (ANATOMY, Code("44029006", "SCT", "Left lung")),
    "airways": (ANATOMY, Code("110726009", "SCT", "Trachea and bronchus")),
    "finding": (ABNORMAL, Code("27925004", "SCT", "Nodule")),
}
"""Category and type by the first words of a segment's name; anything else is called tissue."""
MANUFACTURER = "napari-vaemed"
MULTI_FRAME = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""SOP classes: Enhanced CT, Legacy Converted Enhanced CT."""
ELSEWHERE = [1e6, 1e6, 1e6]
"""Where frames are thought that are no slice of the volume; only their number counts."""
SERIES_NUMBER = 100
HIGHEST_LABEL = 65535


def write_segmentation(
    path: str | os.PathLike[str],
    labels: Labels,
    volume: Volume,
    names: Mapping[int, str] | None = None,
    *,
    identity_from: str | os.PathLike[str] | None = None,
) -> tuple[str, ...]:
    """Write labels (z, y, x) of a CT as a DICOM SEG on the CT's own slices.

    The labels become segments 1, 2, … in rising order, one bit a voxel; slices without a label
    are left out. The file names the study, the frame of reference and the slices, as it must,
    and nothing else of the patient.

    Parameters
    ----------
    names : mapping of int to str, optional
        What a label is called, for example ``{1: "Right lung"}``.
    identity_from : path, optional
        A DICOM file of the CT, or a folder with one, whose patient and study data (name, birth
        date, accession number, …) are copied; by default they stay empty.

    Returns
    -------
    tuple of str
        What had to be left out or moved, in plain words.

    Raises
    ------
    ValueError
        Another shape than the volume, a negative label, or nothing is marked.
    CTError
        The volume did not come from DICOM, or ``identity_from`` has nothing of its study.
    FileNotFoundError
        The folder does not exist.
    """
    source = check_referable(volume)
    present = _labels_in(labels, volume)
    identity = (
        None if identity_from is None else read_identity(Path(identity_from), source.study_uid)
    )
    number = np.zeros(present[-1] + 1, np.uint16)
    number[present] = np.arange(1, len(present) + 1)
    numbered = number[labels.astype(np.uint16, copy=False)]
    planes = _planes(numbered, volume, source)
    if not planes.labels.any():
        raise ValueError("The mask lies on interpolated slices alone; the scan stored none there.")
    called = [(names or {}).get(label, f"Label {label}") for label in present]
    file = _segmentation(planes, called, volume, source, identity)
    with replacing(path, ".dcm") as beside:
        file.save_as(beside, enforce_file_format=True)
    return _moved(labels, planes, volume)


def _moved(labels: Labels, planes: Planes, volume: Volume) -> tuple[str, ...]:
    if volume.stored is not None:
        return ("The labels went back to the stored slices, each pixel taking the nearest label.",)
    lost = np.count_nonzero(labels) - np.count_nonzero(planes.labels)
    if not lost:
        return ()
    return (
        f"{lost} marked voxels lie on interpolated slices, which the CT has none of; left out.",
    )


def check_referable(volume: Volume) -> DicomSource:
    """The DICOM images a segmentation of this CT refers to.

    Raises
    ------
    CTError
        The volume did not come from DICOM, or its files name no study or frame of reference.
    """
    source = volume.source
    if source is None:
        raise CTError(
            "A DICOM segmentation has to name the DICOM images it was drawn on, and this CT "
            "came from none. Open the CT's DICOM folder and draw there, or save as .nii.gz, "
            ".nrrd or .mha."
        )
    if not source.frame_of_reference_uid or not source.study_uid:
        raise CTError(
            "The CT's DICOM files name no study or no frame of reference, which a DICOM "
            "segmentation has to refer to. Save the mask as .nii.gz, .nrrd or .mha."
        )
    return source


def _labels_in(labels: Labels, volume: Volume) -> list[int]:
    if labels.shape != volume.shape:
        raise ValueError(
            f"The mask has shape {labels.shape}, its volume {volume.shape} (z, y, x); "
            "they must be the same to be saved on one grid."
        )
    if not labels.any():
        raise ValueError("The mask is empty: no voxel is marked. Draw something first.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > HIGHEST_LABEL:
        raise ValueError(
            f"A segmentation holds labels of 0 to {HIGHEST_LABEL}; these run from {low} to {high}."
        )
    return labels_present(labels)


@dataclass(frozen=True, eq=False)
class Planes:
    """The stored slices that a segmentation lies on, with their labels.

    Parameters
    ----------
    labels : (n, rows, columns) uint8 or uint16
    origins : (n, 3)
        LPS mm of each slice's first pixel.
    direction : (3, 3)
        Columns: growing column index, growing row index, the normal.
    pixel_spacing : (row step, column step)
    thickness_mm : float
    names : tuple of (SOP instance UID, frame)
    """

    labels: Labels
    origins: NDArray[np.float64]
    direction: NDArray[np.float64]
    pixel_spacing: tuple[float, float]
    thickness_mm: float
    names: tuple[tuple[str, int], ...]


def _planes(numbered: Labels, volume: Volume, source: DicomSource) -> Planes:
    """Labels on the slices that exist; interpolated places have none to refer to."""
    grid = stored_grid(volume)
    if volume.stored is not None:
        labels = labels_on_slices(numbered, volume)
        origins = volume.stored.positions
        direction, spacing = volume.stored.direction, volume.stored.pixel_spacing
    else:
        labels = from_canonical(numbered, volume.stored_axes)
        steps = np.arange(len(labels))[:, None] * grid.direction[:, 2] * grid.spacing[2]
        origins, direction = np.asarray(grid.origin) + steps, grid.direction
        spacing = grid.spacing[1], grid.spacing[0]
    there = np.flatnonzero([bool(uid) for uid in source.instance_uids])
    names = tuple((source.instance_uids[k], source.frames[k]) for k in there)
    return Planes(labels[there], origins[there], direction, spacing, grid.spacing[2], names)


def _segmentation(
    planes: Planes,
    called: list[str],
    volume: Volume,
    source: DicomSource,
    identity: pydicom.Dataset | None,
) -> pydicom.Dataset:
    import highdicom as hd  # takes most of a second

    step = planes.thickness_mm if volume.stored is None else None
    file = hd.seg.Segmentation(
        source_images=_source_images(planes, volume, source),
        pixel_array=planes.labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(n, name) for n, name in enumerate(called, 1)],
        series_instance_uid=generate_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        series_description="Segmentation",
        plane_positions=[hd.PlanePositionSequence("PATIENT", o.tolist()) for o in planes.origins],
        plane_orientation=hd.PlaneOrientationSequence("PATIENT", _orientation(planes)),
        pixel_measures=hd.PixelMeasuresSequence(planes.pixel_spacing, planes.thickness_mm, step),
    )
    if identity is None:
        file.PatientIdentityRemoved = "YES"
        file.DeidentificationMethod = "Patient and study data left empty on export"
    for keyword in IDENTITY if identity is not None else ():
        if identity is not None and keyword in identity:
            setattr(file, keyword, identity[keyword].value)
    return file


def _description(number: int, name: str) -> pydicom.Dataset:
    import highdicom as hd

    known = (codes for first, codes in MEANINGS.items() if name.lower().startswith(first))
    category, kind = next(known, (TISSUE, TISSUE))
    drawn = kind is TISSUE
    how = hd.AlgorithmIdentificationSequence(MANUFACTURER, NEIGHBORHOOD, __version__)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="MANUAL" if drawn else "SEMIAUTOMATIC",
        algorithm_identification=None if drawn else how,
    )


def _orientation(planes: Planes) -> list[float]:
    return [float(cosine) for cosine in planes.direction[:, :2].T.ravel()]


def _source_images(planes: Planes, volume: Volume, source: DicomSource) -> list[pydicom.Dataset]:
    """What the segmentation has to say of the images it was drawn on."""
    if source.sop_class_uid in MULTI_FRAME:
        image = _source_image(planes, volume, source, planes.names[0][0])
        image.update(_frame_groups(planes))
        return [image]
    images = []
    for (uid, _), origin in zip(planes.names, planes.origins, strict=True):
        image = _source_image(planes, volume, source, uid)
        image.PixelSpacing, image.SliceThickness = list(planes.pixel_spacing), planes.thickness_mm
        image.ImageOrientationPatient = _orientation(planes)
        image.ImagePositionPatient = origin.tolist()
        images.append(image)
    return images


def _source_image(planes: Planes, volume: Volume, source: DicomSource, uid: str) -> pydicom.Dataset:
    image = pydicom.Dataset()
    for keyword in IDENTITY:
        setattr(image, keyword, "")
    image.Modality, image.SOPClassUID, image.SOPInstanceUID = "CT", source.sop_class_uid, uid
    image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, volume.series_uid or ""
    image.FrameOfReferenceUID = source.frame_of_reference_uid
    image.Rows, image.Columns = planes.labels.shape[1:]
    return image


def _frame_groups(planes: Planes) -> pydicom.Dataset:
    """Where the frames of a multi-frame image lie, in the order of its file."""
    measures, plane, shared, groups = (pydicom.Dataset() for _ in range(4))
    measures.PixelSpacing, measures.SliceThickness = (
        list(planes.pixel_spacing),
        planes.thickness_mm,
    )
    plane.ImageOrientationPatient = _orientation(planes)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    origins = {
        frame: o for (_, frame), o in zip(planes.names, planes.origins.tolist(), strict=True)
    }
    frames = []
    for number in range(max(origins) + 1):
        place, frame = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = origins.get(number, ELSEWHERE)
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    groups.NumberOfFrames = len(frames)
    groups.SharedFunctionalGroupsSequence = [shared]
    groups.PerFrameFunctionalGroupsSequence = frames
    return groups
