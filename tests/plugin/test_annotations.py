"""Others' marks become layers on the CT they are about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from napari_vaemed.data.source import DicomSource
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.dicom_seg_writer import write_segmentation
from napari_vaemed.io.volumes import write_mask
from napari_vaemed.plugin.layers import volume_to_layer
from napari_vaemed.plugin.readers import get_reader, read_layers

UID = "1.3.6.1.4.1.14519.5.2.1.6279.6001.77"
SHAPE = (8, 30, 40)
HU = np.random.default_rng(1).integers(-1000, 400, SHAPE).astype(np.int16)
A = np.radians(12)
OBLIQUE = np.array([[np.cos(A), 0, np.sin(A)], [0, 1, 0], [-np.sin(A), 0, np.cos(A)]])


@pytest.fixture
def ct():
    """An oblique CT from DICOM, which napari shows straightened."""
    source = DicomSource(
        "1.2.3.4", "1.2.3.5", "1.2.840.10008.5.1.4.1.1.2",
        tuple(f"1.2.3.6.{k}" for k in range(SHAPE[0])), tuple([0] * SHAPE[0]),
    )  # fmt: skip
    return Volume(
        HU, (2.5, 0.8, 0.7), (-40.0, 30.0, -120.0), OBLIQUE, series_uid=UID, source=source
    )


@pytest.fixture
def shown(window, ct):
    """The window with the CT open."""
    window.add(volume_to_layer(ct))
    return window


def shown_voxels(layer, ct):
    """Where points of a layer lie, as voxels of the CT as napari shows it."""
    world = layer.data * layer.scale + layer.translate
    return (world - ct.origin[::-1]) / ct.spacing


def some_labels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:5, 4:20, 6:9], labels[6, 25:, 30:] = 1, 2
    return labels


def test_marks_land_on_the_open_ct_however_it_lies(shown, ct, tmp_path):
    voxels = np.array([[2, 10, 20], [5.5, 20, 3]])
    rows = [f"{UID},{x},{y},{z},{9 + n}" for n, (x, y, z) in enumerate(ct.to_world(voxels))]
    (tmp_path / "annotations.csv").write_text(
        "\n".join(["seriesuid,coordX,coordY,coordZ,diameter_mm", *rows])
    )
    (points,) = shown.viewer.open(tmp_path / "annotations.csv", plugin="napari-vaemed")
    np.testing.assert_allclose(shown_voxels(points, ct), voxels, atol=1e-4)
    np.testing.assert_allclose(points.size, [9, 10])
    assert list(points.features["diameter_mm"]) == [9, 10]
    write_segmentation(tmp_path / "seg.dcm", some_labels(), ct, {1: "Left lung"})
    (labels,) = shown.viewer.open(tmp_path / "seg.dcm", plugin="napari-vaemed")
    np.testing.assert_array_equal(labels.data, some_labels())
    np.testing.assert_allclose(labels.translate, shown.case.layer.translate)
    assert list(labels.features["name"]) == ["Left lung", "Label 2"]
    assert shown.case.volume is ct  # annotations are no CTs


def test_a_mask_of_another_grid_comes_onto_the_ct_and_it_is_said(shown, ct, tmp_path):
    from napari.utils.notifications import notification_manager

    fine = np.kron(some_labels(), np.ones((1, 2, 2), np.uint8))
    half = replace(
        ct,
        hu=np.zeros(fine.shape, np.int16),
        spacing=(2.5, 0.4, 0.35),
        origin=tuple(ct.to_world((0, -0.25, -0.25))),
    )
    write_mask(tmp_path / "Murnau.nii.gz", fine, half)
    notification_manager.records.clear()
    (layer,) = shown.viewer.open(tmp_path / "Murnau.nii.gz", plugin="napari-vaemed")
    np.testing.assert_array_equal(layer.data, some_labels())
    np.testing.assert_allclose(layer.scale, ct.spacing)
    assert layer.name == "Labels"
    assert any("resampled to the CT" in str(r.message) for r in notification_manager.records)


def test_marks_without_their_ct_say_what_to_open(tmp_path):
    (tmp_path / "annotations.csv").write_text("seriesuid,coordX,coordY,coordZ\n1.2,0,0,0\n")
    assert get_reader(str(tmp_path / "annotations.csv")) is read_layers
    with pytest.raises(ValueError, match="Open that CT first"):
        read_layers(str(tmp_path / "annotations.csv"))


def test_a_segmentation_opens_alone_on_its_own_grid(ct, tmp_path):
    write_segmentation(tmp_path / "seg.dcm", some_labels(), ct)
    ((data, attributes, kind),) = read_layers(str(tmp_path / "seg.dcm"))
    assert kind == "labels"
    np.testing.assert_array_equal(data[: 5 - 2], some_labels()[2:5])
    np.testing.assert_allclose(attributes["scale"], ct.spacing)


def test_another_s_table_is_left_to_others(tmp_path):
    (tmp_path / "p.csv").write_text("index,axis-0,axis-1\n0,1,2\n")
    (tmp_path / "p.xml").write_text("<svg/>")
    assert get_reader(str(tmp_path / "p.csv")) is None
    assert get_reader(str(tmp_path / "p.xml")) is None


def test_a_reading_opens_its_ct_from_its_own_folder(real_data):
    folder = real_data / "lidc_scans" / "LIDC-IDRI-0001"
    if not folder.is_dir():
        pytest.skip("no LIDC scan beside this checkout")
    (path,) = folder.rglob("069.xml")
    layers = read_layers(str(path))
    assert [a["name"] for _, a, _ in layers] == [
        "CT chest 2.5 mm",
        *(f"Reader {n}" for n in (1, 2, 3, 4)),
        "Single-point marks",
    ]
    hu, (labels, attributes, _) = layers[0][0], layers[1]
    nodule = ndimage.binary_erosion(labels == 1)
    assert -100 < np.median(hu[nodule]) < 100  # the marks lie on solid tissue
    assert np.median(hu[ndimage.binary_dilation(labels == 1, iterations=3) & (labels == 0)]) < -200
    assert attributes["features"]["malignancy"] == [5]
    assert attributes["features"]["readers"] == [4]


def test_a_table_of_luna_finds_the_file_called_after_its_series(window, tmp_path):
    image = sitk.GetImageFromArray(HU)
    image.SetSpacing((0.7, 0.8, 2.5))
    sitk.WriteImage(image, str(tmp_path / f"{UID}.mha"))
    (tmp_path / "candidates.csv").write_text(
        f"seriesuid,coordX,coordY,coordZ,class\n{UID},7,8,5,1\n{UID}.9,0,0,0,0\n"
    )
    window.viewer.open(tmp_path / f"{UID}.mha", plugin="napari-vaemed")
    (points,) = window.viewer.open(tmp_path / "candidates.csv", plugin="napari-vaemed")
    np.testing.assert_allclose(points.data, [[5, 8, 7]])
    assert points.metadata["napari_vaemed"]["notes"] == ("1 row of 1 other series left out.",)
