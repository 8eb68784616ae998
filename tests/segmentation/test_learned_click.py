"""The way from a look to the scan, with a network that is a plain threshold."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from napari_vaemed.data.finding import NoduleMask
from napari_vaemed.data.volume import Volume
from napari_vaemed.models.segmenters.click_net import ClickNet
from napari_vaemed.segmentation.learned_click import (
    _without_holes,
    belief_about,
    look,
    outline_nodule,
    sights_of,
)
from napari_vaemed.segmentation.nodules import NoNodule


class Threshold(nn.Module):
    """Everything denser than −400 HU; a nodule where the middle is."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.01), requires_grad=False)

    def look(self, hu, measured, step):
        mask = (hu + 400) * self.scale
        return mask, 10 * mask[:, 0, 12:20, 12:20, 12:20].amax((1, 2, 3))


def ball_in_lung(diameter, spacing, centre=(0.0, 0.0, 0.0), half_mm=40.0):
    half = [int(half_mm / s) for s in spacing]
    at = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in half), indexing="ij"), -1)
    mask = np.linalg.norm(at * spacing - centre, axis=-1) < diameter / 2
    hu = np.where(mask, 30, -830).astype(np.int16)  # half way lies at −400
    return Volume(hu, spacing, (5.0, -20.0, 100.0)), mask, np.array(half, float)


@pytest.mark.parametrize("diameter", [6.0, 12.0, 25.0, 34.0])
@pytest.mark.parametrize("spacing", [(1.0, 0.7, 0.7), (2.5, 0.7, 0.7)])
def test_the_mask_lies_on_the_scan_where_the_network_saw_it(diameter, spacing):
    volume, truth, middle = ball_in_lung(diameter, spacing)
    mask = outline_nodule(Threshold(), volume, middle + np.array((0, 2, 1))).full(volume.shape)
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.93


def test_the_last_look_fits_the_nodule():
    for diameter in (8.0, 20.0):
        volume, _, middle = ball_in_lung(diameter, (1.0, 0.7, 0.7))
        last = sights_of(Threshold(), volume, volume.to_world(middle))[-1]
        assert diameter / last.step == pytest.approx(13.5, rel=0.3)


def test_a_scan_turned_by_half_has_the_same_mask():
    volume, _, middle = ball_in_lung(10.0, (2.0, 0.8, 0.8), centre=(2.0, 4.0, -3.0))
    turned = Volume(
        volume.hu[:, ::-1, ::-1].copy(), volume.spacing, direction=np.diag([-1, -1, 1.0])
    )
    click = middle + np.array((1, 5, -4))
    at = np.array(volume.shape) - 1 - click
    first = outline_nodule(Threshold(), volume, click).full(volume.shape)
    second = outline_nodule(Threshold(), turned, (click[0], at[1], at[2])).full(volume.shape)
    np.testing.assert_array_equal(first, second[:, ::-1, ::-1])


def test_beyond_the_scan_there_is_no_nodule():
    volume, _, _ = ball_in_lung(12.0, (1.0, 0.7, 0.7))
    cut = Volume(volume.hu[40:], volume.spacing)
    sight = look(Threshold(), cut, cut.to_world((0, 57, 57)), 1.0)
    assert not sight.on_scan[:15].any()
    assert not sight.piece[:15].any()
    mask = outline_nodule(Threshold(), cut, (0, 57, 57))
    assert mask.start[0] == 0


def test_turned_looks_agree_where_the_network_knows_no_direction():
    volume, _, middle = ball_in_lung(9.0, (2.0, 0.8, 0.8), centre=(1.0, 2.0, 0.0))
    one, eight = (look(Threshold(), volume, volume.to_world(middle), 0.8, turns=n) for n in (1, 8))
    np.testing.assert_allclose(one.logits, eight.logits, rtol=1e-4, atol=1e-4)


def test_lung_alone_is_no_nodule():
    volume, _, middle = ball_in_lung(6.0, (1.0, 0.7, 0.7), centre=(0.0, 20.0, 20.0))
    with pytest.raises(NoNodule):
        outline_nodule(Threshold(), volume, middle)


def test_a_click_outside_the_scan_is_told():
    volume, _, _ = ball_in_lung(6.0, (1.0, 0.7, 0.7))
    with pytest.raises(NoNodule, match="outside the scan"):
        outline_nodule(Threshold(), volume, (-9, 0, 0))


def test_what_the_network_believes_lies_on_the_scan_where_it_looked():
    volume, truth, _ = ball_in_lung(10.0, (1.5, 0.7, 0.7))
    mask = NoduleMask.of(truth)
    where = (slice(0, volume.shape[0]), slice(20, 90), slice(0, volume.shape[2]))
    odds = belief_about(Threshold(), volume, mask)(where)
    assert odds.shape == volume.hu[where].shape
    assert np.isnan(odds[0]).all()
    told, deep = np.isfinite(odds), ball_in_lung(8.0, (1.5, 0.7, 0.7))[1][where]
    assert (odds[deep] > 0).all()
    off = ~ball_in_lung(13.0, (1.5, 0.7, 0.7))[1][where]
    assert (odds[told & off] < 0).all()


def test_one_cube_alone_is_seen_as_the_network_sees_it():
    class Shipped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = ClickNet().eval()
            self.shown = []

        def look(self, hu, measured, step):
            self.shown.append((hu[:1], measured[:1], step[:1]))
            return self.net.look(hu, measured, step)

    volume, _, middle = ball_in_lung(10.0, (2.0, 0.8, 0.8))
    net = Shipped()
    sight = look(net, volume, volume.to_world(middle), 1.0)
    with torch.inference_mode():
        logits, presence = net.net.look(*net.shown[0])
    assert np.allclose(sight.logits, logits[0, 0].numpy(), atol=1e-4)
    assert sight.presence == pytest.approx(float(presence[0]), abs=1e-4)


def test_holes_are_filled_as_scipy_fills_them():
    rng = np.random.default_rng(0)
    for part in (0.3, 0.6, 0.8):
        mask = rng.random((9, 12, 10)) < part
        assert np.array_equal(_without_holes(mask), ndimage.binary_fill_holes(mask))
