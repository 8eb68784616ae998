"""napari opens a CT through the plugin's reader."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.plugin.layers import layer_to_volume
from napari_vaemed.plugin.readers import get_reader, read_layers

HU = np.random.default_rng(1).integers(-1000, 400, (5, 6, 7)).astype(np.int16)


@pytest.fixture
def dicom_folder(tmp_path, write_dicom):
    return write_dicom(tmp_path / "Murnau" / "ct", HU)


def test_a_dicom_folder_opens_in_a_viewer(viewer, dicom_folder):
    (layer,) = viewer.open(dicom_folder, plugin="napari-vaemed")
    np.testing.assert_array_equal(layer.data, HU)
    np.testing.assert_allclose(layer.scale, (2.5, 0.8, 0.7))
    np.testing.assert_allclose(layer.translate, (-120, 30, -40))
    assert layer.name == "CT chest 2.5 mm"
    assert layer_to_volume(layer).description == "CT chest"


def test_a_zip_of_dicom_files_opens_in_a_viewer(viewer, dicom_folder, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "scan"), "zip", dicom_folder)
    (layer,) = viewer.open(archive, plugin="napari-vaemed")
    np.testing.assert_array_equal(layer.data, HU)


def test_other_archives_are_left_to_others(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("nothing")
    archive = shutil.make_archive(str(tmp_path / "notes"), "zip", tmp_path / "notes")
    assert get_reader(archive) is None
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    assert get_reader(str(tmp_path / "broken.zip")) is None


def test_all_slices_dropped_at_once_make_one_volume(viewer, dicom_folder):
    paths = sorted(str(p) for p in dicom_folder.iterdir())
    (layer,) = viewer.open(paths, stack=True, plugin="napari-vaemed")
    np.testing.assert_array_equal(layer.data, HU)


def test_no_layer_names_the_patient(dicom_folder):
    ((_, attributes, _),) = read_layers(str(dicom_folder))
    assert "Murnau" not in attributes["name"]
    told = {k: v for k, v in attributes["metadata"]["napari_vaemed"].items() if k != "volume"}
    assert "Murnau" not in str(told)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_volume_files_open_in_a_viewer(viewer, tmp_path, suffix):
    image = sitk.GetImageFromArray(HU)
    image.SetSpacing((0.7, 0.8, 2.5))
    path = tmp_path / f"Murnau{suffix}"
    sitk.WriteImage(image, str(path))
    (layer,) = viewer.open(path, plugin="napari-vaemed")
    np.testing.assert_array_equal(layer.data, HU)
    assert layer.name == "CT 2.5 mm"


def test_a_mask_file_opens_as_labels_at_its_place(viewer, tmp_path):
    mask = sitk.GetImageFromArray((HU > 0).astype(np.uint8))
    mask.SetOrigin((1, 2, 3))
    sitk.WriteImage(mask, str(tmp_path / "m.nii.gz"))
    (layer,) = viewer.open(tmp_path / "m.nii.gz", plugin="napari-vaemed")
    assert type(layer).__name__ == "Labels"
    np.testing.assert_array_equal(layer.data, HU > 0)
    np.testing.assert_allclose(layer.translate, (3, 2, 1))


def test_other_folders_and_files_are_left_to_others(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"\x89PNG" + b"\0" * 200)
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "photo.png")) is None


def test_an_image_scaled_to_one_is_refused_in_words(tmp_path):
    scaled = np.linspace(0, 1, HU.size).reshape(HU.shape)
    sitk.WriteImage(sitk.GetImageFromArray(scaled), str(tmp_path / "s.nrrd"))
    with pytest.raises(ValueError, match="Wanted Hounsfield units"):
        read_layers(str(tmp_path / "s.nrrd"))


def test_the_published_scan_opens_in_a_viewer(viewer, real_data):
    folder = real_data / "lidc_scans" / "LIDC-IDRI-0001"
    if not folder.is_dir():
        pytest.skip("no LIDC scan beside this checkout")
    (layer,) = viewer.open(folder, plugin="napari-vaemed")
    assert layer.data.shape == (133, 512, 512)
    assert layer.name == "CT chest 2.5 mm"
