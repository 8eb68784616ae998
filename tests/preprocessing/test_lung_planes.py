import numpy as np
import pytest

from napari_vaemed.preprocessing.lung_planes import (
    lung_label_planes,
    lung_planes,
    plane_counts,
    plane_spacing,
    with_neighbours,
)

SCANS = [
    ((60, 100, 90), (1.0, 0.7, 0.8)),
    ((20, 64, 64), (4.0, 4.0, 4.0)),
    ((33, 80, 81), (1.25, 1.5, 1.5)),
]


@pytest.mark.parametrize(("shape", "spacing"), SCANS)
def test_the_grid_covers_the_scan_and_has_about_the_steps_wanted(shape, spacing):
    counts, steps = plane_counts(shape, spacing), plane_spacing(shape, spacing)
    extent = np.multiply(shape, spacing)
    np.testing.assert_allclose(np.multiply(counts, steps), extent)
    assert np.allclose(steps[1:], 1.5, rtol=0.02)
    assert steps[0] == pytest.approx(max(3.0, spacing[0]), rel=0.06)


@pytest.mark.parametrize(("shape", "spacing"), SCANS)
def test_a_ramp_stays_a_ramp_in_millimetres(shape, spacing):
    at = [(np.arange(n) + 0.5) * mm for n, mm in zip(shape, spacing, strict=True)]
    ramp = -900 + at[0][:, None, None] + 2 * at[1][None, :, None] + 3 * at[2][None, None, :]
    hu = np.rint(ramp).astype(np.int16)
    planes = lung_planes(hu, spacing)
    steps = plane_spacing(shape, spacing)
    z, y, x = ((np.arange(n) + 0.5) * mm for n, mm in zip(planes.shape, steps, strict=True))
    wanted = -900 + z[:, None, None] + 2 * y[None, :, None] + 3 * x[None, None, :]
    inner = (slice(None), slice(2, -2), slice(2, -2))  # beyond the last centre nothing is known
    assert np.abs(planes - wanted)[inner].max() < 1.0


def test_an_average_is_kept_and_padding_is_air():
    rng = np.random.default_rng(0)
    hu = rng.integers(-1000, 500, (30, 60, 60)).astype(np.int16)
    planes = lung_planes(hu, (1.0, 0.7, 0.7))
    assert planes.mean() == pytest.approx(hu.mean(), abs=0.01)
    assert lung_planes(np.full((3, 9, 9), -3024, np.int16), (3.0, 1.5, 1.5)).min() == -1024


def test_some_planes_are_those_of_all():
    hu = np.random.default_rng(1).integers(-1000, 500, (31, 40, 40)).astype(np.int16)
    some = lung_planes(hu, (1.1, 0.9, 0.9), slice(3, 6))
    np.testing.assert_array_equal(some, lung_planes(hu, (1.1, 0.9, 0.9))[3:6])


def test_labels_go_to_those_that_cover_most():
    labels = np.zeros((6, 40, 40), np.uint8)
    labels[:, :20] = 1
    labels[:, 20:, :20] = 2
    labels[:, 20:, 20:30] = 255
    planes = lung_label_planes(labels, (1.0, 0.75, 0.75))
    assert planes.shape == (2, 20, 20)
    assert (planes[:, :10] == 1).all()
    assert (planes[:, 10:, :10] == 2).all()
    assert (planes[:, 10:, 10:] == 0).all()


def test_neighbours_lie_three_to_eight_millimetres_away():
    for step in (3.0, 4.0, 5.0, 8.0):
        around = with_neighbours(9, step)
        assert 3 <= step * (around[4, 1] - around[4, 0]) <= 8
    np.testing.assert_array_equal(with_neighbours(9, 3.0)[[0, 8]], [[0, 0, 2], [6, 8, 8]])
