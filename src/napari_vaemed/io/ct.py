"""Open a CT, whatever it is stored as."""

from __future__ import annotations

import os
from pathlib import Path

from napari_vaemed.data.progress import Progress, Work
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.errors import CTError, NotHounsfieldError
from napari_vaemed.io.headers import read_headers
from napari_vaemed.io.series import is_dicom
from napari_vaemed.io.sources import Source
from napari_vaemed.io.volumes import READ_SUFFIXES, read_volume, suffix_of

__all__ = ["CTError", "NotHounsfieldError", "read_ct"]


def read_ct(path: str | os.PathLike[str]) -> Work[Volume]:
    """Read a CT from a DICOM folder, zip or file, or a NIfTI, NRRD, MHA or MHD file.

    Parameters
    ----------
    path : path
        Of a folder or zip archive the largest CT is taken, subfolders included; of a DICOM file
        the series it belongs to, from its own folder; of a DICOMDIR its folder.

    Returns
    -------
    Volume
        Canonical orientation, HU int16.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    CTError
        What is there is no CT that can be read rightly; the message says why.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"There is nothing at {path}. Give a DICOM folder or a {', '.join(READ_SUFFIXES)} file."
        )
    if path.is_dir() or path.suffix.lower() == ".zip":
        return (yield from read_dicom(path))
    if suffix_of(path) in READ_SUFFIXES:
        yield Progress(f"Reading {suffix_of(path)[1:]}")
        return read_volume(path)
    if is_dicom(path):
        return (yield from _read_series_of(path))
    raise CTError(
        f"{path.name} is no DICOM file and none of {', '.join(READ_SUFFIXES)}, .zip. "
        "Open a CT in one of these formats, or the folder of its DICOM files."
    )


def _read_series_of(path: Path) -> Work[Volume]:
    if path.name.upper() == "DICOMDIR":
        return (yield from read_dicom(path.parent))
    try:
        headers = read_headers(Source(path))
    except ValueError as error:
        raise CTError(f"{error} Copy or export {path.name} again.") from error
    if not headers or headers[0].pixels is None:
        raise CTError(
            f"{path.name} is DICOM but holds no image (a report or directory). "
            "Open the folder of the CT slices."
        )
    return (yield from read_dicom(path.parent, series_uid=headers[0].series_uid))
