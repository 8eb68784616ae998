"""A DICOM folder opens with every voxel at its place, or is refused in words."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from napari_vaemed.data.progress import finish
from napari_vaemed.io.ct import CTError, read_ct
from napari_vaemed.io.dicom import read_dicom
from napari_vaemed.io.series import holds_dicom

ORIGIN, SPACING = (-40.0, 30.5, -120.0), (2.5, 0.8, 0.7)


def read(folder, **choice):
    return finish(read_dicom(folder, **choice))


def right_handed_codes():
    for letters in itertools.permutations(("LR", "PA", "SI")):
        for code in itertools.product(*letters):
            image = sitk.DICOMOrient(sitk.Image(2, 2, 2, sitk.sitkInt16), "".join(code))
            if np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) > 0:
                yield "".join(code)


def itk_image(hu):
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(SPACING[::-1])
    image.SetOrigin(ORIGIN)
    return image


def test_slices_are_ordered_by_position_whatever_their_names(tmp_path, hu, write_series):
    write_series(tmp_path / "deep" / "er", hu)
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.hu, hu)
    np.testing.assert_allclose(volume.spacing, SPACING)
    np.testing.assert_allclose(volume.origin, ORIGIN)
    np.testing.assert_array_equal(volume.direction, np.eye(3))
    assert (volume.stored_axes, volume.notes, volume.padding) == ("LPS", (), None)
    assert (volume.description, volume.patient) == ("CT chest", "case-17")


def test_files_without_suffix_open_and_other_files_are_passed_over(tmp_path, hu, write_series):
    write_series(tmp_path, hu, name=lambda k: f"{900 - k}")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.dcm").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "empty.dcm").write_bytes(b"")
    np.testing.assert_array_equal(read(tmp_path).hu, hu)


def test_every_right_angled_orientation_lands_on_the_same_voxels(tmp_path, hu, write_series):
    image = itk_image(hu)
    codes = list(right_handed_codes())
    assert len(codes) == 24
    for code in codes:
        turned = sitk.DICOMOrient(image, code)
        write_series(
            tmp_path / code,
            sitk.GetArrayFromImage(turned),
            spacing=turned.GetSpacing()[::-1],
            origin=turned.GetOrigin(),
            direction=np.reshape(turned.GetDirection(), (3, 3)),
        )
        volume = read(tmp_path / code)
        assert volume.stored_axes == code
        np.testing.assert_array_equal(volume.hu, hu)
        truth = image.TransformContinuousIndexToPhysicalPoint((3.0, 5.5, 7.25))
        np.testing.assert_allclose(volume.to_world((7.25, 5.5, 3.0)), truth, atol=1e-6)


def test_of_several_series_the_largest_ct_is_taken_and_the_others_named(tmp_path, hu, write_series):
    write_series(tmp_path / "a", hu[:4], SeriesDescription="Lung thin")
    write_series(tmp_path / "b", hu, SeriesDescription="Soft")
    write_series(tmp_path / "b", np.tile(hu, (3, 1, 1)), Modality="MR", name=lambda k: f"mr{k}")
    wide = np.zeros((1, 400, 400), np.int16)
    write_series(tmp_path / "c", wide, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.hu, hu)
    told = " ".join(volume.notes)
    for words in ("“Soft”, 9 slices", "“Lung thin”, 4 slices", "MR “Thorax 2.5”, 27 slices"):
        assert words in told
    assert "1 scout" in told


def test_one_file_opens_the_series_it_belongs_to(tmp_path, hu, write_series):
    write_series(tmp_path, hu)
    few = write_series(tmp_path, hu[2:6], name=lambda k: f"few{k}.dcm")
    np.testing.assert_array_equal(finish(read_ct(few[1])).hu, hu[2:6])


def test_missing_slices_are_told(tmp_path, hu, write_series):
    write_series(tmp_path, hu, leave_out=(2, 3))
    assert "2 slices are missing" in read(tmp_path).notes[0]
    assert "2.5 mm" in read(tmp_path).notes[0]


def test_every_second_slice_is_a_wider_spacing(tmp_path, hu, write_series):
    write_series(tmp_path, hu, leave_out=(1, 3, 5, 7))  # nobody can tell it from a gap
    volume = read(tmp_path)
    assert volume.spacing[0] == pytest.approx(5.0)
    assert volume.notes == ("Only 5 slices: no whole chest.",)


def test_repeated_slices_are_dropped(tmp_path, hu, write_series):
    uid = generate_uid()
    write_series(tmp_path, hu, uid=uid)
    write_series(tmp_path, hu, uid=uid, leave_out=(0, 1, 2, 3, 5, 7, 8), name=lambda k: f"again{k}")
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.hu, hu)
    assert volume.notes == ("2 slices lie at a place already taken and were left out.",)


def test_of_two_acquisitions_at_the_same_places_one_is_taken_whole(tmp_path, hu, write_series):
    uid = generate_uid()
    write_series(tmp_path, hu, uid=uid, AcquisitionNumber=2)
    write_series(tmp_path, hu[:6] - 50, uid=uid, AcquisitionNumber=1, name=lambda k: f"first{k}")
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.hu, hu)
    assert "taken: acquisition 2" in volume.notes[0]


def test_positions_rounded_by_the_scanner_are_no_gap(tmp_path, write_series):
    ramp = np.arange(40, dtype=np.int16)[:, None, None] + np.zeros((40, 4, 4), np.int16)
    rounded = [round(0.625 * k, 1) - 0.625 * k for k in range(40)]
    write_series(
        tmp_path, ramp, spacing=(0.625, 1, 1), shift=lambda k: np.array([0, 0, rounded[k]])
    )
    volume = read(tmp_path)
    assert volume.spacing[0] == pytest.approx(0.625, abs=0.003)
    np.testing.assert_array_equal(volume.hu, ramp)


def test_each_slice_has_its_own_slope_and_intercept(tmp_path, write_series):
    even = (np.random.default_rng(0).integers(-500, 900, (6, 7, 8)) * 2).astype(np.int16)
    slopes, intercepts = [1, 2, 0.5, 1, 2, 0.25], [-1024, -1000, -2000, 0, -1024, -1024]
    write_series(tmp_path, even, slope=slopes, intercept=intercepts)
    np.testing.assert_array_equal(read(tmp_path).hu, even)


def test_unused_high_bits_are_not_part_of_the_value(tmp_path, hu, write_series):
    for path in write_series(tmp_path, hu, BitsStored=12, HighBit=11):
        file = pydicom.dcmread(path)
        pixels = np.frombuffer(file.PixelData, "<u2") | 0x8000  # an overlay lives there
        file.PixelData = pixels.tobytes()
        file.save_as(path)
    np.testing.assert_array_equal(read(tmp_path).hu, hu)


@pytest.mark.parametrize(
    ("constant", "named", "padding"),
    [
        (-2048, None, -2048),
        (-3024, -2000, -3024),
        (-1024, None, None),
    ],
)
def test_padding_outside_the_field_of_view_is_known(
    tmp_path, hu, write_series, constant, named, padding
):
    framed = hu.copy()
    framed[:, :2] = constant
    tags = {} if named is None else {"PixelPaddingValue": named}
    write_series(tmp_path, framed, **tags)
    volume = read(tmp_path)
    assert volume.padding == padding
    assert volume.measured_range() == ((hu[:, 2:].min() if padding else -1024), hu[:, 2:].max())


def test_a_padding_tag_that_would_hide_tissue_is_not_believed(tmp_path, hu, write_series):
    write_series(tmp_path, hu, PixelPaddingValue=1024)  # 0 HU
    assert read(tmp_path).padding is None


def test_one_slice_takes_its_thickness_for_spacing(tmp_path, hu, write_series):
    write_series(tmp_path, hu[:1])
    volume = read(tmp_path)
    assert volume.spacing[0] == 2.5
    assert "single slice" in volume.notes[0]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"Modality": "MR"}, "Wanted a CT .*MR “Thorax 2.5”, 4 slices: This is an MR scan"),
        ({"NumberOfFrames": 4}, "multi-frame"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "perpendicular"),
        ({"PixelSpacing": [0, 0]}, "must be 0.01 to 50 mm"),
        ({"PixelSpacing": None}, "do not say where they lie"),
        ({"ImagePositionPatient": None}, "do not say where they lie"),
    ],
)
def test_what_is_no_classic_ct_is_refused_in_words(tmp_path, hu, write_series, tags, words):
    write_series(tmp_path, hu[:4], **tags)
    with pytest.raises(CTError, match=words):
        read(tmp_path)


def test_a_truncated_slice_is_named(tmp_path, hu, write_series):
    path = write_series(tmp_path, hu)[3]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CTError, match=path.name):
        read(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 200)
    assert not holds_dicom(tmp_path)
    with pytest.raises(CTError, match="none of the 1 files"):
        read(tmp_path)


def test_nothing_a_person_reads_names_the_patient(tmp_path, hu, write_series):
    write_series(tmp_path, hu, leave_out=(3,))
    write_series(tmp_path, hu[:3], name=lambda k: f"x{k}")
    volume = read(tmp_path)
    told = volume.description + " ".join(volume.notes)
    assert not any(word in told for word in ("Murnau", "Friedrich", "1888", "case-17"))


def test_progress_counts_files_and_slices(tmp_path, hu, write_series):
    write_series(tmp_path, hu)
    steps = list(read_dicom(tmp_path))
    assert [s.done for s in steps if s.doing == "Reading slices"] == list(range(10))
    assert {s.total for s in steps} == {9}


def test_stopping_half_way_leaves_no_thread(tmp_path, hu, write_series):
    write_series(tmp_path, hu)
    before = threading.active_count()
    work = read_dicom(tmp_path)
    while next(work).doing != "Reading slices":
        pass
    work.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "name",
    [
        "lidc_scans/LIDC-IDRI-0001",
        "covid_ct_md/covid-P002",
        "covid_ct_md/cap-cap002",
        "covid_ct_md/normal-normal001",
        "small_ct/cip_ct64_dicom",
    ],
)
def test_real_scans_read_as_simpleitk_reads_them(real_data, name):
    folder = real_data / name
    if not folder.is_dir():
        pytest.skip(f"no {name} beside this checkout")
    reader = sitk.ImageSeriesReader()
    within = next(p for p in sorted(folder.rglob("*.dcm"))).parent
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(within)))
    sitk.ProcessObject.GlobalWarningDisplayOff()
    image = reader.Execute()
    volume = read(folder)
    assert np.array_equal(volume.hu, sitk.GetArrayViewFromImage(image))
    np.testing.assert_allclose(volume.spacing[::-1], image.GetSpacing(), atol=1e-4)
    np.testing.assert_allclose(volume.origin, image.GetOrigin(), atol=1e-4)
    assert volume.notes == ()
