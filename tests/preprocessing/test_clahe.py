from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.exposure import equalize_adapthist

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.clahe import NO_TILES, Clahe, EqualisedPlanes, Region, clahe
from napari_vaemed.preprocessing.intensity import WINDOWS

LUNG = WINDOWS["lung"]
LOW, HIGH = LUNG[0] - LUNG[1] / 2, LUNG[0] + LUNG[1] / 2
BYTES, WORDS = (127.5, 255.0), (-0.5, 65535.0)
"""Windows whose levels are the grey values of 8 and 16 bits themselves."""


@pytest.fixture(scope="module")
def slab(small_phantom):
    volume = small_phantom.volume
    return Volume(volume.hu[44:50], volume.spacing, padding=volume.padding)


@pytest.fixture(scope="module")
def equalised(slab):
    return finish(clahe(slab))


@pytest.fixture(scope="module")
def grey():
    """Grey values 0 to 255 with soft and hard edges, and noise."""
    y, x = np.mgrid[:512, :512]
    smooth = 110 + 70 * np.sin(x / 60) * np.cos(y / 45) + 50 * (np.hypot(x - 250, y - 220) < 90)
    noise = np.random.default_rng(5).normal(0, 12, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def in_tiles(image, rows, columns, clip_limit, **how):
    """The image after CLAHE in so many tiles."""
    ny, nx = image.shape
    side = 10.0
    spacing = (1.0, side * rows / ny, side * columns / nx)
    volume = Volume(image[None].astype(np.int16), spacing)
    how = Clahe(clip_limit=clip_limit, tile_mm=side, **{"window": BYTES, **how})
    return finish(clahe(volume, how, inside=np.ones(volume.shape, bool)))[0]


@pytest.mark.parametrize("clip_limit", [1.5, 2.56, 4.0, 40.0])
@pytest.mark.parametrize(
    ("shape", "tiles"),
    [
        ((512, 512), (8, 8)),
        ((500, 512), (8, 8)),
        ((512, 500), (8, 8)),
        ((333, 411), (8, 8)),
        ((97, 64), (3, 8)),
        ((64, 67), (8, 8)),
        ((130, 130), (1, 1)),
    ],
)
def test_slices_are_those_of_opencv(grey, shape, tiles, clip_limit):
    levels = np.ascontiguousarray(grey[: shape[0], -shape[1] :])
    ours = in_tiles(levels, *tiles, clip_limit)
    peer = cv2.createCLAHE(clip_limit, tiles[::-1]).apply(levels)
    assert np.abs(ours - peer.astype(int)).max() <= 1


def test_sixteen_bits_are_those_of_opencv(grey):
    levels = grey.astype(np.uint16) * 100 + 32768  # below, HU are taken for padding
    hu = (levels.astype(int) - 32768).astype(np.int16)
    ours = in_tiles(hu, 8, 8, 4.0, window=WORDS, levels=65536).astype(int) + 32768
    peer = cv2.createCLAHE(4.0, (8, 8)).apply(levels)
    assert np.abs(ours - peer).max() <= 1


@pytest.fixture(scope="module")
def cube():
    """HU that use the whole lung window, and the same from 0 to 1."""
    rng = np.random.default_rng(0)
    y, x = np.linspace(0, 800, 40), np.linspace(0, 300, 36)
    hu = (rng.random((24, 40, 36)) * 300 + y[None, :, None] + x - 1300).astype(np.int16)
    hu[0, 0, 0], hu[-1, -1, -1] = LOW, HIGH
    return Volume(hu, (1.0, 1.0, 1.0)), (hu - LOW) / (HIGH - LOW)


@pytest.mark.parametrize(
    ("kernel_size", "clip_share", "bins"),
    [(8, 0.01, 256), (9, 0.01, 256), (10, 0.03, 256), (8, 0.0, 128), (12, 0.05, 64)],
)
def test_space_is_that_of_scikit_image(cube, kernel_size, clip_share, bins):
    volume, shown = cube
    how = Clahe(
        clip_limit=clip_share * bins or bins,  # their 0 is no limit
        tile_mm=kernel_size * volume.spacing[0],
        three_d=True,
        levels=bins,
    )
    ours = finish(clahe(volume, how, inside=np.ones(volume.shape, bool)))
    peer = equalize_adapthist(shown, kernel_size, clip_share, bins)
    stretched = (ours - ours.min()) / np.ptp(ours)  # they end so
    # Ours are whole HU, 1/1500 of the window, then stretched; theirs whole 1/16383.
    assert np.abs(stretched - peer).max() < 1e-3


@pytest.mark.parametrize("three_d", [False, True])
def test_no_limit_and_one_tile_is_plain_histogram_equalisation(slab, three_d):
    one = Volume(slab.hu[:1], slab.spacing)
    how = Clahe.equalisation(LUNG, three_d=three_d)
    out = finish(clahe(one, how, inside=np.ones(one.shape, bool)))[0]
    shown = np.clip((one.hu[0] - LOW) / LUNG[1], 0, 1)
    sixteen_bits = np.rint(shown * 65535)
    level = np.rint(sixteen_bits * 16383 / 65535) // 65 if three_d else np.rint(shown * 255)
    rank = np.searchsorted(np.sort(level.ravel()), level.ravel(), side="right") / level.size
    expected = LOW + (rank if three_d else np.rint(rank * 255) / 255) * LUNG[1]
    assert np.abs(out.ravel() - expected).max() <= 0.6


def test_he_before_clahe_is_one_after_the_other(slab):
    everywhere = np.ones(slab.shape, bool)
    first = finish(clahe(slab, Clahe.equalisation(LUNG), inside=everywhere))
    then = finish(clahe(Volume(first, slab.spacing), inside=everywhere))
    both = finish(clahe(slab, Clahe(equalise_first=True), inside=everywhere))
    # the first step's whole HU are rounded to levels again
    assert np.abs(both - then).max() <= 1 + LUNG[1] / 255
    assert (both == then).mean() > 0.9


def test_in_space_he_looks_at_the_whole_volume(slab):
    out = finish(clahe(slab, Clahe.equalisation(LUNG, three_d=True)))
    order = np.argsort(slab.hu, axis=None)
    assert (np.diff(out.ravel()[order]) >= 0).all()  # one curve for all slices
    both = finish(clahe(slab, Clahe(equalise_first=True, three_d=True)))
    assert (both != out).any()


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


def test_contrast_is_raised_no_further_than_the_limit():
    """A curve from 0 to 1 over one peak may rise by the limit a level at most."""
    levels = np.random.default_rng(1).normal(128, 4, (64, 64)).round().astype(np.int16)
    for limit in (1.5, 3.0, 6.0):
        out = in_tiles(levels, 1, 1, limit)
        curve = {int(k): int(v) for k, v in zip(levels.ravel(), out.ravel(), strict=True)}
        steps = np.diff([curve[k] for k in sorted(curve)])
        assert steps.max() <= limit + 1 + 1  # spread once it may exceed the limit by 1, and rounds
        assert steps.max() >= limit - 1


def test_padding_neither_shows_nor_changes_the_rest(slab, equalised):
    _, ny, nx = slab.shape
    y, x = np.ogrid[:ny, :nx]
    corner = (y - ny / 2) ** 2 + (x - nx / 2) ** 2 > (nx / 2) ** 2
    hu = slab.hu.copy()
    hu[:, corner] = -3024
    out = finish(clahe(Volume(hu, slab.spacing, padding=-3024)))
    assert (out[:, corner] == LOW).all()
    np.testing.assert_array_equal(out[:, ~corner], equalised[:, ~corner])


@pytest.mark.parametrize("three_d", [False, True])
def test_outside_the_mask_hu_stay_as_they_are_within_the_window(small_phantom, slab, three_d):
    lungs = small_phantom.lungs[44:50]
    out = finish(clahe(slab, Clahe(three_d=three_d), inside=lungs))
    outside = lungs == 0
    np.testing.assert_array_equal(out[outside], np.clip(slab.hu, LOW, HIGH)[outside])
    assert (out != finish(clahe(slab, Clahe(three_d=three_d))))[lungs > 0].any()


def test_a_mask_of_everything_is_no_mask(slab):
    ones = finish(clahe(slab, inside=np.ones(slab.shape, bool)))
    np.testing.assert_array_equal(ones, finish(clahe(slab, inside=Region.everything())))


@pytest.mark.parametrize("how", [Clahe(), Clahe(three_d=True), Clahe(tile_mm=NO_TILES)])
def test_a_slice_without_body_comes_through(how):
    out = finish(clahe(Volume(np.full((2, 40, 40), -1000, np.int16), (2.0, 1.0, 1.0)), how))
    assert np.ptp(out) == 0


def test_a_volume_turned_in_memory_is_the_same(slab, equalised):
    turned = np.ascontiguousarray(slab.hu.transpose(2, 1, 0)).transpose(2, 1, 0)
    np.testing.assert_array_equal(finish(clahe(Volume(turned, slab.spacing))), equalised)


def test_planes_in_space_need_what_they_share(slab):
    planes = EqualisedPlanes(slab, Clahe(three_d=True), Region.everything())
    with pytest.raises(RuntimeError, match="prepare"):
        planes.fill(0, np.empty(slab.shape[1:], np.int16))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"clip_limit": 0.01}, "multiplied by 256"),
        ({"clip_limit": 300.0}, "256 levels"),
        ({"levels": 1}, "from 2 to 65536"),
        ({"levels": 1 << 17}, "from 2 to 65536"),
        ({"tile_mm": 0.0}, "positive side"),
        ({"window": (40, 0)}, "positive width"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Clahe(**wrong)


def test_a_mask_of_another_volume_is_refused(slab):
    with pytest.raises(ValueError, match="mask has shape"):
        finish(clahe(slab, inside=np.ones((1, 2, 3), bool)))
