from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vaemed.data.nodule import ATTRIBUTES, NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.progress import finish
from napari_vaemed.data.volume import Volume
from napari_vaemed.training.samples import nodule_samples, shifts_within


@pytest.fixture(scope="module")
def nodules() -> NoduleSet:
    """Three balls of 4, 8 and 12 mm, cropped tight in z."""
    records, volumes, masks = [], [], []
    for radius in (2.0, 4.0, 6.0):
        height = int(2 * radius / 1.25) + 1
        empty = Volume(np.zeros((height, 44, 44), np.int16), (1.25, 0.7, 0.7), (3.0, 4.0, 5.0))
        centre = empty.to_world((np.array(empty.shape) - 1) / 2)
        world = empty.to_world(np.moveaxis(np.indices(empty.shape), 0, -1))
        mask = np.linalg.norm(world - centre, axis=-1) <= radius
        volumes.append(
            Volume(np.where(mask, 30, -850).astype(np.int16), empty.spacing, empty.origin)
        )
        masks.append(mask)
        ratings = dict.fromkeys(ATTRIBUTES, 3.0)
        name = f"N{radius}"
        records.append(NoduleRecord(name, name, "1", tuple(centre.tolist()), 2 * radius, ratings))
    return NoduleSet(tuple(records), tuple(volumes), tuple(masks), tuple(masks), "made here")


@pytest.fixture(scope="module")
def samples(nodules):
    return finish(nodule_samples(nodules, views=6, seed=1))


def test_the_first_view_is_the_middle_of_the_target(samples):
    assert samples.views.shape == (3, 6, 4, 32, 32)
    assert torch.equal(samples.views[:, 0], samples.target[:, 14:18])
    assert not torch.equal(samples.views[:, 1], samples.views[:, 0])


def test_the_mask_keeps_the_volume_of_the_nodule(samples, nodules):
    voxels = samples.mask.flatten(1).sum(1).numpy()
    np.testing.assert_allclose(voxels, nodules.volumes_mm3(), rtol=0.15)
    np.testing.assert_allclose(samples.log_volume, np.log(nodules.volumes_mm3()), rtol=1e-5)


def test_shifts_stay_within_their_radius():
    shifts = shifts_within(3.0, 500, np.random.default_rng(0))
    lengths = np.linalg.norm(shifts, axis=1)
    assert lengths.max() <= 3.0
    assert lengths.max() > 2.9
    assert np.abs(shifts.mean(axis=0)).max() < 0.3


def test_a_batch_holds_two_looks_in_grey_values(samples):
    generator = torch.Generator().manual_seed(0)
    batch = samples.draw(torch.tensor([2, 0]), generator)
    assert batch.view.shape == batch.other.shape == (2, 1, 4, 32, 32)
    assert batch.target.shape == batch.mask.shape == (2, 1, 32, 32, 32)
    assert not torch.equal(batch.view, batch.other)
    assert batch.view.min() >= 0
    assert batch.view.max() <= 1
    assert batch.mask[0].sum() > batch.mask[1].sum()


def test_looks_and_target_are_turned_alike(samples):
    marked = samples.target.clone()
    marked[:] = -1000
    marked[:, :, 20:24, 9:12] = 400
    views = marked[:, None, 14:18].repeat(1, 2, 1, 1, 1)
    from dataclasses import replace

    same = replace(samples, target=marked, views=views)
    generator = torch.Generator().manual_seed(3)
    for _ in range(6):
        batch = same.draw(torch.tensor([0, 1]), generator)
        where = batch.target[0, 0, 16] > 0.5
        assert batch.view[0, 0, 1][where].mean() > 0.9
        assert batch.view[0, 0, 1][~where].mean() < 0.1
