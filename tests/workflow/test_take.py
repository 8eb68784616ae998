"""What is drawn becomes findings of the size it was drawn."""

import numpy as np
import pytest

from napari_vaemed.data.caliper import Caliper
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.nodules import NoNodule
from napari_vaemed.workflow.take import MOST, take_caliper, take_labels, take_points

SPACING = (2.0, 0.8, 0.8)


@pytest.fixture(scope="module")
def air():
    return Volume(np.full((30, 80, 80), -850, np.int16), SPACING, (-30.0, 10.0, 5.0))


def drawn_on(volume, *boxes):
    labels = np.zeros(volume.shape, np.int16)
    for label, where in boxes:
        labels[where] = label
    return Volume(labels, volume.spacing, volume.origin)


def box(z, y, x, size=6):
    return slice(z, z + 3), slice(y, y + size), slice(x, x + size)


def test_each_piece_of_a_label_is_a_finding_and_specks_are_left_out(air):
    labels = drawn_on(air, (4, box(3, 10, 10)), (4, box(20, 50, 50)), (4, box(9, 30, 30, size=1)))
    taken = finish(take_labels(air, labels, 4))
    assert [m.mask.start for m in taken] == [(3, 10, 10), (20, 50, 50)]
    assert all(m.mask.voxels.sum() == 3 * 36 for m in taken)
    assert all(m.method is None for m in taken)
    assert taken[0].measurement.volume_mm3 == pytest.approx(108 * 2 * 0.64)


def test_one_label_leaves_the_others_alone_and_none_takes_all(air):
    labels = drawn_on(air, (1, box(3, 10, 10)), (2, box(20, 50, 50)))
    (one,) = finish(take_labels(air, labels, 2))
    assert one.mask.start == (20, 50, 50)
    assert len(finish(take_labels(air, labels, None))) == 2


def test_labels_on_another_grid_are_put_onto_the_ct(air):
    coarse = np.zeros((15, 40, 40), np.int16)
    coarse[5:8, 10:14, 10:14] = 1
    origin = tuple(np.add(air.origin, (0.4, 0.4, 1.0)))
    grid = Volume(coarse, (4.0, 1.6, 1.6), origin)
    (taken,) = finish(take_labels(air, grid, 1))
    assert taken.mask.start == (10, 20, 20)
    assert taken.mask.voxels.shape == (6, 8, 8)
    assert taken.mask.voxels.all()


def test_no_label_and_too_many_pieces_are_refused(air):
    with pytest.raises(ValueError, match="Label 3 has no voxels"):
        finish(take_labels(air, drawn_on(air, (1, box(3, 10, 10))), 3))
    dots = np.zeros(air.shape, np.int16)
    dots[::4, ::8, ::8] = 1
    with pytest.raises(ValueError, match=f"at most {MOST}"):
        finish(take_labels(air, Volume(dots, air.spacing, air.origin), 1))


def test_a_line_becomes_a_ball_of_that_diameter(air):
    line = Caliper("line", 0, ((15.0, 40.0, 30.0), (15.0, 40.0, 45.0)))
    taken = take_caliper(air, line)
    assert taken.measurement.longest_mm == pytest.approx(12.0)
    assert taken.measurement.perpendicular_mm == pytest.approx(12.0)
    assert taken.measurement.slice_index == 15
    assert taken.measurement.longest_ends == line.points
    assert taken.measurement.volume_mm3 == pytest.approx(np.pi / 6 * 12**3, rel=0.05)
    centre = air.to_world((15.0, 40.0, 37.5))
    assert taken.measurement.centre_mm == pytest.approx(centre, abs=0.3)


def test_a_bidirectional_caliper_becomes_an_ellipsoid_with_both_diameters(air):
    points = ((15.0, 40.0, 30.0), (15.0, 40.0, 50.0), (15.0, 35.0, 40.0), (15.0, 45.0, 40.0))
    taken = take_caliper(air, Caliper("bidirectional", 0, points))
    assert taken.measurement.longest_mm == pytest.approx(16.0)
    assert taken.measurement.perpendicular_mm == pytest.approx(8.0)
    assert taken.measurement.volume_mm3 == pytest.approx(np.pi / 6 * 16 * 8 * 12, rel=0.05)
    extent = np.array(taken.mask.voxels.shape) * SPACING
    assert extent == pytest.approx((12, 8, 16), abs=2)


def test_a_coronal_caliper_makes_the_ball_but_its_axial_diameters_are_measured(air):
    line = Caliper("line", 1, ((10.0, 40.0, 30.0), (15.0, 40.0, 42.5)))
    taken = take_caliper(air, line)
    length = np.hypot(10, 10)
    assert taken.measurement.longest_mm == pytest.approx(length, abs=0.8)
    assert taken.measurement.longest_mm != pytest.approx(length, abs=1e-6)


def test_a_caliper_smaller_than_a_voxel_is_one_voxel(air):
    line = Caliper("line", 0, ((15.0, 40.4, 30.4), (15.0, 40.4, 30.6)))
    assert take_caliper(air, line).mask.voxels.sum() == 1


def test_an_angle_tells_no_diameter(air):
    angle = Caliper("angle", 0, ((1.0, 2.0, 3.0), (1.0, 5.0, 3.0), (1.0, 5.0, 9.0)))
    with pytest.raises(ValueError, match="no diameter"):
        take_caliper(air, angle)


def test_points_are_clicked(small_phantom):
    volume = small_phantom.volume
    large = [n for n in small_phantom.planted if n.diameter_mm >= 9][:1]
    places = [volume.to_voxel(n.centre_mm) for n in large]
    (marked,) = finish(take_points(volume, [*places, (1.0, 1.0, 1.0)]))
    assert marked.measurement.centre_mm == pytest.approx(large[0].centre_mm, abs=4)
    with pytest.raises(NoNodule):
        finish(take_points(volume, [(1.0, 1.0, 1.0)]))
