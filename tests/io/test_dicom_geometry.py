"""Whatever way a scan was stored, each voxel lies where it was measured, to 0.01 mm."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from napari_vaemed.data.progress import finish
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.errors import CTError
from napari_vaemed.io.stored import to_stored_grid

SPACING = (2.5, 0.8, 0.7)


def turned(x=0.0, y=0.0, z=0.0):
    """Rotation by degrees about the patient's axes."""
    axes = np.eye(3)
    for axis, angle in enumerate(np.radians((x, y, z))):
        one, other = (n for n in range(3) if n != axis)
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        axes = turn @ axes
    return axes


ORIENTATIONS = {
    "axial head first": np.eye(3),
    "axial feet first": np.diag([-1.0, 1, -1]),
    "axial prone": np.diag([-1.0, -1, 1]),
    "reversed": np.diag([1.0, 1, -1]),
    "sagittal": np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "oblique 12°": turned(x=12),
    "doubly oblique": turned(x=12, y=-9, z=5),
    "oblique coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]) @ turned(x=12),
}
SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    RLELossless,
]


def read(folder):
    return finish(read_dicom(folder))


def assert_measured_where_it_says(volume, ramp):
    """One HU of the ramp is 0.01 mm; values are rounded to whole HU."""
    places = np.moveaxis(np.indices(volume.shape), 0, -1)
    truth = ramp(volume.to_world(places))
    measured = np.ones(volume.shape, bool) if volume.padding is None else volume.hu > volume.padding
    assert np.abs(volume.hu - truth)[measured].max() <= 1.01
    assert measured.any(axis=(1, 2)).all()


@pytest.mark.parametrize("axes", ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("spacing", [SPACING, (5.0, 0.5, 1.1)], ids=["usual", "anisotropic"])
def test_every_orientation_lands_where_it_was_measured(
    tmp_path, ramp, ramp_slices, write_series, axes, spacing
):
    slices = ramp_slices(spacing=spacing, direction=axes)
    write_series(tmp_path, slices, spacing=spacing, direction=axes)
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert volume.stored is None
    assert np.abs(np.diag(volume.direction)).min() > 0.9


@pytest.mark.parametrize("name", ["axial feet first", "sagittal", "coronal", "doubly oblique"])
def test_simpleitk_sees_the_same_places(tmp_path, ramp_slices, write_series, name):
    axes = ORIENTATIONS[name]
    write_series(tmp_path, ramp_slices(direction=axes), direction=axes)
    volume = read(tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    for index in [(0, 0, 0), (10, 3, 2), (4, 13, 8)]:
        voxel = volume.to_voxel(image.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose(voxel, np.rint(voxel), atol=1e-4)
        z, y, x = np.rint(voxel).astype(int)
        assert volume.hu[z, y, x] == image[index]


def leaning(axes, degrees, step=2.5):
    """Sideways shift of slice k along growing row index, as a tilted gantry makes it."""
    return lambda k: axes[:, 1] * k * step * np.tan(np.radians(degrees))


@pytest.mark.parametrize("degrees", [15.0, -15.0])
@pytest.mark.parametrize("axes", [np.eye(3), turned(x=15), np.diag([-1.0, 1, -1])])
def test_gantry_tilt_is_straightened(tmp_path, ramp, ramp_slices, write_series, axes, degrees):
    shift = leaning(axes, degrees)
    write_series(tmp_path, ramp_slices(direction=axes, shift=shift), direction=axes, shift=shift)
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert volume.intake.tilt_deg == pytest.approx(15, abs=1e-3)
    assert "tilted by 15.0°" in " ".join(volume.notes)
    assert volume.padding == -2048


def test_unevenly_spaced_slices_are_resampled(tmp_path, ramp, ramp_slices, write_series):
    def shift(k):
        return np.array([0, 0, 0.9 * max(0, k - 4) + 0.3 * (k == 2)])

    write_series(tmp_path, ramp_slices(shift=shift), shift=shift)
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert "unevenly spaced (2.2 to 3.4 mm apart)" in volume.notes[0]
    assert volume.intake.uneven
    assert volume.intake.resampled


@pytest.mark.parametrize("gone", [(4,), (2, 3), (1, 2, 4)])
def test_missing_slices_are_filled_at_their_places(tmp_path, ramp, ramp_slices, write_series, gone):
    write_series(tmp_path, ramp_slices(), leave_out=gone)
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert volume.spacing[0] == pytest.approx(2.5)
    assert volume.intake.missing == len(gone)
    assert [not uid for uid in volume.source.instance_uids] == [k in gone for k in range(9)]


def test_two_slices_stored_twice_and_two_series_in_one_folder(
    tmp_path, ramp, ramp_slices, write_series
):
    slices, uid = ramp_slices(), generate_uid()
    write_series(tmp_path, slices, uid=uid)
    write_series(tmp_path, slices, uid=uid, leave_out=(0, 1, 2, 4, 5, 6, 8), name=lambda k: f"{k}a")
    write_series(tmp_path, slices[:5] - 300, name=lambda k: f"{k}b", SeriesDescription="other")
    volume = read(tmp_path)
    assert volume.shape == (9, 14, 11)
    assert_measured_where_it_says(volume, ramp)
    assert volume.intake.repeated == 2
    assert volume.intake.left_out == ("CT “other”, 5 slices",)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
@pytest.mark.parametrize("bits", ["12 unsigned", "16 signed"])
def test_every_compression_gives_the_same_voxels(tmp_path, hu, write_series, syntax, bits):
    if bits == "12 unsigned":
        write_series(tmp_path, hu, syntax=syntax, BitsStored=12, HighBit=11)
    else:
        write_series(tmp_path, hu, syntax=syntax, intercept=0.0)
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.hu, hu)
    assert volume.intake.stored_bits.startswith(bits[:2])


@pytest.mark.parametrize("syntax", [None, *SYNTAXES], ids=lambda uid: uid.name if uid else "plain")
def test_enhanced_ct_has_its_frames_in_order(tmp_path, ramp, ramp_slices, write_enhanced, syntax):
    axes = turned(x=12)
    order = (3, 0, 8, 1, 2, 7, 5, 4, 6)
    slices = ramp_slices(direction=axes)
    write_enhanced(tmp_path / "all.dcm", slices, direction=axes, order=order, syntax=syntax)
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert volume.shape == (9, 14, 11)


def test_enhanced_ct_has_a_scale_for_each_frame(tmp_path, ramp, ramp_slices, write_enhanced):
    intercepts = [-1024.0 - 10 * k for k in range(9)]
    write_enhanced(tmp_path / "all.dcm", ramp_slices(), intercept=intercepts)
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert len(volume.intake.scale) == 9


def test_enhanced_ct_agrees_with_simpleitk(tmp_path, ramp_slices, write_enhanced):
    path = write_enhanced(tmp_path / "all.dcm", ramp_slices())
    image = sitk.ReadImage(str(path))
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.hu, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.origin, image.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(volume.spacing[::-1], image.GetSpacing(), atol=1e-6)


@pytest.mark.parametrize("what", ["tilt", "uneven", "tilt and missing", "as stored", "missing"])
def test_a_mask_returns_to_the_stored_slices(tmp_path, ramp_slices, write_series, what):
    gone = (3,) if "missing" in what else ()
    lean = leaning(np.eye(3), 15)

    def shift(k):
        if what == "uneven":
            return np.array([0, 0, 0.9 * max(0, k - 4)])
        return lean(k) if "tilt" in what else np.zeros(3)

    slices = ramp_slices((9, 40, 30), shift=shift)
    write_series(tmp_path, slices, shift=shift, leave_out=gone)
    volume = read(tmp_path)
    level = float(np.median(slices))
    returned = to_stored_grid(volume.hu > level, volume)
    kept = [k for k in range(9) if k not in gone]
    if what == "missing":  # its grid is the volume's: a plane for the missing slice too
        returned = returned[kept]
    assert returned.shape == (len(kept), 40, 30)
    truth = slices[kept] > level
    assert (returned == truth).mean() > (0.97 if volume.stored is not None else 1 - 1e-9)
    if volume.stored is not None:
        assert 2 * (returned & truth).sum() / (returned.sum() + truth.sum()) > 0.96


def test_slices_shifted_without_order_are_refused(tmp_path, hu, write_series):
    write_series(tmp_path, hu, shift=lambda k: np.array([0, 9.0 * (k % 3), 0]))
    with pytest.raises(CTError, match="two scans in one series"):
        read(tmp_path)


def test_two_stretches_far_apart_are_refused(tmp_path, hu, write_series):
    write_series(tmp_path, hu, shift=lambda k: np.array([0, 0, 300.0 * (k > 4)]))
    with pytest.raises(CTError, match="too much of the scan is missing"):
        read(tmp_path)


def test_of_mixed_orientations_the_largest_stack_is_taken(
    tmp_path, ramp, ramp_slices, write_series
):
    uid = generate_uid()
    write_series(tmp_path, ramp_slices(), uid=uid)
    axes = ORIENTATIONS["coronal"]
    write_series(
        tmp_path, ramp_slices((4, 14, 11), direction=axes), uid=uid, direction=axes,
        name=lambda k: f"cor{k}",
    )  # fmt: skip
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert volume.intake.left_out == ("CT “Thorax 2.5”, 4 slices",)


def test_thick_slices_between_thin_ones_are_left_out(tmp_path, ramp, ramp_slices, write_series):
    uid = generate_uid()
    write_series(tmp_path, ramp_slices(), uid=uid)
    write_series(
        tmp_path, ramp_slices((4, 14, 11)) - 200, uid=uid, SliceThickness=5.0,
        shift=lambda k: np.array([0, 0, 1.1 + 2.5 * k]), name=lambda k: f"thick{k}",
    )  # fmt: skip
    volume = read(tmp_path)
    assert_measured_where_it_says(volume, ramp)
    assert volume.intake.others == 4
    assert "thickness 2.5 mm" in volume.notes[0]


def test_rotations_numbered_one_by_one_all_stay(tmp_path, hu, write_series):
    uid = generate_uid()
    for k in range(9):
        others = tuple(n for n in range(9) if n != k)
        write_series(tmp_path, hu, uid=uid, leave_out=others, AcquisitionNumber=k + 1)
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.hu, hu)
    assert volume.notes == ()


def test_a_white_on_black_ct_keeps_its_values(tmp_path, hu, write_series):
    write_series(tmp_path, hu, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read(tmp_path).hu, hu)
