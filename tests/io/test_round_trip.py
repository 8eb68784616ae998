"""A mask of a DICOM CT saved as a volume file lies where other libraries say the patient is."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.progress import finish
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.volumes import write_mask, write_volume

A = np.radians(12)
TILT = np.array([0, np.tan(np.radians(15)) * 2.5, 0])
SCANS = {
    "axial, head first": {},
    "axial, feet first": {"direction": np.diag([-1.0, 1.0, -1.0])},
    "reversed": {"direction": np.diag([1.0, 1.0, -1.0])},
    "sagittal": {"direction": np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]])},
    "coronal": {"direction": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])},
    "oblique 12°": {
        "direction": np.array([[np.cos(A), 0, np.sin(A)], [0, 1, 0], [-np.sin(A), 0, np.cos(A)]])
    },
    "one slice missing": {"leave_out": (4,)},
    "gantry tilt 15°": {"shift": lambda k: k * TILT},
}


@pytest.fixture(params=SCANS)
def ct(request, tmp_path, write_series, ramp_slices):
    """A scan whose every voxel tells by its value where it was measured."""
    how = SCANS[request.param]
    geometry = {key: value for key, value in how.items() if key != "leave_out"}
    write_series(tmp_path / "ct", ramp_slices(**geometry), **how)
    return finish(read_dicom(tmp_path / "ct"))


def with_nibabel(path):
    """Values and their places in LPS mm."""
    image = nib.load(path)
    index = np.indices(image.shape).reshape(3, -1)
    ras = image.affine[:3, :3] @ index + image.affine[:3, 3:]
    return np.asarray(image.dataobj).ravel(), (ras * [[-1], [-1], [1]]).T


def with_simpleitk(path):
    image = sitk.ReadImage(str(path))
    index = np.indices(image.GetSize()).reshape(3, -1)
    turn = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    world = turn @ index + np.reshape(image.GetOrigin(), (3, 1))
    return sitk.GetArrayFromImage(image).T.ravel(), world.T


@pytest.mark.parametrize(
    ("suffix", "read"),
    [(".nii.gz", with_nibabel), (".nrrd", with_simpleitk), (".mha", with_simpleitk)],
)
def test_a_mask_ends_where_the_patient_s_ramp_says(tmp_path, ct, ramp, suffix, read):
    level = np.median(ct.hu[ct.hu > -1500])
    write_mask(tmp_path / f"m{suffix}", ct.hu > level, ct)
    marked, world = read(tmp_path / f"m{suffix}")
    write_volume(tmp_path / f"v{suffix}", ct.hu, ct)
    values, places = read(tmp_path / f"v{suffix}")
    np.testing.assert_allclose(places, world, atol=1e-3)
    measured = values > -1500
    off = np.abs(values[measured] - ramp(places[measured]))
    assert off.max() < 1.6  # half a HU of rounding, and less than a hundredth of a millimetre
    clear = measured & (np.abs(ramp(world) - level) > 2)
    np.testing.assert_array_equal(marked[clear] > 0, ramp(world)[clear] > level)
    assert 0.2 < marked.mean() < 0.6
