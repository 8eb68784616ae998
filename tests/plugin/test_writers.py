"""napari saves layers on the grid of the file their CT came from."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.plugin.layers import labels_to_layer, layer_to_volume
from napari_vaemed.plugin.writers import CannotSave

HU = np.random.default_rng(1).integers(-1000, 400, (5, 6, 7)).astype(np.int16)


@pytest.fixture
def turned_ct(tmp_path):
    """A CT stored along other axes than napari shows it."""
    image = sitk.GetImageFromArray(HU)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-40, 30, -120))
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.DICOMOrient(image, "RAI"), str(path))
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_labels_on_a_ct_are_saved_on_the_file_s_voxels(viewer, tmp_path, turned_ct, suffix):
    (ct,) = viewer.open(turned_ct, plugin="napari-vaemed")
    np.testing.assert_array_equal(ct.data, HU)
    data, attributes, _ = labels_to_layer(ct.data > 0, layer_to_volume(ct), "Nodule")
    layer = viewer.add_labels(data, **attributes)
    (written,) = layer.save(str(tmp_path / f"m{suffix}"), plugin="napari-vaemed")
    before, after = sitk.ReadImage(str(turned_ct)), sitk.ReadImage(written)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(after), sitk.GetArrayFromImage(before) > 0)
    for grid in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(after, grid)(), getattr(before, grid)(), atol=1e-5)


def test_a_fresh_labels_layer_is_saved_at_its_place(viewer, tmp_path, turned_ct):
    (ct,) = viewer.open(turned_ct, plugin="napari-vaemed")
    fresh = viewer.add_labels((ct.data > 0).astype(int), scale=ct.scale, translate=ct.translate)
    (written,) = fresh.save(str(tmp_path / "m.nii.gz"), plugin="napari-vaemed")
    mask, file = nib.load(written), nib.load(turned_ct)
    there = np.linalg.inv(file.affine) @ mask.affine
    index = np.argwhere(np.asarray(mask.dataobj) == 1)
    on_file = np.rint(index @ there[:3, :3].T + there[:3, 3]).astype(int)
    assert len(index) == (HU > 0).sum()
    assert (np.asarray(file.dataobj)[tuple(on_file.T)] > 0).all()


def test_an_image_is_saved_in_hu(viewer, tmp_path, turned_ct):
    (ct,) = viewer.open(turned_ct, plugin="napari-vaemed")
    ct.data = ct.data.astype(np.float32) + 0.4
    (written,) = ct.save(str(tmp_path / "out.nrrd"), plugin="napari-vaemed")
    before = sitk.GetArrayFromImage(sitk.ReadImage(str(turned_ct)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(written)), before)


def test_what_cannot_be_saved_is_said(viewer, tmp_path):
    flat = viewer.add_labels(np.ones((4, 5), int))
    holed = viewer.add_image(np.full((2, 3, 4), np.nan), contrast_limits=(0, 1))
    for layer, words in ((flat, "2 axes"), (holed, "not numbers")):
        with pytest.raises(CannotSave, match=words):
            layer.save(str(tmp_path / "m.nrrd"), plugin="napari-vaemed")
