import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.nodules import NoNodule, segment_nodule

SPACINGS = [(1.0, 0.7, 0.7), (2.5, 0.7, 0.7)]


def lung_with(inside, spacing, hu=30.0, half_mm=34.0, seed=0):
    """Lung of −850 HU, a shape in its middle with partial volume, a little blur and noise."""
    half = [int(np.ceil(half_mm / s)) for s in spacing]
    fine = 3
    axes = [
        (np.arange(-fine * n - 1, fine * n + 2) / fine) * s
        for n, s in zip(half, spacing, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    shape = [2 * n + 1 for n in half]
    blocks = np.asarray(inside(x, y, z), np.float32)
    part = blocks.reshape(shape[0], 3, shape[1], 3, shape[2], 3).mean((1, 3, 5))
    image = ndimage.gaussian_filter(-850 + (hu + 850) * part, (0, 0.6, 0.6))
    image += np.random.default_rng(seed).normal(0, 20, image.shape)
    return Volume(np.rint(image).astype(np.int16), spacing), np.array(half, float)


def ball(radius, centre=(0.0, 0.0, 0.0)):
    a, b, c = centre
    return lambda x, y, z: (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 < radius**2


def volume_of(volume, mask):
    return mask.voxels.sum() * volume.voxel_mm3


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("diameter", [6.0, 10.0, 18.0, 26.0])
@pytest.mark.parametrize("hu", [30.0, -570.0])
def test_a_ball_has_its_volume(spacing, diameter, hu):
    volume, middle = lung_with(ball(diameter / 2), spacing, hu)
    found = volume_of(volume, segment_nodule(volume, middle))
    assert found == pytest.approx(np.pi / 6 * diameter**3, rel=0.15)


def test_clicks_around_a_nodule_give_one_answer():
    volume, middle = lung_with(ball(6), (2.5, 0.7, 0.7))
    first = segment_nodule(volume, middle)
    for offset in ([3, 0, 0], [0, -3, 0], [0, 2, 2], [-2, 1, -1], [0, 0, 8]):
        again = segment_nodule(volume, middle + np.array(offset) / volume.spacing)
        assert again.start == first.start
        np.testing.assert_array_equal(again.voxels, first.voxels)


def test_a_vessel_that_touches_is_cut_off():
    def inside(x, y, z):
        return ball(6)(x, y, z) | ((x - 0.2 * z) ** 2 + (y - 6) ** 2 < 1.5**2)

    volume, middle = lung_with(inside, (1.0, 0.7, 0.7))
    found = volume_of(volume, segment_nodule(volume, middle))
    assert found == pytest.approx(np.pi / 6 * 12**3, rel=0.2)


def test_the_chest_wall_is_cut_off():
    volume, middle = lung_with(lambda x, y, z: ball(6)(x, y, z) | (y > 4 + 0 * x), (1.0, 0.7, 0.7))
    cap = np.pi * 2**2 * (3 * 6 - 2) / 3
    found = volume_of(volume, segment_nodule(volume, middle))
    assert found == pytest.approx(np.pi / 6 * 12**3 - cap, rel=0.2)


def test_a_cavity_belongs_to_the_nodule():
    def inside(x, y, z):
        return ball(9)(x, y, z) & ~ball(5)(x, y, z)

    volume, middle = lung_with(inside, (1.0, 0.7, 0.7))
    mask = segment_nodule(volume, middle)
    assert mask.voxels[tuple(int(m) - s for m, s in zip(middle, mask.start, strict=True))]
    assert volume_of(volume, mask) == pytest.approx(np.pi / 6 * 18**3, rel=0.2)


def test_a_halo_belongs_to_the_nodule():
    volume, middle = lung_with(ball(8), (1.0, 0.7, 0.7), hu=-520)
    core, _ = lung_with(ball(4), (1.0, 0.7, 0.7), hu=20)
    both = Volume(np.maximum(volume.hu, core.hu), volume.spacing)
    found = volume_of(both, segment_nodule(both, middle))
    assert found == pytest.approx(np.pi / 6 * 16**3, rel=0.2)


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_a_few_slices_are_enough(slices):
    volume, middle = lung_with(ball(5), (2.5, 0.7, 0.7), half_mm=15)
    first = int(middle[0]) - slices // 2
    thin = Volume(volume.hu[first : first + slices], volume.spacing)
    mask = segment_nodule(thin, middle - [first, 0, 0])
    area = mask.voxels[int(middle[0]) - first - mask.start[0]].sum() * 0.49
    assert area == pytest.approx(np.pi * 25, rel=0.2)


@pytest.mark.parametrize("radius", [1.5, 2.5, 4.0])
@pytest.mark.parametrize("slope", [0.0, 0.6])
def test_a_vessel_is_refused(radius, slope):
    volume, middle = lung_with(
        lambda x, y, z: (x - slope * z) ** 2 + (y + 0.3 * z) ** 2 < radius**2, (1.0, 0.7, 0.7)
    )
    with pytest.raises(NoNodule, match="vessel"):
        segment_nodule(volume, middle)


def test_plain_lung_is_refused():
    volume, middle = lung_with(ball(4, (20, 0, 0)), (1.0, 0.7, 0.7))
    with pytest.raises(NoNodule, match="normal lung"):
        segment_nodule(volume, middle)


@pytest.mark.parametrize(("hu", "reason"), [(40, "chest wall"), (700, "bone"), (-1000, "air")])
def test_a_click_amid_other_things_is_refused_with_their_name(hu, reason):
    volume = Volume(np.full((40, 60, 60), hu, np.int16), (2.0, 1.0, 1.0))
    with pytest.raises(NoNodule, match=reason):
        segment_nodule(volume, (20, 30, 30))


def test_a_click_outside_the_scan_is_refused():
    with pytest.raises(NoNodule, match="outside the scan"):
        segment_nodule(Volume(np.zeros((4, 4, 4), np.int16), (1.0, 1.0, 1.0)), (9, 0, 0))


def test_labels_of_another_volume_are_refused():
    volume = Volume(np.zeros((4, 4, 4), np.int16), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="shape"):
        segment_nodule(volume, (1, 1, 1), np.zeros((4, 4, 5), np.uint8))


def test_memory_order_does_not_matter():
    volume, middle = lung_with(ball(5), (2.5, 0.7, 0.7))
    turned = Volume(np.asfortranarray(volume.hu), volume.spacing)
    first, second = segment_nodule(volume, middle), segment_nodule(turned, middle)
    assert first.start == second.start
    np.testing.assert_array_equal(first.voxels, second.voxels)


def test_nodules_of_a_phantom_are_found_and_its_organs_refused(small_phantom):
    volume, lungs = small_phantom.volume, small_phantom.lungs
    for planted in small_phantom.planted:
        mask = segment_nodule(volume, volume.to_voxel(planted.centre_mm), lungs)
        assert volume_of(volume, mask) == pytest.approx(planted.volume_mm3, rel=0.35)
    outside = np.argwhere((lungs == 0) & (volume.hu > -50))
    for voxel in outside[:: len(outside) // 12]:
        with pytest.raises(NoNodule):
            segment_nodule(volume, voxel, lungs)


def test_a_small_cavity_does_not_inflate_its_nodule():
    def inside(x, y, z):
        return ball(3.2)(x, y, z) & ~ball(1.76)(x, y, z)

    volume, middle = lung_with(inside, (1.0, 0.7, 0.7), half_mm=20)
    found = volume_of(volume, segment_nodule(volume, middle))
    assert found == pytest.approx(np.pi / 6 * 6.4**3, rel=0.25)
