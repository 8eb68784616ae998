"""Calipers against closed forms, scikit-image and a phantom whose edges are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import ellipse as drawn_ellipse
from skimage.draw import polygon2mask

from napari_vaemed.data.caliper import POINTS, Caliper
from napari_vaemed.data.volume import Volume
from napari_vaemed.preprocessing.calipers import (
    NoCaliper,
    across,
    caliper_from_drags,
    ellipse_corners,
    ellipse_in_corners,
    measure_caliper,
    voxels_in_ellipse,
)

SPACING = (5.0, 0.6, 0.6)
SHAPE = (24, 90, 100)
PLANES_OF = {0: (1, 2), 1: (0, 2), 2: (0, 1)}
reals = st.floats(0, 1)
places = st.tuples(reals, reals, reals)


def volume_of(hu, spacing=SPACING, **more):
    return Volume(np.asarray(hu, np.int16), spacing, origin=(-30.0, 12.5, 700.0), **more)


@pytest.fixture(scope="module")
def plain():
    return volume_of(np.zeros(SHAPE))


def drawn(kind, axis, *drags, index=8, spacing=SPACING):
    return caliper_from_drags(kind, axis, index, drags, spacing)


def in_plane(axis, row, column):
    point = np.zeros(3)
    point[list(PLANES_OF[axis])] = row, column
    return point


# lengths and angles


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_line_is_as_long_as_the_patient_is_there(plain, axis):
    a, b = in_plane(axis, 2.25, 3.5), in_plane(axis, 14.75, 17.0)
    caliper = drawn("line", axis, (a, b))
    rows, columns = PLANES_OF[axis]
    truth = np.hypot(12.5 * SPACING[rows], 13.5 * SPACING[columns])
    assert measure_caliper(caliper, plain).length_mm == pytest.approx(truth, rel=1e-12)
    ends = plain.to_world(np.array(caliper.points))
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(truth, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2), places, places, st.floats(0, 360))
def test_lengths_are_those_of_any_oblique_patient(axis, a, b, turn):
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, c, -s], [0, s, c]]
    )
    volume = volume_of(np.zeros(SHAPE), direction=direction)
    a, b = (np.multiply(p, np.subtract(SHAPE, 1)) for p in (a, b))
    caliper = drawn("line", axis, (a, b))
    apart = np.linalg.norm(np.subtract(*volume.to_world(np.array(caliper.points))))
    if apart < 0.2:
        return
    assert measure_caliper(caliper, volume).length_mm == pytest.approx(apart, rel=1e-9)


def known_block():
    """A block of soft tissue in air at 0.6 × 0.6 × 5 mm, and its ends (z, y, x) in voxels.

    Voxels that it fills in part are mixed, as a scanner would.
    """
    low, high = np.array([4.3, 20.35, 30.8]), np.array([15.9, 61.15, 79.4])
    share = np.ones(SHAPE)
    for axis, count in enumerate(SHAPE):
        index = np.arange(count)
        filled = np.minimum(index + 0.5, high[axis]) - np.maximum(index - 0.5, low[axis])
        share *= np.clip(filled, 0, 1).reshape([-1 if a == axis else 1 for a in range(3)])
    hu = -1000 + 1040 * share
    return volume_of(np.rint(hu)), low, high


@pytest.mark.parametrize(("axis", "along"), [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)])
def test_lengths_agree_with_a_phantom_to_half_a_pixel_at_thick_slices(axis, along):
    volume, low, high = known_block()
    middle = np.rint((low + high) / 2).astype(int)
    at = [int(m) for m in middle]
    at[along] = slice(None)
    # The reader points at where the picture is half as bright as tissue.
    bright = (volume.hu[tuple(at)] + 1000) / 1040
    index, inside = np.arange(SHAPE[along]), np.flatnonzero(bright > 0.5)
    start, end = middle.astype(float), middle.astype(float)
    first, last = inside[0], inside[-1]
    start[along] = np.interp(0.5, bright[[first - 1, first]], index[[first - 1, first]])
    end[along] = np.interp(0.5, bright[[last + 1, last]], index[[last + 1, last]])
    caliper = drawn("line", axis, (start, end), index=int(middle[axis]))
    truth = (high - low)[along] * SPACING[along]
    measured = measure_caliper(caliper, volume).length_mm
    assert abs(measured - truth) <= SPACING[along] / 2


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("degrees", [0.01, 30.0, 90.0, 137.0, 179.99, 180.0])
def test_an_angle_is_the_one_between_the_legs_in_mm(plain, axis, degrees):
    rows, columns = PLANES_OF[axis]
    vertex = in_plane(axis, SHAPE[rows] / 2, SHAPE[columns] / 2)
    tips = []
    for angle in (20.0, 20.0 + degrees):
        tip = vertex.copy()
        tip[rows] += 9 * np.sin(np.radians(angle)) / SPACING[rows]
        tip[columns] += 9 * np.cos(np.radians(angle)) / SPACING[columns]
        tips.append(tip)
    caliper = drawn("angle", axis, (tips[0], vertex), (vertex, tips[1]))
    assert len(caliper.points) == POINTS["angle"]
    assert measure_caliper(caliper, plain).angle_deg == pytest.approx(degrees, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2), places, places, places, places)
def test_the_short_line_is_square_and_starts_from_the_long_one(axis, a, b, c, d):
    a, b, c, d = (np.multiply(p, np.subtract(SHAPE, 1)) for p in (a, b, c, d))
    caliper = drawn("bidirectional", axis, (a, b), (c, d))
    mm = np.array(caliper.points) * SPACING
    long, short = mm[1] - mm[0], mm[3] - mm[2]
    if np.linalg.norm(long) < 1 or np.linalg.norm(short) < 1:
        return
    assert abs(long @ short) <= 1e-6 * np.linalg.norm(long) * np.linalg.norm(short)
    # where they meet: between the ends of both
    share_long = (mm[2] - mm[0]) @ long / (long @ long)
    share_short = (mm[0] + share_long * long - mm[2]) @ short / (short @ short)
    assert -1e-6 <= share_long <= 1 + 1e-6
    assert -1e-6 <= share_short <= 1 + 1e-6


def test_both_lengths_of_a_bidirectional_caliper(plain):
    start, end = (8, 20, 20), (8, 20, 70)
    caliper = drawn("bidirectional", 0, (start, end), ((8, 10, 40), (8, 35, 47)))
    reading = measure_caliper(caliper, plain)
    assert reading.length_mm == pytest.approx(50 * 0.6)
    assert reading.short_mm == pytest.approx(25 * 0.6)
    assert [p[2] for p in caliper.points[2:]] == [40, 40]


def test_an_end_beyond_the_long_line_is_taken_to_its_nearest_point():
    short = across([(0, 0, 0), (0, 0, 10)], 1.0, (0, -3, 12), (0, 4, 15), (1, 1, 1))
    assert short[np.argsort(short[:, 1])] == pytest.approx(np.array([(0, -3, 10), (0, 4, 10)]))


# ellipses


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_mean_over_a_gradient_is_its_value_at_the_middle(axis):
    """A plane through an ellipse that is symmetric about a voxel has that voxel's value as mean."""
    z, y, x = np.indices(SHAPE)
    volume = volume_of(-700 + 11 * z + 3 * y - 2 * x)
    rows, columns = PLANES_OF[axis]
    caliper = drawn("ellipse", axis, (in_plane(axis, 6, 20), in_plane(axis, 16, 44)))
    reading = measure_caliper(caliper, volume)
    middle = [0, 0, 0]
    middle[axis], middle[rows], middle[columns] = 8, 11, 32
    assert reading.mean_hu == pytest.approx(volume.hu[tuple(middle)], abs=1e-9)
    area = np.pi / 4 * (10 * SPACING[rows]) * (24 * SPACING[columns])
    assert reading.area_mm2 == pytest.approx(area, rel=1e-12)


def test_the_sd_of_a_gradient_comes_near_that_of_the_continuous_ellipse():
    """Along an axis of half length a, a gradient g has the SD g a / 2 over an ellipse."""
    x = np.arange(300)
    volume = volume_of(np.broadcast_to(4 * x - 600, (3, 300, 300)), (5.0, 0.6, 0.6))
    caliper = drawn("ellipse", 0, ((1, 30, 50), (1, 230, 250)), index=1)
    reading = measure_caliper(caliper, volume)
    assert reading.sd_hu == pytest.approx(4 * 100 / 2, rel=2e-3)
    assert reading.voxels == pytest.approx(np.pi * 100**2, rel=2e-3)


@settings(max_examples=60, deadline=None)
@given(st.floats(5, 80), st.floats(5, 80), st.floats(3, 40), st.floats(3, 40))
def test_the_voxels_are_those_that_scikit_image_draws(row, column, half_rows, half_columns):
    volume = volume_of(np.zeros((3, 90, 100)))
    low = np.array([1, row - half_rows, column - half_columns])
    high = np.array([1, row + half_rows, column + half_columns])
    caliper = drawn("ellipse", 0, (low, high), index=1)
    mine = np.zeros(volume.shape, bool)
    mine[voxels_in_ellipse(caliper, volume)] = True
    theirs = np.zeros(volume.shape, bool)
    theirs[1][drawn_ellipse(row, column, half_rows, half_columns, shape=(90, 100))] = True
    _, y, x = np.nonzero(mine ^ theirs)
    edge = ((y - row) / half_rows) ** 2 + ((x - column) / half_columns) ** 2
    assert np.abs(edge - 1).max(initial=0) < 1e-6  # they leave out what lies on the edge


def test_a_turned_ellipse_reads_the_voxels_in_its_outline():
    rng = np.random.default_rng(3)
    volume = volume_of(rng.integers(-900, 100, (3, 120, 120)), (5.0, 0.6, 0.8))
    turn, a, b = np.radians(33.0), 21.0, 9.0  # mm
    u, v = np.array([np.sin(turn), np.cos(turn)]) * a, np.array([np.cos(turn), -np.sin(turn)]) * b
    middle = np.array([36.1, 47.3])
    ends = [middle - u, middle + u, middle - v, middle + v]
    points = tuple((1.0, float(y) / 0.6, float(x) / 0.8) for y, x in ends)
    reading = measure_caliper(Caliper("ellipse", 0, points), volume)
    t = np.linspace(0, 2 * np.pi, 4000)[:, None]
    outline = (middle + np.cos(t) * u + np.sin(t) * v) / (0.6, 0.8)
    inside = polygon2mask(volume.shape[1:], outline)
    assert reading.voxels == pytest.approx(inside.sum(), abs=2)
    assert reading.mean_hu == pytest.approx(volume.hu[1][inside].mean(), abs=1)
    assert reading.area_mm2 == pytest.approx(np.pi * a * b)


def test_corners_and_axes_of_an_ellipse_are_two_ways_to_say_it():
    caliper = drawn("ellipse", 1, ((3, 0, 10), (15, 0, 70)), index=8)
    again = ellipse_in_corners(ellipse_corners(caliper.points), SPACING)
    np.testing.assert_allclose(again, caliper.points, atol=1e-9)
    mm = np.array(caliper.points) * SPACING
    assert np.linalg.norm(mm[1] - mm[0]) >= np.linalg.norm(mm[3] - mm[2])


def test_a_sheared_box_holds_the_same_ellipse_by_its_principal_axes():
    box = np.array([(1, 10, 10), (1, 12, 50), (1, 42, 60), (1, 40, 20)], float)
    ends = ellipse_in_corners(box, (1, 1, 1))
    long, short = ends[1] - ends[0], ends[3] - ends[2]
    assert long @ short == pytest.approx(0, abs=1e-9)
    parallelogram = np.linalg.norm(np.cross(box[1] - box[0], box[3] - box[0]))
    area = np.pi / 4 * np.linalg.norm(long) * np.linalg.norm(short)
    assert area == pytest.approx(np.pi / 4 * parallelogram)
    assert ends[:2].mean(axis=0) == pytest.approx(box.mean(axis=0))


def test_padding_has_no_hu():
    hu = np.full((3, 20, 20), 40)
    hu[:, :, :10] = -2000
    volume = volume_of(hu, padding=-2000)
    reading = measure_caliper(drawn("ellipse", 0, ((1, 4, 4), (1, 16, 16)), index=1), volume)
    assert (reading.mean_hu, reading.sd_hu) == (40, 0)
    bare = measure_caliper(
        drawn("ellipse", 0, ((1, 4, 4), (1, 16, 16)), index=1), replace(volume, padding=None)
    )
    assert bare.mean_hu < 0
    assert bare.voxels > reading.voxels


# what measures nothing


@pytest.mark.parametrize("kind", POINTS)
def test_a_click_is_no_caliper(plain, kind):
    point = (8, 20, 20)
    with pytest.raises(NoCaliper, match=r"no length|no area"):
        measure_caliper(drawn(kind, 0, (point, point), (point, point)), plain)


def test_a_line_beyond_the_ct_is_refused(plain):
    with pytest.raises(NoCaliper, match="beyond the CT"):
        measure_caliper(drawn("line", 0, ((8, 20, 20), (8, 20, 100))), plain)


def test_an_ellipse_between_voxel_centres_is_refused(plain):
    with pytest.raises(NoCaliper, match="No voxel's centre"):
        measure_caliper(drawn("ellipse", 0, ((8, 20.1, 20.1), (8, 20.9, 20.9))), plain)
