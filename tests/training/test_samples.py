from __future__ import annotations

from dataclasses import replace

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
    same = replace(samples, target=marked, views=views)
    generator = torch.Generator().manual_seed(3)
    for _ in range(6):
        batch = same.draw(torch.tensor([0, 1]), generator)
        where = batch.target[0, 0, 16] > 0.5
        assert batch.view[0, 0, 1][where].mean() > 0.9
        assert batch.view[0, 0, 1][~where].mean() < 0.1


def test_hidden_labels_are_hidden_by_patient_and_of_all_classes_alike(samples):
    rng = np.random.default_rng(0)
    patients = [f"P{number}" for number in rng.integers(150, size=400)]
    score = torch.from_numpy(rng.integers(1, 6, 400).astype(np.float32))
    many = samples.subset(np.zeros(400, int))
    many = replace(many, ratings=score[:, None].repeat(1, 9))
    told = many.with_labels(0.3, patients, seed=1)
    known = torch.isfinite(told.ratings)
    assert torch.equal(known.all(1), known.any(1))
    assert torch.equal(told.ratings[known], many.ratings[known])
    for name in set(patients):
        rows = [row for row, patient in enumerate(patients) if patient == name]
        assert len(set(known[rows, 0].tolist())) == 1
    for few, most in ((1, 2), (4, 5)):
        of_class = (score == few) | (score == most)
        assert known[of_class, 0].float().mean().item() == pytest.approx(0.3, abs=0.06)
    assert not torch.equal(many.with_labels(0.3, patients, seed=2).ratings, told.ratings)
    assert torch.isfinite(many.with_labels(1.0, patients).ratings).all()
    assert torch.isnan(many.with_labels(0.0, patients).ratings).all()
    with pytest.raises(ValueError, match="from 0 to 1; got 10"):
        many.with_labels(10, patients)
