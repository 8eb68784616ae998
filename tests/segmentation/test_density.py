import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.density import density_class, solid_part
from napari_vaemed.segmentation.measure import measure_nodule

SPACING = (1.0, 0.7, 0.7)


def layered(*layers, blur_mm=0.5, around=-850.0):
    """Balls of (diameter, HU), the largest first, and the mask of the first."""
    half = [int(np.ceil(14 / s)) for s in SPACING]
    axes = [np.arange(-n, n + 1) * s for n, s in zip(half, SPACING, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    away = np.sqrt(z**2 + y**2 + x**2)
    hu = np.full(away.shape, around)
    for diameter, value in layers:
        hu[away < diameter / 2] = value
    hu = ndimage.gaussian_filter(hu, [blur_mm / s for s in SPACING])
    rng = np.random.default_rng(0)
    hu += rng.normal(0, 20, hu.shape)
    return Volume(np.rint(hu).astype(np.int16), SPACING), NoduleMask.of(away < layers[0][0] / 2)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([(12, 40)], "solid"),
        ([(6, 40)], "solid"),
        ([(12, -550)], "ground-glass"),
        ([(6, -550)], "ground-glass"),
        ([(14, -520), (7, 20)], "part-solid"),
        ([(14, -520), (10, 20)], "part-solid"),
        ([(12, 60), (8, 480)], "calcified"),
        ([(12, 40), (3, 480)], "solid"),  # calcium under a tenth of it
        ([(16, 40), (9, -900)], "solid"),  # a cavity is no ground glass
    ],
)
def test_a_nodule_is_told_by_its_layers(layers, expected):
    assert density_class(*layered(*layers)) == expected


def test_the_solid_part_is_the_core():
    volume, mask = layered((16, -520), (8, 20))
    part = solid_part(volume, mask)
    ball = np.pi / 6 * 8**3
    assert part.voxels.sum() * volume.voxel_mm3 == pytest.approx(ball, rel=0.15)
    solid = measure_nodule(volume, mask).solid
    assert solid.mean_mm == pytest.approx(8, abs=0.7)
    assert solid.volume_mm3 == pytest.approx(ball, rel=0.15)


def test_only_a_part_solid_nodule_has_a_solid_part():
    assert measure_nodule(*layered((12, 40))).solid is None
    volume, mask = layered((12, -550))
    assert solid_part(volume, mask) is None
    assert measure_nodule(volume, mask).solid is None


def test_a_solid_nodule_on_large_pixels_is_solid(small_phantom):
    nodule = next(n for n in small_phantom.planted if n.kind == "solid" and n.diameter_mm > 8)
    mask = NoduleMask.of(small_phantom.nodules == nodule.label)
    assert density_class(small_phantom.volume, mask) == "solid"
