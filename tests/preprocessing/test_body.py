from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.labels import AIRWAYS
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.body import (
    BACKGROUND_HU,
    body_mask,
    remove_background,
    surrounded_by_body,
)

SPACING = (4.0, 4.0, 4.0)


def body_on_a_table(cavity=True):
    """A cylinder with air inside, above a hollow table."""
    _, y, x = np.mgrid[:12, :80, :80] * 4.0
    hu = np.full(y.shape, -1000, np.int16)
    radius = np.hypot((y - 140) / 100, (x - 160) / 130)
    hu[radius < 1] = 40
    if cavity:
        hu[radius < 0.5] = -850
    hu[(y > 260) & (y < 300)] = -100
    hu[(y > 264) & (y < 296)] = -900
    return hu, radius, y


def test_air_in_the_body_is_inside_and_the_room_is_not():
    hu, radius, y = body_on_a_table()
    inside = surrounded_by_body(hu, SPACING)
    assert inside[radius < 0.95].all()
    assert not inside[(radius > 1.5) & (y < 250)].any()


def test_the_hollow_of_the_table_is_not_inside():
    hu, _, y = body_on_a_table()
    inside = surrounded_by_body(hu, SPACING)
    assert not inside[(y > 264) & (y < 296)].any()


def test_a_view_that_cuts_the_body_on_one_side_keeps_its_air():
    hu, radius, _ = body_on_a_table()
    inside = surrounded_by_body(hu[..., :45], SPACING)
    assert inside[(radius < 0.5)[..., :45]].all()


def test_without_tissue_nothing_is_inside():
    assert not surrounded_by_body(np.full((3, 9, 9), -1000, np.int16), SPACING).any()


def test_body_is_drawn_to_the_voxel_without_the_table():
    hu, radius, _ = body_on_a_table()
    body = body_mask(Volume(hu, SPACING))
    np.testing.assert_array_equal(body, radius < 1)


def test_body_of_a_phantom_holds_its_lungs_and_not_the_table(small_phantom):
    volume = small_phantom.volume
    body = body_mask(volume)
    assert body.dtype == bool
    assert body[(small_phantom.lungs > 0) & (small_phantom.lungs != AIRWAYS)].all()
    assert body[small_phantom.bones].all()
    back = volume.to_voxel((0.0, 125.0 * volume.shape[1] * volume.spacing[1] / 346.0, -100.0))
    assert not body[:, round(back[1]) :].any(), "the table stands at 120 mm of a 346 mm view"
    assert not body[:, 0].any()


def test_lungs_cut_by_the_view_stay_in_the_body(small_phantom):
    volume = small_phantom.volume
    half = volume.shape[2] * 7 // 10
    body = body_mask(Volume(volume.hu[..., :half], volume.spacing))
    assert body[small_phantom.lungs[..., :half] > 0].mean() > 0.999


def test_an_empty_room_holds_no_body():
    assert not body_mask(Volume(np.full((3, 9, 9), -1000, np.int16), SPACING)).any()


def test_background_is_air_and_the_rest_and_the_input_stay():
    hu, radius, _ = body_on_a_table()
    before = hu.copy()
    kept = remove_background(hu, radius < 1)
    np.testing.assert_array_equal(kept[radius < 1], hu[radius < 1])
    assert (kept[radius >= 1] == BACKGROUND_HU).all()
    assert kept.dtype == np.int16
    np.testing.assert_array_equal(hu, before)
    labels = np.where(radius < 0.5, 2, 0).astype(np.uint8)
    assert (remove_background(hu, labels, -1024)[radius >= 0.5] == -1024).all()


def test_a_mask_of_another_grid_is_refused():
    with pytest.raises(ValueError, match="use a mask made on this CT"):
        remove_background(np.zeros((2, 4, 4), np.int16), np.zeros((2, 4, 5), bool))
