"""napari saves layers on the grid of the file their CT came from."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.source import DicomSource
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom_seg import read_segmentation
from napari_vaemed.io.tables import read_points
from napari_vaemed.plugin.cases import Finding
from napari_vaemed.plugin.layers import labels_to_layer, layer_to_volume, volume_to_layer
from napari_vaemed.plugin.masks import mask_layer
from napari_vaemed.plugin.writers import CannotSave, write_labels
from napari_vaemed.segmentation.measure import measure_nodule

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


@pytest.fixture
def oblique_dicom():
    """An oblique CT from DICOM, which napari shows straightened."""
    a, shape = np.radians(12), (6, 30, 40)
    turned = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    uids = tuple(f"1.2.3.6.{k}" for k in range(shape[0]))
    source = DicomSource("1.2.3.4", "1.2.3.5", "1.2.840.10008.5.1.4.1.1.2", uids, (0,) * len(uids))
    hu = np.random.default_rng(2).integers(-1000, 400, shape).astype(np.int16)
    origin = (-40.0, 30.0, -120.0)
    return Volume(hu, (2.5, 0.8, 0.7), origin, turned, series_uid="1.2.3.7", source=source)


def marked_mm(path):
    """LPS mm of the marked voxels, as nibabel sees the file."""
    mask = nib.load(path)
    index = np.argwhere(np.asarray(mask.dataobj) > 0)
    ras = index @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    return {tuple(p) for p in np.round(ras * (-1, -1, 1), 2) + 0.0}


def test_a_layer_drawn_afresh_on_an_oblique_ct_goes_back_to_its_slant(
    window, tmp_path, oblique_dicom
):
    ct = window.add(volume_to_layer(oblique_dicom))
    mask = oblique_dicom.hu > 200
    fresh = window.viewer.add_labels(mask.astype(int), scale=ct.scale, translate=ct.translate)
    (written,) = fresh.save(str(tmp_path / "m.nii.gz"), plugin="napari-vaemed")
    expected = oblique_dicom.to_world(np.argwhere(mask))
    assert marked_mm(written) == {tuple(p) for p in np.round(expected, 2) + 0.0}
    (written,) = fresh.save(str(tmp_path / "m.dcm"), plugin="napari-vaemed")
    (found,) = read_segmentation(written, oblique_dicom)
    np.testing.assert_array_equal(found.labels > 0, mask)
    assert found.columns["name"] == ["Label 1"]


def test_points_are_saved_in_the_patient_s_millimetres(window, tmp_path, oblique_dicom):
    window.add(volume_to_layer(oblique_dicom))
    layer = window.viewer.layers[0]
    voxels = np.array([[1, 2, 3], [4.5, 20, 30]])
    drawn = window.viewer.add_points(
        voxels, scale=layer.scale, translate=layer.translate, features={"who": ["a", "b"]}
    )
    (written,) = drawn.save(str(tmp_path / "p.csv"), plugin="napari-vaemed")
    table = read_points(written)
    np.testing.assert_allclose(table.positions_mm, oblique_dicom.to_world(voxels), atol=1e-3)
    assert set(table.series_uids) == {"1.2.3.7"}
    assert table.columns == {"who": ["a", "b"]}


def test_a_finding_is_saved_on_the_whole_grid_under_its_own_name(window, tmp_path, oblique_dicom):
    from napari_vaemed.workflow.examine import Marked

    window.add(volume_to_layer(oblique_dicom))
    inside = np.zeros(oblique_dicom.shape, bool)
    inside[2:4, 10:15, 20:26] = True
    mask = NoduleMask.of(inside)
    marked = Marked((2.0, 12.0, 22.0), mask, measure_nodule(oblique_dicom, mask))
    layer = mask_layer(window.case, Finding(3, marked), outlined=False)
    data, attributes, _ = layer.as_layer_data_tuple()
    write_labels(str(tmp_path / "f.dcm"), data, attributes)
    (found,) = read_segmentation(tmp_path / "f.dcm", oblique_dicom)
    np.testing.assert_array_equal(found.labels > 0, inside)
    assert (found.name, found.columns["type"]) == ("Finding 3", ["Nodule"])
    write_labels(str(tmp_path / "f.nii.gz"), data, attributes)
    expected = oblique_dicom.to_world(np.argwhere(inside))
    assert marked_mm(tmp_path / "f.nii.gz") == {tuple(p) for p in np.round(expected, 2) + 0.0}


def test_a_ct_from_no_dicom_has_no_dicom_segmentation(viewer, tmp_path, turned_ct):
    (ct,) = viewer.open(turned_ct, plugin="napari-vaemed")
    data, attributes, _ = labels_to_layer(ct.data > 0, layer_to_volume(ct), "Nodule")
    with pytest.raises(CannotSave, match="came from none"):
        viewer.add_labels(data, **attributes).save(str(tmp_path / "m.dcm"), plugin="napari-vaemed")
    flat = viewer.add_points(np.zeros((2, 2)))
    with pytest.raises(CannotSave, match="three axes"):
        flat.save(str(tmp_path / "p.csv"), plugin="napari-vaemed")
