from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vaemed.data.progress import finish
from napari_vaemed.data.slice_set import SliceRecord, SliceSet
from napari_vaemed.training.slice_samples import SliceSamples, slice_samples


@pytest.fixture(scope="module")
def slices() -> SliceSet:
    """Six slices of body with two dark lungs; two of them COVID-19, with a grey patch."""
    y, x = np.indices((90, 120)) - np.array([44.5, 59.5])[:, None, None]
    pictures = []
    for label in (0, 0, 1, 0, 1, 0):
        grey = np.full((90, 120), 20, np.uint8)
        grey[(y / 42) ** 2 + (x / 57) ** 2 <= 1] = 220
        for centre in (-25, 25):
            grey[(y / 30) ** 2 + ((x - centre) / 18) ** 2 <= 1] = 60
        if label:
            grey[50:60, 25:35] = 130
        pictures.append(grey)
    records = tuple(SliceRecord(f"{i}", p[55, 30] == 130, f"g{i}") for i, p in enumerate(pictures))
    return SliceSet(records, tuple(pictures), "made here")


@pytest.fixture(scope="module")
def samples(slices) -> SliceSamples:
    return finish(slice_samples(slices, np.arange(6), size=64, lungs_only=False))


def test_both_classes_weigh_the_same(samples):
    assert samples.label.tolist() == [0, 0, 1, 0, 1, 0]
    assert samples.weight[samples.label == 1].sum() == samples.weight[samples.label == 0].sum()
    assert samples.weight.mean() == pytest.approx(1.0)


def test_looks_differ_stay_in_range_and_follow_the_generator(samples):
    rows = torch.tensor([2, 5, 2, 0])
    first, again, other = (
        samples.draw(rows, torch.Generator().manual_seed(seed)) for seed in (4, 4, 5)
    )
    assert first.picture.shape == (4, 1, 64, 64)
    assert first.picture.min() >= 0
    assert first.picture.max() <= 1
    assert torch.equal(first.picture, again.picture)
    assert not torch.equal(first.picture, other.picture)
    assert not torch.equal(first.picture[0], first.picture[2])


def test_labels_are_mixed_as_pictures_are_and_never_out_of_range(samples):
    generator = torch.Generator().manual_seed(0)
    labels = torch.cat([samples.draw(torch.arange(6), generator).label for _ in range(20)])
    assert labels.min() >= 0
    assert labels.max() <= 1
    whole = ((labels == 0) | (labels == 1)).float().mean()
    assert 0.5 < whole < 0.95


def test_lungs_only_pictures_hold_the_lungs_alone(slices, samples):
    alone = finish(slice_samples(slices, np.arange(6), size=64, lungs_only=True))
    assert (alone.picture == 0).float().mean() > (samples.picture == 0).float().mean() + 0.2
