"""The ending of a file's name chooses the format of a mask."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.masks import check_mask_path, save_mask
from napari_vaemed.io.volumes import read_mask


def test_each_ending_gives_its_format(tmp_path, write_series, hu):
    write_series(tmp_path / "ct", hu)
    ct = finish(read_dicom(tmp_path / "ct"))
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        save_mask(tmp_path / f"m{suffix}", hu > 0, ct)
        np.testing.assert_array_equal(read_mask(tmp_path / f"m{suffix}", ct), hu > 0)
    save_mask(tmp_path / "m.DCM", hu > 0, ct, {1: "Finding 1"})
    assert pydicom.dcmread(tmp_path / "m.DCM").SegmentSequence[0].SegmentLabel == "Finding 1"


def test_what_could_not_be_saved_is_known_beforehand(tmp_path, hu):
    volume = Volume(hu, (1, 1, 1))
    check_mask_path(tmp_path / "m.dcm")
    check_mask_path(tmp_path / "m.nii.gz", volume)
    with pytest.raises(CTError, match="came from none"):
        check_mask_path(tmp_path / "m.dcm", volume)
    with pytest.raises(ValueError, match="does not end in"):
        check_mask_path(tmp_path / "m.tif")
    for name in ("m.dcm", "m.nrrd"):
        with pytest.raises(FileNotFoundError, match="no folder"):
            check_mask_path(tmp_path / "no" / name)
