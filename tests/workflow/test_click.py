from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.io.weights import shipped_click_net_path
from napari_vaemed.segmentation.nodules import NoNodule, segment_nodule
from napari_vaemed.segmentation.refine import Hints
from napari_vaemed.workflow.click import METHODS, outline, shipped_click_net
from napari_vaemed.workflow.examine import amend, mark
from napari_vaemed.workflow.measured import error_bars

SPACING = (1.25, 0.7, 0.7)


def lung_with(*balls):
    """Lung of −850 HU with balls of soft tissue: radius and centre, mm; and its middle."""
    half = [int(30 / s) for s in SPACING]
    at = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in half), indexing="ij"), -1) * SPACING
    hu = np.full(at.shape[:3], -850.0)
    for radius, centre in balls:
        depth = radius - np.linalg.norm(at - centre, axis=-1)
        hu = np.maximum(hu, -850 + 880 * np.clip(depth / 0.9 + 0.5, 0, 1))
    hu += np.random.default_rng(0).normal(0, 15, hu.shape)
    return Volume(np.rint(hu).astype(np.int16), SPACING), np.array(half, float)


@pytest.mark.parametrize("diameter", [6.0, 10.0, 18.0])
def test_the_network_gives_a_ball_its_volume(diameter):
    volume, middle = lung_with((diameter / 2, (0, 0, 0)))
    mask = outline(volume, middle + 0.5, method="network")
    found = mask.voxels.sum() * volume.voxel_mm3
    assert found == pytest.approx(np.pi / 6 * diameter**3, rel=0.25)


def test_the_thresholds_can_be_asked_for():
    volume, middle = lung_with((5.0, (0, 0, 0)))
    asked, plain = outline(volume, middle, method="threshold"), segment_nodule(volume, middle)
    np.testing.assert_array_equal(asked.voxels, plain.voxels)
    assert asked.start == plain.start


@pytest.mark.parametrize("method", METHODS)
def test_lung_is_refused_in_words(method):
    volume, middle = lung_with((4.0, (0, 18, 18)))
    with pytest.raises(NoNodule, match="No nodule here"):
        outline(volume, middle, method=method)


def test_an_unknown_method_is_told():
    volume, middle = lung_with((4.0, (0, 0, 0)))
    with pytest.raises(ValueError, match="network"):
        outline(volume, middle, method="guess")


@pytest.mark.parametrize("method", METHODS)
def test_labels_of_another_volume_are_told(method):
    volume, middle = lung_with((4.0, (0, 18, 18)))
    with pytest.raises(ValueError, match="shape"):
        outline(volume, middle, np.zeros((2, 2, 2), np.uint8), method=method)


def test_the_shipped_network_says_what_it_is():
    model = shipped_click_net()
    assert model is shipped_click_net()  # read once
    assert shipped_click_net_path().stat().st_size < 10_000_000
    assert {"data", "licence", "split", "figures", "use"} <= set(model.card)


def test_a_click_keeps_what_the_network_said_around_it():
    volume, middle = lung_with((5.0, (0, 0, 0)))
    marked = mark(volume, middle)
    z, y, x = np.rint(middle).astype(int)
    odds = marked.belief((slice(z, z + 1), slice(y, y + 1), slice(x, x + 21)))[0, 0]
    assert odds[0] > 2
    assert odds[np.isfinite(odds)][-1] < -2
    assert mark(volume, middle, method="threshold").belief is None


def test_a_corrected_nodule_is_measured_anew_and_keeps_its_hints():
    volume, middle = lung_with((5.0, (0, 0, 0)), (4.0, (0, 0, 7.0)))
    marked = mark(volume, middle)
    beside = middle + (0, 0, 7.0) / np.array(SPACING)
    other = np.rint(middle - (0, 0, 4.0) / np.array(SPACING)).astype(int)
    apart = amend(volume, marked, Hints.of(outside=[beside]))
    wide = amend(volume, apart, Hints.of(inside=[other]))
    z, y, x = np.rint(beside).astype(int)
    for each in (apart, wide):
        assert not each.mask.full(volume.shape)[z, y, x]
        assert each.method == marked.method
    assert wide.mask.full(volume.shape)[tuple(other)]
    assert len(wide.hints) == 2
    ball = 4 / 3 * np.pi * 5.0**3
    assert apart.measurement.partial_volume_mm3 == pytest.approx(ball, rel=0.25)
    bars = finish(error_bars(volume, wide))
    assert bars.clicks > 0
    assert bars.volume_mm3.low < wide.measurement.partial_volume_mm3 < bars.volume_mm3.high
