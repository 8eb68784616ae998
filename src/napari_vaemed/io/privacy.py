"""Who the patient is: kept out of names that people read, and read only when asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pydicom

from napari_vaemed.io.errors import CTError
from napari_vaemed.io.sources import files_below

IDENTITY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""What a DICOM file says of its patient and study, and a segmentation of it may repeat."""
NAMING = ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientNames", "AccessionNumber")


def discreet(text: str, header: pydicom.Dataset, instead: str) -> str:
    """A free text of a file, or ``instead`` when it holds something that names its patient."""
    plain = " ".join(str(text).split())[:64]
    naming = (str(header.get(keyword) or "") for keyword in NAMING)
    return instead if not plain or names_patient(plain, naming) else plain


def names_patient(text: str, naming: Iterable[str]) -> bool:
    """Whether a text holds a part of one of the values that name the patient."""
    lowered = text.lower()
    parts = (part.lower() for value in naming for part in re.split(r"[\s^=,\\]+", value))
    return any(len(part) > 2 and part in lowered for part in parts)


def read_identity(path: Path, study_uid: str) -> pydicom.Dataset:
    """What the files of a study say of its patient, as the fields of `IDENTITY`.

    Parameters
    ----------
    path : Path
        A DICOM file, or a folder that holds some.

    Raises
    ------
    CTError
        No file there belongs to the study.
    """
    for file in files_below(path) if path.is_dir() else (path,):
        try:
            header = pydicom.dcmread(
                file, stop_before_pixels=True, specific_tags=["StudyInstanceUID", *IDENTITY]
            )
        except Exception:  # pydicom raises many kinds; such a file names nobody
            continue
        if str(header.get("StudyInstanceUID", "")) == study_uid:
            return header
    raise CTError(
        "The patient's identity was asked for, but no file of the CT's study was found to take "
        "it from. Give the folder of the CT's DICOM files."
    )
