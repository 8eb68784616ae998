from __future__ import annotations

import numpy as np
import pytest
from skimage.exposure import equalize_adapthist

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.intensity import WINDOWS, clahe, window

LUNG = WINDOWS["lung"]
LOW, HIGH = LUNG[0] - LUNG[1] / 2, LUNG[0] + LUNG[1] / 2


@pytest.fixture(scope="module")
def slab(small_phantom):
    volume = small_phantom.volume
    return Volume(volume.hu[44:50], volume.spacing, padding=volume.padding)


@pytest.fixture(scope="module")
def equalised(slab):
    return finish(clahe(slab))


def test_window_runs_from_nought_at_its_low_end_to_one_at_its_high_end():
    shown = window(np.array([-3000, -1350, -600, 150, 3000], np.int16), *LUNG)
    np.testing.assert_allclose(shown, [0, 0, 0.5, 1, 1])
    assert shown.dtype == np.float32


@pytest.mark.parametrize("width", [0, -5, float("nan")])
def test_a_window_without_width_is_refused(width):
    with pytest.raises(ValueError, match="positive width"):
        window(np.zeros(3), 40, width)


def test_clahe_stays_in_the_windows_hu_and_leaves_the_original_alone(slab, equalised):
    before = slab.hu.copy()
    finish(clahe(slab))
    np.testing.assert_array_equal(slab.hu, before)
    assert equalised.dtype == np.int16
    assert equalised.min() >= LOW
    assert equalised.max() <= HIGH


def test_clahe_brings_out_contrast_inside_the_lungs(small_phantom, slab, equalised):
    lung = np.isin(small_phantom.lungs[44:50], (1, 2))
    before = np.clip(slab.hu, LOW, HIGH)[lung]
    assert equalised[lung].std() > 1.3 * before.std()


def test_clahe_agrees_with_scikit_image(slab):
    size = 32 * slab.spacing[1]
    ours = finish(clahe(slab, tile_mm=size, inside=np.ones(slab.shape, bool)))
    for hu, mine in zip(slab.hu, ours, strict=True):
        peer = equalize_adapthist(window(hu, *LUNG), kernel_size=32, clip_limit=0.01)
        assert np.corrcoef(peer.ravel(), mine.ravel())[0, 1] > 0.97


def test_a_flat_histogram_is_left_as_it_is():
    levels = np.tile(np.arange(256), (256, 1))
    hu = np.rint(LOW + levels * LUNG[1] / 255).astype(np.int16)
    volume = Volume(hu[None], (1.0, 1.0, 1.0))
    out = finish(clahe(volume, tile_mm=1000.0, inside=np.ones(volume.shape, bool)))
    assert np.abs(out - hu[None]).max() <= 1.5 * LUNG[1] / 255


def test_no_limit_and_one_tile_is_plain_histogram_equalisation(slab):
    one = Volume(slab.hu[:1], slab.spacing)
    out = finish(clahe(one, clip_limit=1.0, tile_mm=1e4, inside=np.ones(one.shape, bool)))[0]
    level = np.rint(window(one.hu[0], *LUNG) * 255).astype(int)
    rank = np.searchsorted(np.sort(level.ravel()), level.ravel(), side="right") / level.size
    expected = LOW + np.rint(rank * 255) * LUNG[1] / 255
    assert np.abs(out.ravel() - expected).max() <= 0.5 + 1e-3


def test_padding_neither_shows_nor_changes_the_rest(slab, equalised):
    _, ny, nx = slab.shape
    y, x = np.ogrid[:ny, :nx]
    corner = (y - ny / 2) ** 2 + (x - nx / 2) ** 2 > (nx / 2) ** 2
    hu = slab.hu.copy()
    hu[:, corner] = -3024
    out = finish(clahe(Volume(hu, slab.spacing, padding=-3024)))
    assert (out[:, corner] == LOW).all()
    np.testing.assert_array_equal(out[:, ~corner], equalised[:, ~corner])


def test_outside_the_mask_nothing_is_equalised(small_phantom, slab):
    lungs = small_phantom.lungs[44:50]
    out = finish(clahe(slab, inside=lungs))
    step = LUNG[1] / 255
    outside = (lungs == 0) & (slab.hu > -1100)
    assert np.abs(out - np.clip(slab.hu, LOW, HIGH))[outside].max() <= step / 2 + 1
    assert (out != finish(clahe(slab)))[lungs > 0].any()


def test_a_slice_without_body_comes_through():
    out = finish(clahe(Volume(np.full((2, 40, 40), -1000, np.int16), (2.0, 1.0, 1.0))))
    assert np.ptp(out) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"clip_limit": 0.0}, "clip limit"),
        ({"clip_limit": 2.0}, "clip limit"),
        ({"tile_mm": 0.0}, "positive side"),
        ({"window": (40, 0)}, "positive width"),
        ({"inside": np.ones((1, 2, 3), bool)}, "mask has shape"),
    ],
)
def test_parameters_out_of_range_are_refused(slab, wrong, message):
    with pytest.raises(ValueError, match=message):
        finish(clahe(slab, **wrong))


def test_levels_are_those_of_opencv():
    """``cv2.createCLAHE(0.05 * 256, (4, 4)).apply(levels)`` of OpenCV 5.0: row 5 and diagonal."""
    y, x = np.mgrid[:32, :32]
    levels = (y * y + 3 * x * x // 4 + x * y) % 200
    volume = Volume(levels.astype(np.int16)[None], (1.0, 1.0, 1.0))
    out = finish(
        clahe(
            volume,
            window=(127.5, 255),
            clip_limit=0.05,
            tile_mm=8.0,
            inside=np.ones(volume.shape, bool),
        )
    )[0]
    row = [
        88,
        98,
        123,
        146,
        171,
        175,
        176,
        178,
        180,
        185,
        202,
        216,
        244,
        16,
        42,
        78,
        119,
        159,
        202,
        243,
        38,
        82,
        129,
        180,
        229,
        26,
        83,
        139,
        206,
        4,
        64,
        131,
    ]
    diagonal = [
        8,
        16,
        48,
        92,
        155,
        175,
        184,
        200,
        232,
        37,
        99,
        170,
        255,
        86,
        183,
        28,
        138,
        250,
        127,
        245,
        131,
        18,
        167,
        73,
        239,
        156,
        82,
        14,
        203,
        143,
        108,
        56,
    ]
    assert np.abs(out[5] - row).max() <= 1
    assert np.abs(out.diagonal() - diagonal).max() <= 1
