"""Volume files open on the right voxels, and masks go back on the file's own grid."""

from __future__ import annotations

import itertools
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.volume import Volume
from napari_vaemed.io.ct import CTError, NotHounsfieldError
from napari_vaemed.io.orientation import from_canonical, orientation_code, to_canonical
from napari_vaemed.io.volumes import (
    check_writable,
    labels_on_scan,
    read_labels,
    read_mask,
    read_volume,
    write_mask,
    write_volume,
)

CODES = [
    "".join(code)
    for letters in itertools.permutations(("LR", "PA", "SI"))
    for code in itertools.product(*letters)
]
FORMATS = (".nii.gz", ".nrrd", ".mha")


@pytest.fixture(scope="module")
def oblique(hu):
    """A CT turned by 10° about z and 7° about x, as ITK's image."""
    a, b = np.radians(10), np.radians(7)
    about_z = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-40.25, 30.5, -120.75))
    image.SetDirection((np.array(about_z) @ about_x).ravel().tolist())
    return image


def saved(image, path):
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_all_48_orientations_open_on_the_same_voxels_and_save_on_their_own_grid(
    tmp_path, hu, oblique, suffix
):
    truth = oblique.TransformContinuousIndexToPhysicalPoint((3.0, 5.5, 7.25))
    for code in CODES:
        path = saved(sitk.DICOMOrient(oblique, code), tmp_path / f"{code}{suffix}")
        volume = read_volume(path)
        assert volume.stored_axes == code
        np.testing.assert_array_equal(volume.hu, hu)
        np.testing.assert_allclose(volume.to_world((7.25, 5.5, 3.0)), truth, atol=1e-4)
        back = tmp_path / f"back{suffix}"
        write_volume(back, volume.hu, volume)
        before, after = sitk.ReadImage(str(path)), sitk.ReadImage(str(back))
        np.testing.assert_array_equal(*map(sitk.GetArrayViewFromImage, (before, after)))
        for grid in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(after, grid)(), getattr(before, grid)(), atol=1e-5)


@pytest.mark.parametrize("code", ["LPS", "RAS", "RAI", "PSL", "SAR"])
def test_a_mask_lies_where_nibabel_says_the_ct_lies(tmp_path, hu, oblique, code):
    path = saved(sitk.DICOMOrient(oblique, code), tmp_path / "ct.nii.gz")
    volume = read_volume(path)
    write_mask(tmp_path / "mask.nii.gz", volume.hu > 100, volume)
    ct, mask = nib.load(path), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(mask.affine, ct.affine, atol=1e-4)
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(mask.dataobj) == 1, np.asarray(ct.dataobj) > 100)


def test_turning_axes_there_and_back_changes_nothing(hu):
    for code in CODES:
        stored = from_canonical(hu, code)
        np.testing.assert_array_equal(to_canonical(stored, code), hu)
        itk = sitk.DICOMOrient(sitk.GetImageFromArray(hu), code)
        np.testing.assert_array_equal(stored, sitk.GetArrayViewFromImage(itk))
        assert orientation_code(np.reshape(itk.GetDirection(), (3, 3))) == code


@pytest.mark.parametrize("suffix", [*FORMATS, ".nii"])
def test_a_mask_comes_back_as_it_was_written(tmp_path, hu, oblique, suffix):
    volume = read_volume(saved(sitk.DICOMOrient(oblique, "SAR"), tmp_path / "ct.nrrd"))
    labels = np.zeros(hu.shape, np.int32)
    labels[2:5, 3:9, 1:4], labels[6, 6, 6] = 3, 300
    write_mask(tmp_path / f"m{suffix}", labels, volume)
    np.testing.assert_array_equal(read_mask(tmp_path / f"m{suffix}", volume), labels)


def test_a_mask_on_another_grid_is_refused(tmp_path, hu):
    ct = Volume(hu, (2.5, 0.8, 0.7), (-40, 30, -120))
    for other in (
        Volume(hu, (2.0, 0.8, 0.7), (-40, 30, -120)),
        Volume(hu, (2.5, 0.8, 0.7), (-40, 31, -120)),
        Volume(hu[1:], (2.5, 0.8, 0.7), (-40, 30, -120)),
    ):
        write_mask(tmp_path / "m.nrrd", other.hu > 0, other)
        with pytest.raises(CTError, match="another grid than the CT"):
            read_mask(tmp_path / "m.nrrd", ct)


def test_mhd_with_its_raw_file_and_a_scaled_nifti_open(tmp_path, hu):
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(tmp_path / "ct.mhd"))
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.mhd").hu, hu)
    scaled = nib.Nifti1Image((hu.T + 1024).astype(np.uint16), np.diag([-0.7, -0.8, 2.5, 1]))
    scaled.header.set_slope_inter(1, -1024)
    nib.save(scaled, tmp_path / "ct.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.nii").hu, hu)


def test_a_fourth_axis_of_length_one_is_dropped(tmp_path, hu):
    nib.save(nib.Nifti1Image(hu.T[..., None], np.diag([-1, -1, 1, 1])), tmp_path / "ct.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.nii").hu, hu)


def test_fractions_are_rounded_and_said(tmp_path, hu):
    sitk.WriteImage(sitk.GetImageFromArray(hu + np.float32(0.3)), str(tmp_path / "ct.mha"))
    volume = read_volume(tmp_path / "ct.mha")
    np.testing.assert_array_equal(volume.hu, hu)
    assert volume.notes[-1] == "Fractions of a HU were rounded."


def test_a_file_without_spacing_says_so(tmp_path, hu):
    image = sitk.GetImageFromArray(hu)
    sitk.WriteImage(image, str(tmp_path / "bare.mha"))
    assert "rest on 1 mm voxels" in read_volume(tmp_path / "bare.mha").notes[0]
    image.SetSpacing((0.7, 0.8, 2.5))
    sitk.WriteImage(image, str(tmp_path / "ct.mha"))
    assert read_volume(tmp_path / "ct.mha").notes == ()


def test_padding_of_a_volume_file_is_known(tmp_path, hu):
    framed = hu.copy()
    framed[:, 0] = -3024
    sitk.WriteImage(sitk.GetImageFromArray(framed), str(tmp_path / "ct.mha"))
    assert read_volume(tmp_path / "ct.mha").padding == -3024


def four_volumes(path, hu):
    nib.save(nib.Nifti1Image(np.stack([hu] * 4, -1), np.eye(4)), path)


def one_slice(path, hu):
    sitk.WriteImage(sitk.GetImageFromArray(hu[0]), str(path))


def colours(path, hu):
    rgb = np.repeat(hu[..., None], 3, -1).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(rgb, isVector=True), str(path))


def not_numbers(path, hu):
    holed = hu.astype(np.float32)
    holed[2, 3, 4] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(holed), str(path))


def beyond_hounsfield(path, hu):
    sitk.WriteImage(sitk.GetImageFromArray(hu.astype(np.int32) * 100), str(path))


def one_value(path, hu):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros_like(hu)), str(path))


def sheared(path, hu):
    shear = np.eye(4)
    shear[0, 1] = 0.4
    image = nib.Nifti1Image(hu, shear)
    image.set_qform(None)
    nib.save(image, path)


def truncated(path, hu):
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(path))
    path.write_bytes(path.read_bytes()[:-200])


def text(path, hu):
    path.write_text("this is a letter, no scan")


@pytest.mark.parametrize(
    ("make", "suffix", "words"),
    [
        (four_volumes, ".nii.gz", r"4 axes .* Save one volume a file"),
        (one_slice, ".mha", "2 axes"),
        (colours, ".nrrd", "3 numbers a voxel"),
        (not_numbers, ".mha", "1 voxels that are not numbers"),
        (beyond_hounsfield, ".nrrd", "beyond any CT's"),
        (one_value, ".mha", "Every voxel .* is 0"),
        (sheared, ".nii", "cannot be read: its axes are not perpendicular"),
        (truncated, ".mha", "cannot be read"),
        (text, ".nii.gz", "cannot be read"),
        (text, ".nrrd", "cannot be read"),
        (text, ".docx", r"is none of \.nii"),
    ],
)
def test_what_is_no_ct_is_refused_in_one_line(tmp_path, hu, make, suffix, words, capfd):
    path = tmp_path / f"x{suffix}"
    make(path, hu)
    with pytest.raises(CTError, match=words) as told:
        read_volume(path)
    assert "\n" not in str(told.value)
    assert "WARNING" not in capfd.readouterr().err


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_volume(tmp_path / "ct.nii.gz")


def test_labels_and_scaled_images_are_told_from_hounsfield_units(tmp_path, hu):
    labels = (hu > 0).astype(np.uint8) * 3
    sitk.WriteImage(sitk.GetImageFromArray(labels), str(tmp_path / "m.nrrd"))
    with pytest.raises(NotHounsfieldError, match="holds labels"):
        read_volume(tmp_path / "m.nrrd")
    np.testing.assert_array_equal(read_labels(tmp_path / "m.nrrd").hu, labels)
    scaled = (hu - hu.min()) / np.ptp(hu)
    sitk.WriteImage(sitk.GetImageFromArray(scaled), str(tmp_path / "s.nrrd"))
    for read, error in ((read_volume, NotHounsfieldError), (read_labels, CTError)):
        with pytest.raises(error):
            read(tmp_path / "s.nrrd")


def test_writing_refuses_the_wrong_shape_ending_folder_and_sign(tmp_path, hu):
    ct = Volume(hu, (1, 1, 1))
    with pytest.raises(ValueError, match="has shape"):
        write_mask(tmp_path / "m.nrrd", hu[1:] > 0, ct)
    with pytest.raises(ValueError, match="has shape"):
        write_volume(tmp_path / "m.nrrd", hu[1:], ct)
    with pytest.raises(ValueError, match="does not end in"):
        write_mask(tmp_path / "m.tif", hu > 0, ct)
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_mask(tmp_path / "no" / "m.nrrd", hu > 0, ct)
    with pytest.raises(ValueError, match="at least 0"):
        write_mask(tmp_path / "m.nrrd", hu, ct)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_written_is_known_beforehand(tmp_path):
    check_writable(tmp_path / "Mask.NII.GZ")
    with pytest.raises(ValueError, match="does not end in"):
        check_writable(tmp_path / "mask.png")
    with pytest.raises(FileNotFoundError, match="no folder"):
        check_writable(tmp_path / "no" / "mask.nrrd")


def test_real_masks_lie_on_their_scan(real_data):
    folder = real_data / "small_ct"
    if not folder.is_dir():
        pytest.skip("no small_ct beside this checkout")
    from napari_vaemed.data.progress import finish
    from napari_vaemed.io.ct import read_ct

    ct = finish(read_ct(folder / "cip_ct64_dicom"))
    lungs = read_mask(folder / "wholeLung-64.nrrd", ct) > 0
    assert -950 < np.median(ct.hu[lungs]) < -750


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".mhd"])
def test_a_file_that_promises_more_than_it_holds_is_refused_at_once(tmp_path, hu, suffix):
    path = tmp_path / f"x{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(path))
    head = path.read_bytes()
    if suffix == ".nii":
        head = head[:42] + np.array([11, 14, 30000], "<i2").tobytes() + head[48:]
    else:
        head = head.replace(b"11 14 9", b"11000 14000 9000")
    path.write_bytes(head)
    with pytest.raises(CTError, match=r"promises .* GB of voxels"):
        read_volume(path)


def test_the_report_says_what_was_read(tmp_path, oblique):
    path = saved(sitk.DICOMOrient(oblique, "RAI"), tmp_path / "ct.nrrd")
    intake = read_volume(path).intake
    assert intake is not None
    assert (intake.format, intake.stored_axes, intake.axes) == ("NRRD", "RAI", "LPS")
    assert intake.slices == 9
    turned = np.degrees(np.arccos(np.cos(np.radians(10)) * np.cos(np.radians(7))))
    assert intake.oblique_deg == pytest.approx(turned, abs=1e-3)
    assert intake.stored_bits == "int16"
    assert "stored grid" in intake.restores


def test_a_file_called_after_its_series_knows_it(tmp_path, hu):
    uid = "1.3.6.1.4.1.14519.5.2.1.6279.6001.105756658031515062000744821260"
    for name, expected in ((f"{uid}.mhd", uid), ("1.5 mm.mha", None), ("12.3.mha", None)):
        sitk.WriteImage(sitk.GetImageFromArray(hu), str(tmp_path / name))
        assert read_volume(tmp_path / name).series_uid == expected


def test_labels_of_another_grid_come_onto_the_scan(tmp_path, hu):
    ct = Volume(hu, (2.5, 0.8, 0.7), (-40, 30, -120))
    labels = np.zeros(hu.shape, np.uint8)
    labels[2:5, 3:9, 1:4], labels[6, 6, 6] = 3, 9
    write_mask(tmp_path / "m.nrrd", labels, ct)
    whole = labels_on_scan(read_labels(tmp_path / "m.nrrd"), ct)
    assert whole is not None
    np.testing.assert_array_equal(whole.labels, labels)
    crop = replace(ct, hu=hu[1:], origin=tuple(ct.to_world((1, 0, 0))))
    write_mask(tmp_path / "c.nrrd", labels[1:], crop)
    part = labels_on_scan(read_labels(tmp_path / "c.nrrd"), ct)
    assert part is not None
    np.testing.assert_array_equal(part.labels, labels)
    assert part.notes == ()
    coarse = replace(ct, hu=hu[:, ::2], spacing=(2.5, 1.6, 0.7))
    other = labels_on_scan(read_labels(tmp_path / "m.nrrd"), coarse)
    assert other is not None
    np.testing.assert_array_equal(other.labels, labels[:, ::2])
    assert "resampled to the CT" in other.notes[0]
    far = replace(ct, origin=(500.0, 0.0, 0.0))
    assert labels_on_scan(read_labels(tmp_path / "m.nrrd"), far) is None
    half = replace(ct, hu=hu[:4])
    cut = labels_on_scan(read_labels(tmp_path / "m.nrrd"), half)
    assert cut is not None
    assert "lies beside the CT" in cut.notes[-1]


def test_a_header_without_finite_places_is_refused(tmp_path, hu):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(path))
    data = bytearray(path.read_bytes())
    for at in (268, 292):  # qoffset_x, srow_x
        data[at : at + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with pytest.raises(CTError, match="does not say where its voxels lie"):
        read_volume(path)
