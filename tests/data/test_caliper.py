import pytest

from napari_vaemed.data.caliper import PLANES, POINTS, Caliper


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", POINTS)
def test_a_caliper_knows_its_slice_and_plane(kind, axis):
    points = []
    for n in range(POINTS[kind]):
        point = [1.5 + n, 2.25 * n, 3.0 - n]
        point[axis] = 7.0
        points.append(tuple(point))
    caliper = Caliper(kind, axis, tuple(points))
    assert (caliper.slice_index, caliper.plane) == (7, PLANES[axis])


def test_points_on_two_slices_or_between_slices_are_refused():
    with pytest.raises(ValueError, match="lie on one slice"):
        Caliper("line", 0, ((3.0, 1.0, 1.0), (4.0, 1.0, 2.0)))
    with pytest.raises(ValueError, match="lie on one slice"):
        Caliper("line", 1, ((3.0, 1.5, 1.0), (4.0, 1.5, 2.0)))


def test_a_wrong_number_of_points_is_refused():
    with pytest.raises(ValueError, match="has 3 points; got 2"):
        Caliper("angle", 0, ((3.0, 1.0, 1.0), (3.0, 1.0, 2.0)))
