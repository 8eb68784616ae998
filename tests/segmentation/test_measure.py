from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.measure import measure_nodule


def drawn(inside, spacing, half_mm=14.0, origin=(0.0, 0.0, 0.0)):
    """A volume and the mask of the voxels whose centre lies inside a shape around its middle."""
    half = [int(np.ceil(half_mm / s)) for s in spacing]
    axes = [np.arange(-n, n + 1) * s for n, s in zip(half, spacing, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    mask = inside(x, y, z)
    hu = np.where(mask, 40, -850).astype(np.int16)
    return Volume(hu, spacing, origin), NoduleMask.of(mask), half


@pytest.mark.parametrize("spacing", [(1.0, 0.7, 0.7), (2.5, 0.6, 0.6), (5.0, 0.6, 0.6)])
@pytest.mark.parametrize("diameter", [6.0, 11.0, 20.0])
def test_a_ball_measures_its_diameter_every_way(spacing, diameter):
    volume, mask, _ = drawn(lambda x, y, z: x**2 + y**2 + z**2 < (diameter / 2) ** 2, spacing)
    found = measure_nodule(volume, mask)
    assert found.longest_mm == pytest.approx(diameter, abs=spacing[1])
    assert found.perpendicular_mm == pytest.approx(diameter, abs=spacing[1])
    assert found.mean_hu == 40
    assert found.volume_mm3 == pytest.approx(mask.voxels.sum() * volume.voxel_mm3)


def test_discs_are_not_measured_too_long_or_short_on_the_whole():
    errors = []
    for diameter in np.arange(5, 20, 0.37):
        volume, mask, _ = drawn(
            lambda x, y, z, d=diameter: (x**2 + y**2 < d**2 / 4) & (abs(z) < 2), (1.0, 0.7, 0.7)
        )
        errors.append(measure_nodule(volume, mask).longest_mm - diameter)
    assert abs(np.median(errors)) < 0.35 * 0.7


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90])
def test_a_turned_ellipse_keeps_its_two_diameters(degrees):
    turn = np.deg2rad(degrees)

    def inside(x, y, z):
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        return (u / 10) ** 2 + (v / 5) ** 2 + (z / 6) ** 2 < 1

    volume, mask, _ = drawn(inside, (5.0, 0.6, 0.6))
    found = measure_nodule(volume, mask)
    assert found.longest_mm == pytest.approx(20, abs=0.7)
    assert found.perpendicular_mm == pytest.approx(10, abs=0.9)
    across, along = (
        np.subtract(*ends)[1:] for ends in (found.perpendicular_ends, found.longest_ends)
    )
    assert abs(across @ along) < 1e-6 * np.linalg.norm(across) * np.linalg.norm(along) + 1e-6


def test_a_box_is_measured_along_its_diagonal():
    volume, mask, _ = drawn(
        lambda x, y, z: (abs(x) < 6.05) & (abs(y) < 4.55) & (abs(z) < 3), (1, 0.1, 0.1)
    )
    found = measure_nodule(volume, mask)
    assert found.longest_mm == pytest.approx(np.hypot(12.1, 9.1), abs=0.15)
    # The longest chord at right angles to the diagonal runs from side to side.
    assert found.perpendicular_mm == pytest.approx(9.1 / (12.1 / np.hypot(12.1, 9.1)), abs=0.2)


def test_a_vessel_the_mask_goes_along_lengthens_no_diameter():
    spacing = (1.25, 0.7, 0.7)

    def inside(x, y, z):
        return (x**2 + y**2 + z**2 < 25) | ((y**2 + z**2 < 1) & (x > 0) & (x < 9))

    volume, mask, _ = drawn(inside, spacing)
    assert measure_nodule(volume, mask).longest_mm == pytest.approx(14, abs=0.7)
    assert measure_nodule(volume, mask, refined=True).longest_mm == pytest.approx(10, abs=1.0)


def test_the_longest_slice_is_the_one_measured():
    def inside(x, y, z):
        return (x**2 + y**2 < (5 + 0.4 * z) ** 2) & (abs(z) < 6)

    volume, mask, half = drawn(inside, (2.0, 0.7, 0.7))
    found = measure_nodule(volume, mask)
    assert found.slice_index == half[0] + 2
    assert found.longest_ends[0][0] == found.slice_index
    length = np.linalg.norm(np.subtract(*found.longest_ends) * volume.spacing)
    assert length == pytest.approx(found.longest_mm)


def test_the_centre_is_in_patient_millimetres():
    volume, mask, half = drawn(
        lambda x, y, z: x**2 + y**2 + z**2 < 25, (2.5, 0.6, 0.6), origin=(-100.0, 50.0, 7.0)
    )
    expected = volume.to_world(half)
    assert measure_nodule(volume, mask).centre_mm == pytest.approx(expected, abs=1e-6)


def test_a_single_voxel_can_be_measured():
    mask = NoduleMask(np.ones((1, 1, 1), bool), (1, 2, 3))
    found = measure_nodule(Volume(np.zeros((4, 5, 6), np.int16), (5.0, 0.6, 0.6)), mask)
    assert found.longest_mm == pytest.approx(0.3)
    assert found.volume_mm3 == pytest.approx(1.8)


def test_a_mask_of_another_volume_is_refused():
    mask = NoduleMask(np.ones((2, 2, 2), bool), (3, 0, 0))
    with pytest.raises(ValueError, match="does not fit"):
        measure_nodule(Volume(np.zeros((4, 5, 6), np.int16), (1.0, 1.0, 1.0)), mask)


def test_an_empty_mask_is_refused():
    mask = NoduleMask(np.zeros((2, 2, 2), bool), (0, 0, 0))
    with pytest.raises(ValueError, match="empty"):
        measure_nodule(Volume(np.zeros((4, 5, 6), np.int16), (1.0, 1.0, 1.0)), mask)


def test_the_mean_diameter_is_rounded_to_the_nearest_millimetre():
    volume, mask, _ = drawn(lambda x, y, z: x**2 + y**2 + z**2 < 4.3**2, (1.0, 0.5, 0.5))
    found = measure_nodule(volume, mask)
    assert found.mean_mm == (found.longest_mm + found.perpendicular_mm) / 2
    assert found.rounded_mm == 9
    assert replace(found, longest_mm=8.0, perpendicular_mm=9.0).rounded_mm == 9  # halves go up


@pytest.mark.parametrize("spacing", [(1.0, 0.7, 0.7), (2.5, 0.6, 0.6)])
def test_the_longest_diameter_in_any_direction_is_that_of_a_slanted_rod(spacing):
    direction = np.array([0.6, 0.0, 0.8])  # x, y, z

    def inside(x, y, z):
        along = x * direction[0] + z * direction[2]
        return (abs(along) < 11) & (x**2 + y**2 + z**2 - along**2 < 2.5**2)

    volume, mask, _ = drawn(inside, spacing)
    assert measure_nodule(volume, mask).longest_3d_mm == pytest.approx(np.hypot(22, 5), abs=1.2)


def test_a_ball_is_round_and_a_rod_is_not():
    ball, ball_mask, _ = drawn(lambda x, y, z: x**2 + y**2 + z**2 < 64, (1.0, 0.7, 0.7))
    rod, rod_mask, _ = drawn(lambda x, y, z: (abs(x) < 12) & (y**2 + z**2 < 9), (1.0, 0.7, 0.7))
    assert measure_nodule(ball, ball_mask).sphericity > 0.95
    # a cylinder: (18 V² pi)^(1/3) / A with h = 24, r = 3
    cylinder = np.pi ** (1 / 3) * (6 * np.pi * 9 * 24) ** (2 / 3) / (2 * np.pi * 3 * (3 + 24))
    assert measure_nodule(rod, rod_mask).sphericity == pytest.approx(cylinder, abs=0.06)


def test_percentiles_are_those_of_the_voxels():
    volume, mask, _ = drawn(lambda x, y, z: x**2 + y**2 + z**2 < 64, (1.0, 0.7, 0.7))
    hu = volume.hu.copy()
    inside = hu[mask.where][mask.voxels]
    hu[mask.where][mask.voxels] = np.linspace(-100, 100, len(inside)).astype(np.int16)
    found = measure_nodule(replace(volume, hu=hu), mask)
    assert found.hu_percentiles == pytest.approx((-90, -50, 0, 50, 90), abs=1.5)


def lungs_around(volume, half, wall_mm):
    """Right lung at low x and left at high x, each ``wall_mm`` from the middle of its wall."""
    labels = np.zeros(volume.shape, np.uint8)
    x = (np.arange(volume.shape[2]) - half[2]) * volume.spacing[2]
    labels[..., x < wall_mm] = 1
    labels[..., x > wall_mm + 6] = 2
    return labels


def test_side_and_distance_to_the_pleura_come_from_the_lung_labels():
    volume, mask, half = drawn(lambda x, y, z: x**2 + y**2 + z**2 < 16, (1.0, 0.7, 0.7), half_mm=20)
    found = measure_nodule(volume, mask, lungs_around(volume, half, 10.0))
    assert found.side == "right"
    assert found.pleura_mm == pytest.approx(6.0, abs=0.8)
    touching = measure_nodule(volume, mask, lungs_around(volume, half, 3.0))
    assert touching.pleura_mm < 0.5
    other = measure_nodule(volume, mask, lungs_around(volume, half, -12.0))
    assert other.side == "left"
    unknown = measure_nodule(volume, mask)
    assert unknown.side is None
    assert unknown.pleura_mm is None


@pytest.mark.parametrize("apart_mm", [16.0, 33.0, 55.0])
def test_the_distance_to_a_pleura_far_off_is_told_less_finely(apart_mm):
    volume, mask, half = drawn(
        lambda x, y, z: x**2 + y**2 + z**2 < 16, (1.25, 0.7, 0.7), half_mm=apart_mm + 6
    )
    found = measure_nodule(volume, mask, lungs_around(volume, half, 4.0 + apart_mm))
    assert found.pleura_mm == pytest.approx(apart_mm, abs=1.2 if apart_mm < 24 else 2.6)


def test_labels_of_another_volume_are_refused():
    volume, mask, _ = drawn(lambda x, y, z: x**2 + y**2 + z**2 < 16, (1.0, 0.7, 0.7))
    with pytest.raises(ValueError, match="made on this volume"):
        measure_nodule(volume, mask, np.zeros((3, 3, 3), np.uint8))
