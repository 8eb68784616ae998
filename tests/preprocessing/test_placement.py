"""Labels come onto another grid by the nearest voxel, exactly where the grids share voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_vaemed.data.stored import StoredSlices
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.placement import (
    labels_from_slices,
    labels_on,
    labels_on_slices,
    labels_present,
    shares_voxels,
)

A = np.radians(12)
TURNED = np.array([[np.cos(A), -np.sin(A), 0], [np.sin(A), np.cos(A), 0], [0, 0, 1]])


def grid(shape, spacing=(2.0, 1.0, 1.5), origin=(-10.0, 5.0, -30.0), direction=None):
    axes = np.eye(3) if direction is None else direction
    return Volume(np.zeros(shape, np.int16), spacing, origin, axes)


def as_image(labels, volume):
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction.ravel().tolist())
    return image


@pytest.mark.parametrize(
    "target",
    [
        grid((9, 20, 16), (1.1, 0.7, 0.9), (-9.313, 5.217, -29.641)),
        grid((5, 8, 7), (3.7, 2.3, 2.9), (-11.113, 4.317, -31.241)),
        grid((9, 20, 16), (1.1, 0.7, 0.9), (-9.313, 5.217, -29.641), TURNED),
        grid((9, 20, 16), (1.1, 0.7, 0.9), (-9.313, 5.217, -29.641), TURNED.T),
    ],
    ids=["finer", "coarser", "turned", "turned back"],
)
def test_the_nearest_label_is_taken_as_simpleitk_takes_it(target):
    source = grid((6, 14, 12))
    labels = np.random.default_rng(0).integers(0, 5, source.shape).astype(np.uint8)
    ours = labels_on(labels, source, target)
    peer = sitk.Resample(
        as_image(labels, source),
        as_image(np.zeros(target.shape, np.uint8), target),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )
    np.testing.assert_array_equal(ours, sitk.GetArrayFromImage(peer))


def test_a_crop_comes_back_exactly_and_shares_its_voxels():
    whole = grid((6, 14, 12), direction=TURNED)
    labels = np.random.default_rng(1).integers(0, 3, whole.shape).astype(np.uint8)
    crop = replace(whole, hu=whole.hu[2:5, 3:9, 4:], origin=tuple(whole.to_world((2, 3, 4))))
    placed = labels_on(labels[2:5, 3:9, 4:], crop, whole)
    expected = np.zeros_like(labels)
    expected[2:5, 3:9, 4:] = labels[2:5, 3:9, 4:]
    np.testing.assert_array_equal(placed, expected)
    assert shares_voxels(crop, whole)
    for other in (
        replace(crop, origin=tuple(whole.to_world((2, 3, 4.4)))),
        replace(crop, spacing=(2.0, 1.0, 0.75)),
        replace(crop, direction=np.eye(3)),
    ):
        assert not shares_voxels(other, whole)
    far = replace(crop, origin=(500.0, 0.0, 0.0))
    assert not labels_on(labels[2:5, 3:9, 4:], far, whole).any()


def test_labels_go_to_tilted_slices_and_back():
    volume = grid((10, 40, 30), (2.0, 1.0, 1.0))
    heights = np.arange(10) * 2.0
    shifts = np.outer(heights, (0, np.tan(np.radians(15)), 1))
    slices = StoredSlices(np.array(volume.origin) + shifts, np.eye(3), (1.0, 1.0), (36, 30))
    tilted = replace(volume, stored=slices)
    labels = np.zeros(volume.shape, np.uint8)
    labels[2:8, 8:30, 5:20] = 4
    stored = labels_on_slices(labels, tilted)
    for k in range(10):
        moved = round(-heights[k] * np.tan(np.radians(15)) - 1e-9)
        rows = np.flatnonzero(stored[k].any(axis=1))
        assert bool(rows.size) == (2 <= k < 8)
        if rows.size:
            assert abs(rows[0] - (8 + moved)) <= 1
    back = labels_from_slices(stored, tilted)
    assert np.abs(np.argwhere(back).mean(0) - np.argwhere(labels).mean(0)).max() < 0.3
    np.testing.assert_array_equal(back[:, 9:29], labels[:, 9:29])


def test_labels_present_are_counted_without_the_background():
    labels = np.zeros((3, 4, 5), np.uint16)
    labels[0, 1, 2], labels[2, 2, 2] = 7, 300
    assert labels_present(labels) == [7, 300]
    assert labels_present(labels > 0) == [1]
    assert labels_present(labels[:0]) == []
