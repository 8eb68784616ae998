"""Volumes become layers at their place in millimetres, and layers volumes."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_vaemed.data.volume import Volume
from napari_vaemed.plugin.layers import (
    NeedsSpacing,
    labels_to_layer,
    layer_name,
    layer_to_volume,
    preview_for_3d,
    volume_to_layer,
)


@pytest.fixture
def volume():
    hu = np.random.default_rng(0).integers(-1000, 400, (6, 8, 10)).astype(np.int16)
    return Volume(
        hu, (2.5, 0.8, 0.7), (-40.0, 30.0, -120.0), description="CT chest", notes=("A gap.",)
    )


def shown(volume):
    data, attributes, _ = volume_to_layer(volume)
    return Image(data, **attributes)


def test_a_layer_lies_at_the_patient_s_millimetres(volume):
    layer = shown(volume)
    voxel = (3, 5, 7)
    world = volume.to_world(voxel)
    np.testing.assert_allclose(layer.data_to_world(voxel), world[::-1])
    assert {str(u) for u in layer.units} == {"millimeter"}
    assert layer.contrast_limits == [-1350, 150]
    assert layer.name == layer_name(volume) == "CT chest 2.5 mm"
    told = layer.metadata["napari_vaemed"]
    assert told["spacing_mm"] == (2.5, 0.8, 0.7)
    assert told["notes"] == ("A gap.",)


def test_a_layer_gives_its_own_volume_back(volume):
    layer = shown(volume)
    assert layer_to_volume(layer) is volume
    layer.data = volume.hu + np.int16(5)
    changed = layer_to_volume(layer)
    np.testing.assert_array_equal(changed.hu, volume.hu + 5)
    assert changed.origin == volume.origin


def test_a_layer_the_user_has_moved_lies_where_it_is_now(volume):
    layer = shown(volume)
    layer.translate = (1, 2, 3)
    assert layer_to_volume(layer).origin == (3, 2, 1)


@pytest.mark.parametrize(
    ("attributes", "spacing", "origin"),
    [
        ({"scale": (2.5, 0.8, 0.7), "translate": (3, 2, 1), "units": "mm"}, 1, (1, 2, 3)),
        ({"scale": (2500, 800, 700), "translate": (3000, 2000, 1000), "units": "um"}, 1, (1, 2, 3)),
        ({"scale": (0.25, 0.08, 0.07), "units": "cm"}, 1, (0, 0, 0)),
        ({"scale": (2.5, 0.8, 0.7), "translate": (3, 2, 1)}, 1, (1, 2, 3)),
    ],
)
def test_other_readers_layers_are_measured_by_scale_and_units(volume, attributes, spacing, origin):
    found = layer_to_volume(Image(volume.hu, **attributes))
    np.testing.assert_allclose(found.spacing, (2.5, 0.8, 0.7))
    np.testing.assert_allclose(found.origin, origin)
    np.testing.assert_array_equal(found.hu, volume.hu)
    assert found.notes


def test_a_bare_array_needs_its_spacing(volume):
    layer = Image(volume.hu)
    with pytest.raises(NeedsSpacing, match="Give the spacing in mm"):
        layer_to_volume(layer)
    assert layer_to_volume(layer, spacing=(2.5, 0.8, 0.7)).spacing == (2.5, 0.8, 0.7)


@pytest.mark.parametrize("make", [np.float32, np.int32, da.from_array])
def test_other_number_types_become_hounsfield_units(volume, make):
    data = make(volume.hu)
    found = layer_to_volume(Image(data, scale=(2.5, 0.8, 0.7)))
    assert found.hu.dtype == np.int16
    np.testing.assert_array_equal(found.hu, volume.hu)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((4, 5)), "has 2 axes"),
        (np.zeros((2, 3, 4, 5)), "has 4 axes"),
        (np.zeros((4, 5, 6, 3), np.uint8), "colour image"),
        (np.full((3, 4, 5), np.nan), "not numbers"),
        (np.random.default_rng(0).random((3, 4, 5)), "wanted Hounsfield units"),
    ],
)
def test_what_is_no_ct_is_refused(data, words):
    layer = Image(data, rgb=data.dtype == np.uint8, contrast_limits=(0, 1))
    with pytest.raises(ValueError, match=words):
        layer_to_volume(layer, spacing=(1, 1, 1))


def test_labels_lie_on_their_ct(volume):
    data, attributes, kind = labels_to_layer(volume.hu > 0, volume, "Lungs", visible=False)
    layer = Labels(data, **attributes)
    assert (kind, layer.name, layer.visible, layer.data.dtype) == ("labels", "Lungs", False, "u1")
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), volume.to_world((1, 2, 3))[::-1])
    with pytest.raises(ValueError, match="have shape"):
        labels_to_layer(volume.hu[1:] > 0, volume, "Lungs")


def test_the_3d_copy_is_small_and_at_the_same_place():
    z, y, x = np.indices((90, 300, 260)).astype(np.float32)
    line = Volume((2 * z + y - 0.5 * x).astype(np.int16), (2.0, 0.7, 0.7), (-90, -80, -300))
    data, attributes, _ = preview_for_3d(line)
    assert max(data.shape) <= 96
    assert data.dtype == np.int16
    layer = Image(data, **attributes)
    for voxel in ((0, 0, 0), (45, 50, 40), (89, 74, 85)):
        there = line.to_voxel(np.array(layer.data_to_world(voxel))[::-1])
        truth = 2 * there[0] + there[1] - 0.5 * there[2]  # a mean of a plane is its middle
        assert data[voxel] == pytest.approx(truth, abs=1.5)


def test_a_small_volume_s_3d_copy_is_itself(volume):
    data, attributes, _ = preview_for_3d(volume)
    np.testing.assert_array_equal(data, volume.hu)
    assert attributes["scale"] == volume.spacing


def test_a_3d_copy_of_a_part_lies_where_the_part_lies(volume):
    box = (slice(1, 5), slice(2, 8), slice(3, 10))
    inside = np.zeros((4, 6, 7), bool)
    inside[1:3, 2:5, 2:6] = True
    data, attributes, _ = preview_for_3d(volume, inside, box)
    layer = Image(data, **attributes)
    place = volume.to_voxel(np.array(layer.data_to_world((2, 3, 4)))[::-1])
    np.testing.assert_allclose(place, (3, 5, 7))
    assert data[2, 3, 4] == volume.hu[3, 5, 7]
    np.testing.assert_array_equal(data[~inside], -1024)
