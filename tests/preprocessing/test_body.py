from __future__ import annotations

import numpy as np

from napari_vaemed.preprocessing.body import surrounded_by_body

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
