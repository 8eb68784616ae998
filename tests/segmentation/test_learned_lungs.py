"""The way from planes to the scan: with a network that is plain, and with the shipped one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_vaemed.data.labels import in_lungs
from napari_vaemed.data.progress import Progress, finish
from napari_vaemed.preprocessing.lung_planes import lung_planes
from napari_vaemed.segmentation.learned_lungs import (
    dense_additions,
    find_lungs_by_network,
    tidy_labels,
    tiled_logits,
)
from napari_vaemed.segmentation.lungs import NoLungs
from napari_vaemed.workflow.lungs import lung_model

SPACING = (3.0, 1.5, 1.5)


class Halves(nn.Module):
    """Air between −960 and −500 HU is lung: right in the lower half of x, left in the other."""

    def __init__(self, columns: int | None = None):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.1), requires_grad=False)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, hu):
        self.seen.append(tuple(hu.shape))
        air = torch.minimum(-500 - hu[:, 1], hu[:, 1] + 960) * self.scale
        x = torch.arange(hu.shape[3]) < hu.shape[3] // 2
        never = torch.full_like(air, -100.0)
        here, there = torch.where(x, air, never), torch.where(x, never, air)
        return torch.stack([torch.zeros_like(air), here, there, never], 1)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module")
def network():
    return lung_model("network", device="cpu").module


@pytest.fixture(scope="module")
def found(network, small_phantom):
    return finish(find_lungs_by_network(network, small_phantom.volume))


def test_the_mask_lies_on_the_scan_where_the_network_saw_it(small_phantom):
    labels = finish(find_lungs_by_network(Halves(), small_phantom.volume))
    assert dice(labels > 0, in_lungs(small_phantom.lungs)) > 0.9  # vessels are left out
    thin = replace(
        small_phantom.volume,
        hu=small_phantom.volume.hu.repeat(3, axis=0),
        spacing=(1.0, 2.2, 2.2),
    )
    again = finish(find_lungs_by_network(Halves(), thin))
    assert dice(again[1::3] > 0, labels > 0) > 0.99


def test_the_shipped_network_finds_both_lungs_and_the_airways(found, small_phantom):
    for side in (1, 2):
        assert dice(found == side, small_phantom.lungs == side) > 0.95
    assert dice(found == 3, small_phantom.lungs == 3) > 0.5
    leaked = np.count_nonzero((found == 3) & in_lungs(small_phantom.lungs))
    assert leaked < 0.005 * np.count_nonzero(in_lungs(small_phantom.lungs))


def test_tiles_give_what_the_whole_plane_gives(network, small_phantom):
    hu = lung_planes(small_phantom.volume.hu, small_phantom.volume.spacing)[[40, 42, 44]]
    planes = torch.from_numpy(np.tile(hu, (1, 3, 3))[None, :, :480, :480])
    with torch.inference_mode():
        whole = network(planes).softmax(1)
        tiled = tiled_logits(network, planes, tile=320).softmax(1)
    assert (whole - tiled).abs().max() < 1e-3
    with torch.inference_mode():  # another size is mirrored: the same but near its border
        tiled = tiled_logits(network, planes[..., :400], tile=320).softmax(1)
    assert (whole[..., :320] - tiled[..., :320]).abs().max() < 1e-3


def test_no_more_than_a_tile_is_seen_at_a_time(small_phantom):
    network = Halves()
    wide = np.tile(small_phantom.volume.hu[40:44], (1, 3, 3))
    finish(find_lungs_by_network(network, replace(small_phantom.volume, hu=wide), tile=320))
    assert max(max(shape[2:]) for shape in network.seen) == 320
    with pytest.raises(ValueError, match="multiple of 32"):
        finish(find_lungs_by_network(network, small_phantom.volume, tile=100))


def test_it_tells_how_far_it_is_and_can_be_left(small_phantom):
    network = Halves()
    work = find_lungs_by_network(network, small_phantom.volume)
    steps = [next(work) for _ in range(3)]
    assert steps[1] == Progress("Looking for lungs", 8, 96)
    work.close()
    assert len(network.seen) == 2


def test_a_scan_without_lungs_is_told(small_phantom):
    water = replace(small_phantom.volume, hu=np.full((8, 64, 64), 30, np.int16))
    with pytest.raises(NoLungs, match="by threshold"):
        finish(find_lungs_by_network(Halves(), water))
    air = replace(small_phantom.volume, hu=np.full((8, 64, 64), -1000, np.int16))
    with pytest.raises(NoLungs):
        finish(find_lungs_by_network(Halves(), air))


def test_what_is_no_lung_goes_holes_close_and_sides_are_whole():
    labels = np.zeros((30, 60, 60), np.uint8)
    labels[5:25, 10:50, 5:25] = 1
    labels[5:25, 10:50, 35:55] = 2
    truth = labels.copy()
    labels[10:14, 20:24, 10:14] = 0  # a hole
    labels[10:14, 30:34, 21:25] = 2  # an island of left in the right lung
    labels[0:3, 0:4, 0:4] = 1  # a piece of 0.3 ml
    labels[0:20, 28:32, 28:32] = truth[0:20, 28:32, 28:32] = 3
    labels[27:29, 50:52, 50:52] = 3
    np.testing.assert_array_equal(tidy_labels(labels, SPACING), truth)


def test_beside_aerated_lung_only_what_is_dense_is_added():
    aerated = np.zeros((20, 60, 60), np.uint8)
    aerated[2:18, 10:30, 10:25] = 1
    learned = np.zeros_like(aerated)
    learned[2:18, 9:46, 9:26] = 1  # a sample too far all around, and dense lung behind
    learned[2:18, 10:20, 40:55] = 2  # touches nothing
    added = dense_additions(learned, aerated, SPACING) & (aerated == 0)
    assert added[4:16, 31:45, 11:24].all()
    assert not added[:, :28].any()


def test_lungs_of_a_crop_and_of_thick_slices_are_found(network, small_phantom):
    volume, truth = small_phantom.volume, small_phantom.lungs
    crop = replace(volume, hu=volume.hu[:, 20:140, 15:145])
    labels = finish(find_lungs_by_network(network, crop))
    assert dice(in_lungs(labels), in_lungs(truth[:, 20:140, 15:145])) > 0.93
    thick = replace(volume, hu=volume.hu[::2], spacing=(6.0, 2.2, 2.2))
    labels = finish(find_lungs_by_network(network, thick))
    assert dice(in_lungs(labels), in_lungs(truth[::2])) > 0.94
