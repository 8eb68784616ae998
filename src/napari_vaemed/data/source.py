"""What a volume's DICOM files are called, so that a segmentation can refer to them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DicomSource:
    """The unique names of the images a volume was read from; nothing of the patient.

    Parameters
    ----------
    study_uid, frame_of_reference_uid : str
    sop_class_uid : str
        What kind of object the images are; classic or enhanced CT.
    instance_uids : tuple of str
        Of each slice in the stored order, along the stored slice normal; empty text for a
        missing slice. A multi-frame file's slices all have its name.
    frames : tuple of int
        Of each slice, its frame in a multi-frame file, from 0.
    """

    study_uid: str
    frame_of_reference_uid: str
    sop_class_uid: str
    instance_uids: tuple[str, ...] = field(repr=False)
    frames: tuple[int, ...] = field(repr=False)
