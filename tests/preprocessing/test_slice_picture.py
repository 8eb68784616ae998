from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.preprocessing.slice_picture import (
    picture_of_export,
    picture_of_slice,
    rough_lungs,
)


def _chest(shape: tuple[int, int], scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """HU (y, x) of an oval body with two oval lungs around the middle, and the lungs (1, 2)."""
    y, x = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2

    def oval(centre_x: float, half_y: float, half_x: float) -> np.ndarray:
        return ((y / (half_y * scale)) ** 2 + ((x - centre_x * scale) / (half_x * scale)) ** 2) <= 1

    hu = np.full(shape, -1000, np.int16)
    hu[oval(0, 80, 110)] = 40
    lungs = np.zeros(shape, np.uint8)
    for label, centre in ((1, -50), (2, 50)):
        lungs[oval(centre, 60, 35)] = label
    hu[lungs > 0] = -860
    return hu, lungs


def _exported(hu: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def test_the_picture_shows_the_lungs_box_and_its_margin():
    hu, lungs = _chest((256, 256))
    picture, frame = picture_of_slice(hu, (1.2, 1.2), lungs, size=100)
    assert picture.shape == (100, 100)
    rows, columns = (np.flatnonzero(lungs.any(axis=axis)) for axis in (1, 0))
    margin = 0.1 * (columns[-1] + 1 - columns[0])
    wanted = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    signs = (-1, -1, 1, 1)
    assert frame.box == pytest.approx([w + s * margin for w, s in zip(wanted, signs, strict=True)])
    assert (picture[50] > 0).all()  # as wide as the picture
    assert (picture[:5] == 0).all()  # less high than wide: nothing above and below


def test_a_slice_and_its_export_in_the_lung_window_give_the_same_picture():
    hu, lungs = _chest((256, 256))
    picture, _ = picture_of_slice(hu, (1.2, 1.2), lungs, size=128)
    exported, _ = picture_of_export(_exported(hu, -1350, 150), size=128)
    apart = np.abs(exported.astype(int) - picture)
    assert np.percentile(apart, 98) <= 4
    assert apart.mean() < 2


def test_an_export_of_half_the_resolution_gives_nearly_the_same_picture():
    fine, _ = picture_of_export(_exported(_chest((256, 256))[0], -1350, 150), size=96)
    coarse, _ = picture_of_export(_exported(_chest((128, 128), 0.5)[0], -1350, 150), size=96)
    assert np.corrcoef(fine.ravel(), coarse.ravel())[0, 1] > 0.95


def test_a_constant_map_comes_back_on_the_box_alone_and_a_spot_where_it_was():
    hu, lungs = _chest((200, 300))
    _, frame = picture_of_slice(hu, (0.8, 0.8), lungs, size=64)
    back = frame.on_slice(np.ones((64, 64)))
    top, left, bottom, right = frame.box
    y, x = np.indices(hu.shape) + 0.5
    inside = (y > top) & (y < bottom) & (x > left) & (x < right)
    np.testing.assert_allclose(back[inside], 1.0, atol=1e-5)
    assert np.abs(back[~inside]).max() == 0

    spot = np.zeros(hu.shape)
    spot[90:94, 210:214] = 1.0
    found = frame.on_slice(frame.picture(spot))
    weights = found / found.sum()
    centre = [(weights * index).sum() for index in np.indices(hu.shape)]
    np.testing.assert_allclose(centre, (91.5, 211.5), atol=0.6)


def test_pixels_of_unequal_sides_make_the_same_picture():
    hu, lungs = _chest((256, 256))
    square, _ = picture_of_slice(hu, (1.0, 1.0), lungs, size=96)
    flat, frame = picture_of_slice(hu[::2], (2.0, 1.0), lungs[::2], size=96)
    assert frame.step[1] == pytest.approx(2 * frame.step[0])
    assert np.abs(square.astype(int) - flat).mean() < 4


def test_lungs_only_leaves_nothing_else():
    hu, lungs = _chest((256, 256))
    hu[120:136, 70:90] = -600
    picture, frame = picture_of_slice(hu, (1.0, 1.0), lungs, size=128, lungs_only=True)
    outside = frame.picture((lungs == 0).astype(float)) > 0.999
    assert picture[outside].max() == 0
    assert picture[~outside].max() > 40


def test_a_lung_tip_is_not_blown_up():
    hu = np.full((256, 256), 40, np.int16)
    lungs = np.zeros(hu.shape, np.uint8)
    lungs[100:110, 100:110] = 1
    _, frame = picture_of_slice(hu, (1.0, 1.0), lungs, size=90)
    assert frame.box[3] - frame.box[1] >= 180


def test_a_picture_without_lungs_is_shown_whole():
    grey = np.full((60, 90), 200, np.uint8)
    assert not rough_lungs(grey).any()
    picture, frame = picture_of_export(grey, size=45)
    assert frame.box == (0, 0, 60, 90)
    assert (picture[10:35] == 200).all()


def test_lungs_are_found_within_the_white_rim_of_a_figure():
    hu, lungs = _chest((256, 256))
    framed = np.pad(_exported(hu, -1350, 150), 9, constant_values=255)
    found = rough_lungs(framed)[9:-9, 9:-9]
    assert (found & (lungs > 0)).sum() / (found | (lungs > 0)).sum() > 0.9


def test_lungs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 4\) but its lungs \(5, 5\)"):
        picture_of_slice(np.zeros((4, 4), np.int16), (1, 1), np.zeros((5, 5), np.uint8), size=8)
