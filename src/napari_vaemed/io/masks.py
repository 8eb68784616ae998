"""Save a mask in the format its file name asks for, on the grid its CT came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom_seg_writer import check_referable, write_segmentation
from napari_vaemed.io.volumes import check_writable, suffix_of, write_mask
from napari_vaemed.preprocessing.placement import Labels

SEGMENTATION_SUFFIX = ".dcm"


def check_mask_path(path: str | os.PathLike[str], volume: Volume | None = None) -> None:
    """Find out before long work that its mask could not be saved.

    Parameters
    ----------
    volume : Volume or None
        The CT, once it is read: a DICOM segmentation needs one from DICOM.

    Raises
    ------
    ValueError
        The name has no known ending, or the CT did not come from DICOM.
    FileNotFoundError
        The folder does not exist.
    """
    if suffix_of(path) != SEGMENTATION_SUFFIX:
        check_writable(path)
    elif not Path(path).parent.is_dir():
        raise FileNotFoundError(f"There is no folder {Path(path).parent}. Make it first.")
    elif volume is not None:
        check_referable(volume)


def save_mask(
    path: str | os.PathLike[str],
    labels: Labels,
    volume: Volume,
    names: Mapping[int, str] | None = None,
    *,
    identity_from: str | os.PathLike[str] | None = None,
) -> tuple[str, ...]:
    """Save labels (z, y, x) of a CT as NIfTI, NRRD, MHA or, ending in ``.dcm``, DICOM SEG.

    Parameters
    ----------
    names, identity_from
        For a segmentation; see `write_segmentation`.

    Returns
    -------
    tuple of str
        What had to be left out or moved, in plain words.

    Raises
    ------
    ValueError
        The mask does not fit its CT, the name has no known ending, or the CT did not come from
        DICOM.
    FileNotFoundError
        The folder does not exist.
    """
    if suffix_of(path) == SEGMENTATION_SUFFIX:
        return write_segmentation(path, labels, volume, names, identity_from=identity_from)
    write_mask(path, labels, volume)
    return ()
