import numpy as np
import pytest
from scipy import ndimage

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.segmentation.measure import measure_nodule
from napari_vaemed.segmentation.nodules import NoNodule, segment_nodule
from napari_vaemed.segmentation.uncertainty import CLICKS, error_bars, intervals, spread_of


def ball(diameter, spacing=(1.25, 0.7, 0.7), half_mm=32.0, centre=(0.3, -0.2, 0.1), beside=None):
    """A ball in noisy lung, blurred as a scanner does, and its voxels; ``beside`` is dense too."""
    half = [int(half_mm / s) for s in spacing]
    axes = [np.arange(-n, n + 1) * s - c for n, s, c in zip(half, spacing, centre, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = np.broadcast_to(z**2 + y**2 + x**2 < diameter**2 / 4, [2 * n + 1 for n in half])
    hu = np.where(inside, 40.0, -850.0)
    if beside is not None:
        hu[np.broadcast_to(beside(z, y, x), hu.shape)] = 40
    rng = np.random.default_rng(1)
    hu = ndimage.gaussian_filter(hu, [0.5 / s for s in spacing])
    hu += ndimage.gaussian_filter(rng.normal(0, 40, hu.shape), 0.7)
    return Volume(np.rint(hu).astype(np.int16), spacing), NoduleMask.of(inside)


def bars_of(volume, mask, outlines=()):
    measured = measure_nodule(volume, mask, refined=bool(outlines))
    return measured, finish(error_bars(volume, mask, measured, outlines))


def same(mask):
    """An outline that finds the same from everywhere."""
    return lambda volume, voxel: mask


@pytest.mark.parametrize("diameter", [5.0, 9.0, 14.0])
def test_the_truth_of_a_ball_lies_inside_its_bars(diameter):
    volume, _ = ball(diameter)
    clicked = segment_nodule(volume, np.array(volume.shape) // 2)
    measured, bars = bars_of(volume, clicked, (segment_nodule, segment_nodule))
    assert bars.clicks == CLICKS
    assert bars.longest_mm.low < diameter < bars.longest_mm.high
    assert bars.mean_mm.low < diameter < bars.mean_mm.high
    assert bars.volume_mm3.low < np.pi / 6 * diameter**3 < bars.volume_mm3.high
    assert bars.volume_mm3.value == measured.partial_volume_mm3
    assert bars.mean_mm.half_width < 0.2 * diameter


def test_thicker_slices_and_larger_pixels_widen_the_bars():
    def widths(spacing):
        volume, mask = ball(9.0, spacing)
        bars = bars_of(volume, mask, (same(mask),))[1]
        return bars.mean_mm.half_width, bars.volume_mm3.half_width

    fine, thick, coarse = (widths(s) for s in ((1, 0.6, 0.6), (3, 0.6, 0.6), (1, 1.0, 1.0)))
    assert thick[1] > 1.2 * fine[1]
    assert coarse[0] > 1.2 * fine[0]


def test_clicks_that_differ_widen_the_bars():
    volume, mask = ball(10.0)
    other = NoduleMask.of(ndimage.binary_dilation(mask.full(volume.shape), iterations=2))
    answers = [mask, other, mask, other]
    steady = bars_of(volume, mask, (same(mask),))[1]
    shaky = bars_of(volume, mask, (lambda volume, voxel: answers.pop(),))[1]
    assert shaky.volume_mm3.half_width > 1.3 * steady.volume_mm3.half_width
    assert shaky.longest_mm.half_width > 1.3 * steady.longest_mm.half_width


def test_touching_a_wall_widens_the_bars():
    free = bars_of(*(pair := ball(10.0)), (same(pair[1]),))[1]
    volume, mask = ball(10.0, beside=lambda z, y, x: x > 3.5)
    at_wall = bars_of(volume, mask, (same(mask),))[1]
    assert at_wall.mean_mm.half_width > 1.3 * free.mean_mm.half_width


def test_another_way_that_sees_something_else_widens_the_bars():
    volume, mask = ball(10.0)
    other = NoduleMask.of(ndimage.binary_dilation(mask.full(volume.shape), iterations=2))
    agreed = bars_of(volume, mask, (same(mask), same(mask)))[1]
    apart = bars_of(volume, mask, (same(mask), same(other)))[1]
    unseen = bars_of(volume, mask, (same(mask), refuse))[1]
    assert apart.volume_mm3.half_width > agreed.volume_mm3.half_width
    assert unseen.volume_mm3.half_width > agreed.volume_mm3.half_width


def refuse(volume, voxel):
    raise NoNodule("No nodule here.")


def test_what_reaches_the_edge_of_the_scan_is_not_measured():
    volume, mask = ball(10.0)
    start, first = mask.start[0] + 3, slice(mask.start[0] + 3, None)
    cut = Volume(volume.hu[first], volume.spacing)
    piece = NoduleMask.of(mask.full(volume.shape)[first])
    assert start > 3
    assert "edge of the scan" in bars_of(cut, piece)[1].refused


def test_what_is_too_small_for_its_slices_or_pixels_is_not_measured():
    volume, mask = ball(4.0, (5.0, 0.7, 0.7), centre=(0.0, 0.0, 0.0))
    assert "too small for these slices" in bars_of(volume, mask)[1].refused
    volume, mask = ball(2.0, (0.7, 1.0, 1.0))
    assert "too small for these pixels" in bars_of(volume, mask)[1].refused


def test_what_a_vessel_joins_all_around_is_not_measured():
    def beside(z, y, x):
        return (abs(y) < 3.6) & (abs(z) < 3.6) & (x > -99)

    volume, mask = ball(8.0, beside=beside)
    assert "cannot be told from the vessel" in bars_of(volume, mask, (same(mask),))[1].refused
    assert bars_of(volume, mask)[1].refused is None  # drawn by hand
    volume, mask = ball(8.0, beside=lambda z, y, x: (z**2 + y**2 < 3) & (x > 0))
    assert bars_of(volume, mask, (same(mask),))[1].refused is None


def test_a_leak_is_told_from_the_clicks_around():
    volume, mask = ball(10.0)
    leak = NoduleMask.of(ndimage.binary_dilation(mask.full(volume.shape), iterations=6))
    assert "leaks" in bars_of(volume, mask, (same(leak),))[1].refused
    assert "find no nodule" in bars_of(volume, mask, (refuse,))[1].refused


def test_a_drawn_mask_has_the_bars_of_its_border():
    volume, mask = ball(10.0)
    measured, bars = bars_of(volume, mask)
    assert bars.clicks == 0
    assert bars.longest_mm.value == measured.longest_mm
    assert bars.longest_mm.known


def test_the_solid_part_has_its_own_bars():
    volume, mask = ball(16.0)
    core = NoduleMask.of(ball(7.0)[1].full(volume.shape))
    hu = volume.hu.copy()
    whole = mask.full(volume.shape) & ~core.full(volume.shape)
    hu[whole] = -520
    hu = np.rint(ndimage.gaussian_filter(hu.astype(float), 0.6)).astype(np.int16)
    measured, bars = bars_of(Volume(hu, volume.spacing), mask, (same(mask),))
    assert measured.density == "part-solid"
    assert bars.solid_mm3.low < np.pi / 6 * 7**3 < bars.solid_mm3.high
    assert bars.solid_mm.value == measured.solid.mean_mm


def test_the_same_nodule_has_the_same_bars_again():
    volume, mask = ball(9.0)
    first, second = (bars_of(volume, mask, (segment_nodule,))[1] for _ in range(2))
    assert first == second


def test_bars_hold_their_number():
    volume, mask = ball(9.0)
    measured = measure_nodule(volume, mask, refined=True)
    bars = intervals(measured, spread_of(volume, mask, measured, [], [None]))
    for bar in (bars.longest_mm, bars.perpendicular_mm, bars.mean_mm, bars.volume_mm3):
        assert bar.low < bar.value < bar.high
