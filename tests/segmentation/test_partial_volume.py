import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.measure import measure_nodule
from napari_vaemed.segmentation.partial_volume import filled

SPACING = (1.25, 0.7, 0.7)


def ball(diameter, core=40.0, around=-850.0, centre=(0.2, 0.3, -0.1), blur_mm=0.5):
    """A ball whose border voxels are mixed, as a scanner shows it, and the voxels half inside."""
    fine = 4
    axes = [
        (np.arange(-20 * fine, 20 * fine) + 0.5) / fine * s - c
        for s, c in zip(SPACING, centre, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = (z**2 + y**2 + x**2 < diameter**2 / 4).astype(np.float32)
    share = inside.reshape(40, fine, 40, fine, 40, fine).mean((1, 3, 5))
    hu = ndimage.gaussian_filter(around + share * (core - around), [blur_mm / s for s in SPACING])
    return Volume(np.rint(hu).astype(np.int16), SPACING), NoduleMask.of(share >= 0.5)


@pytest.mark.parametrize("diameter", [5.0, 8.0, 12.5, 20.0])
@pytest.mark.parametrize("core", [40.0, -550.0])
def test_a_ball_has_the_volume_of_a_ball(diameter, core):
    volume, mask = ball(diameter, core)
    measured = measure_nodule(volume, mask, refined=True)
    assert measured.partial_volume_mm3 == pytest.approx(np.pi / 6 * diameter**3, rel=0.05)
    assert measured.volume_mm3 == pytest.approx(mask.voxels.sum() * volume.voxel_mm3)


@pytest.mark.parametrize("diameter", [6.0, 8.0, 12.5, 20.0])
def test_diameters_come_out_finer_than_the_voxels(diameter):
    volume, mask = ball(diameter)
    measured = measure_nodule(volume, mask, refined=True)
    assert measured.longest_mm == pytest.approx(diameter, abs=0.35)
    assert measured.perpendicular_mm == pytest.approx(diameter, abs=0.35)


def test_most_of_a_voxel_too_much_or_too_little_is_put_right():
    volume, mask = ball(12.0)
    exact = measure_nodule(volume, mask, refined=True).partial_volume_mm3
    whole = mask.full(volume.shape)
    for other in (ndimage.binary_dilation(whole), ndimage.binary_erosion(whole)):
        put_right = measure_nodule(volume, NoduleMask.of(other), refined=True)
        off = abs(put_right.volume_mm3 - exact)
        assert abs(put_right.partial_volume_mm3 - exact) < 0.4 * off
        drawn = measure_nodule(volume, NoduleMask.of(other))
        assert drawn.partial_volume_mm3 == drawn.volume_mm3


def test_without_contrast_the_mask_decides():
    volume, mask = ball(12.0)
    flat = Volume(np.full(volume.shape, 40, np.int16), SPACING)
    assert filled(flat, mask).share.sum() == mask.voxels.sum()


def test_a_calcified_centre_does_not_empty_the_rim():
    volume, mask = ball(12.0)
    hu = volume.hu.copy()
    hu[ndimage.binary_erosion(mask.full(volume.shape), iterations=2)] = 700
    calcified = measure_nodule(Volume(hu, SPACING), mask, refined=True)
    assert calcified.partial_volume_mm3 == pytest.approx(np.pi / 6 * 12**3, rel=0.06)


def test_a_hollow_does_not_fill_what_is_outside():
    volume, mask = ball(7.0)
    hollow, _ = ball(4.0)
    hu = np.where(hollow.hu > -400, -900, volume.hu).astype(np.int16)
    measured = measure_nodule(Volume(hu, SPACING), mask, refined=True)
    assert measured.partial_volume_mm3 == pytest.approx(np.pi / 6 * 7**3, rel=0.12)


def test_a_hollow_nodule_is_as_large_as_it_is():
    volume, mask = ball(12.0)
    hollow, _ = ball(6.0)
    share = (hollow.hu + 850.0) / 890
    hu = np.rint(volume.hu + share * (-900 - 40)).astype(np.int16)
    measured = measure_nodule(Volume(hu, SPACING), mask, refined=True)
    assert measured.partial_volume_mm3 == pytest.approx(np.pi / 6 * 12**3, rel=0.04)
    assert measured.longest_mm == pytest.approx(12, abs=0.3)


def test_a_halo_the_mask_ends_in_is_measured_whole():
    halo, whole = ball(14.0, -520.0)
    core, _ = ball(7.0, 20.0, -520.0)
    hu = np.where(core.hu > -500, core.hu, halo.hu).astype(np.int16)
    short = NoduleMask.of(ndimage.binary_erosion(whole.full(halo.shape)))
    measured = measure_nodule(Volume(hu, SPACING), short, refined=True)
    assert measured.density == "part-solid"
    assert measured.longest_mm == pytest.approx(14, abs=0.7)
    assert measured.partial_volume_mm3 == pytest.approx(np.pi / 6 * 14**3, rel=0.1)


@pytest.mark.parametrize(("beside", "runs_in"), [
    (lambda z, y, x: (z**2 + y**2 < 4) & (x > 4), True),  # a vessel
    (lambda z, y, x: (z**2 + y**2 < 4) & (x > 4) & (x < 7.5), False),  # a lump
    (lambda z, y, x: (x > 2) & (y > -99) & (z > -99), False),  # the wall
])  # fmt: skip
def test_what_is_dense_beside_it_is_a_vessel_where_it_runs_on_and_is_no_wall(beside, runs_in):
    volume, mask = ball(12.0)
    axes = [(np.arange(40) - 19.5) * s for s in SPACING]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    hu = np.where(beside(z, y, x), 40, volume.hu).astype(np.int16)
    fill = filled(Volume(hu, SPACING), mask)
    assert fill.vessels.any() == runs_in
    assert (fill.joined > 0.02) == runs_in
