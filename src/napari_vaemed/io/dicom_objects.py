"""Open DICOM objects that speak of a CT: segmentations and structure sets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.config import disable_value_validation

from napari_vaemed.data.volume import Volume
from napari_vaemed.io.errors import CTError


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Tell whatever goes wrong inside in one sentence that names the file.

    pydicom raises many kinds of errors on damaged files, and warns of ill-formed UIDs, which
    anonymisers write.

    Parameters
    ----------
    what : str
        The object in words, for example ``"segmentation"``.
    """
    try:
        with disable_value_validation():
            yield
    except CTError as error:
        raise CTError(f"The {what} {path.name} {error}") from error
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CTError(f"The {what} {path.name} cannot be read: {reason[:160]}") from error


def read_object(path: Path, sop_classes: Collection[str]) -> pydicom.Dataset:
    """Read a DICOM object of one of the classes; to be called inside `reading`.

    Raises
    ------
    CTError
        It is of another class.
    """
    file = pydicom.dcmread(path)
    if str(file.get("SOPClassUID")) not in sop_classes:
        raise CTError("is DICOM, but of another kind.")
    return file


def frame_of_reference(volume: Volume) -> str:
    """The volume's frame of reference; empty when it names none."""
    return volume.source.frame_of_reference_uid if volume.source is not None else ""


def same_frame_of_reference(named: Collection[str], volume: Volume) -> tuple[str, ...]:
    """Refuse an object of another frame of reference; a note when the CT names none.

    Raises
    ------
    CTError
        Its millimetres are not the CT's.
    """
    known = frame_of_reference(volume)
    if not known:
        return ("The CT names no frame of reference; placed by its millimetres alone.",)
    if named and known not in named:
        raise CTError(
            "belongs to another frame of reference than the CT: their millimetres do not "
            "compare. Open the CT it was made on."
        )
    return ()
