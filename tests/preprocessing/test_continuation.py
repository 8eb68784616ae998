import numpy as np
import pytest

from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.continuation import continued

SPACING = (2.0, 0.8, 0.8)
FADE = 1.0


@pytest.fixture
def crop():
    """Noisy lung with a wall of 10 mm at one side and a vessel along z, cut at six slices."""
    rng = np.random.default_rng(0)
    hu = np.full((6, 40, 40), -850.0)
    hu[:, :, 28:] = 40
    hu[:, 18:21, 10:13] = 30
    hu += rng.normal(0, 20, hu.shape)
    return Volume(np.rint(hu).astype(np.int16), SPACING, origin=(5.0, -3.0, 70.0))


def test_the_crop_itself_stays_where_it_was(crop):
    longer, where = continued(crop, FADE, room_mm=12)
    assert np.array_equal(longer.hu[where], crop.hu)
    first = np.array([w.start for w in where])
    np.testing.assert_allclose(longer.to_world(first), crop.to_world((0, 0, 0)))
    assert longer.shape == (6 + 2 * 6, 40 + 2 * 15, 40 + 2 * 15)


def test_a_vessel_fades_beyond_the_last_slice_as_asked(crop):
    longer, (z, y, x) = continued(crop, FADE)
    vessel = longer.hu[z.stop :, y, x][:, 19, 11].astype(float)
    kept = (vessel + 850) / 880
    wanted = np.exp(-np.square(np.arange(1, 5) / FADE))
    np.testing.assert_allclose(kept[:4], wanted, atol=0.12)


def test_the_wall_and_the_noise_of_the_lung_go_on(crop):
    longer, (z, y, x) = continued(crop, FADE)
    beyond = longer.hu[: z.start - 3, y, x]
    assert beyond[:, :, 29:].min() > -120
    lung = beyond[:, :14, :24]
    assert lung.std() > 8
    assert lung.mean() == pytest.approx(-855, abs=12)


def test_without_fading_the_slices_are_mirrored(crop):
    longer, (z, y, x) = continued(crop, np.inf, room_mm=8)
    assert np.array_equal(longer.hu[z.stop : z.stop + 4, y, x], crop.hu[:-5:-1])
