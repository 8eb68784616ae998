from __future__ import annotations

import numpy as np

from napari_vaemed.data.volume import Volume
from napari_vaemed.io.volumes import read_labels
from napari_vaemed.preprocessing.nodule_crop import crop_box, cut_out

HU = np.random.default_rng(0).integers(-1000, 300, (40, 90, 80)).astype(np.int16)
VOLUME = Volume(HU, (2.0, 0.5, 0.5), (5.0, -7.0, 30.0), np.diag([-1.0, -1.0, 1.0]))


def box_of(*parts: slice) -> np.ndarray:
    mask = np.zeros(HU.shape, bool)
    mask[parts] = True
    return mask


def test_a_large_mask_gets_a_share_of_its_length():
    mask = box_of(slice(10, 30), slice(20, 70), slice(10, 60))
    assert crop_box(mask, VOLUME) == (slice(7, 33), slice(13, 77), slice(3, 67))


def test_a_small_mask_gets_room_in_the_plane_only():
    mask = box_of(slice(10, 14), slice(40, 50), slice(40, 51))
    assert crop_box(mask, VOLUME) == (slice(10, 14), slice(23, 67), slice(24, 67))


def test_a_crop_ends_where_the_scan_does():
    mask = box_of(slice(0, 3), slice(2, 6), slice(70, 80))
    assert crop_box(mask, VOLUME) == (slice(0, 3), slice(0, 26), slice(53, 80))
    assert crop_box(mask, VOLUME, 4.0) == (slice(0, 5), slice(0, 14), slice(62, 80))


def test_a_crop_lies_where_its_voxels_lay():
    box = (slice(5, 9), slice(30, 60), slice(20, 44))
    crop = cut_out(VOLUME, box)
    np.testing.assert_array_equal(crop.hu, HU[box])
    at = (2, 11, 7)
    np.testing.assert_allclose(crop.to_world(at), VOLUME.to_world(np.add(at, (5, 30, 20))))


def test_the_rule_gives_the_size_of_published_crops(real_data):
    for path in sorted((real_data / "lidc_nodules" / "mask").iterdir())[::20]:
        mask = read_labels(path).hu > 0
        wide = np.pad(mask, 60)
        box = crop_box(wide, Volume(np.zeros(wide.shape, np.int16), (1.0, 1.0, 1.0)))
        assert tuple(part.stop - part.start for part in box) == mask.shape
