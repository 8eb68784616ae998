"""One door for every kind of CT."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.progress import finish
from napari_vaemed.io.ct import CTError, read_ct


def test_folder_slice_and_volume_file_give_the_same_voxels(tmp_path, hu, write_series):
    slices = write_series(tmp_path / "scan", hu)
    (tmp_path / "scan" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 20)
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(tmp_path / "ct.nii.gz"))
    (tmp_path / "ct.nii.gz").rename(tmp_path / "CT.NII.GZ")
    paths = (tmp_path / "scan", slices[2], tmp_path / "scan" / "DICOMDIR", tmp_path / "CT.NII.GZ")
    for path in paths:
        np.testing.assert_array_equal(finish(read_ct(path)).hu, hu)


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is nothing at"):
        finish(read_ct(tmp_path / "ct"))


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 " * 40)
    with pytest.raises(CTError, match=r"a\.pdf is no DICOM file"):
        finish(read_ct(tmp_path / "a.pdf"))
    (tmp_path / "report").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 20)
    with pytest.raises(CTError, match="header of report is damaged"):
        finish(read_ct(tmp_path / "report"))
