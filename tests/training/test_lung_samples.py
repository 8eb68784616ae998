import numpy as np
import pytest
import torch

from napari_vaemed.preprocessing.lung_planes import lung_label_planes, lung_planes, plane_spacing
from napari_vaemed.training.lung_samples import SEEN, SIZE, LungSamples, taught


@pytest.fixture(scope="module")
def planes(small_phantom):
    volume = small_phantom.volume
    return (
        lung_planes(volume.hu, volume.spacing)[30:50],
        lung_label_planes(small_phantom.lungs, volume.spacing)[30:50],
        plane_spacing(volume.shape, volume.spacing),
    )


@pytest.fixture(scope="module")
def samples(planes):
    return taught(*planes, np.random.default_rng(0), pasted=1, every=2)


def test_a_scan_is_kept_as_it_is_and_with_dense_lung(samples, planes):
    assert len(samples) == 20
    assert samples.hu.shape == (40, SIZE, SIZE)
    np.testing.assert_array_equal(samples.label[:20], samples.label[20:])
    assert (samples.hu[20:] >= samples.hu[:20] - 1).all()
    assert (samples.hu[20:] > samples.hu[:20] + 300).any()
    assert int((samples.label[:20] == 1).sum()) == np.count_nonzero(planes[1] == 1)


def test_joined_parts_keep_their_own_neighbours(samples):
    both = LungSamples.joined([samples, samples])
    assert len(both) == 2 * len(samples)
    torch.testing.assert_close(both.hu[both.around[:20]], both.hu[both.around[20:]])


def test_a_draw_shows_lungs_where_the_labels_are_and_sides_change_with_the_mirror(samples):
    generator = torch.Generator().manual_seed(1)
    rows = torch.arange(10).repeat(4)
    batch = samples.draw(rows, generator)
    assert batch.hu.shape == (40, 3, SEEN, SEEN)
    assert batch.label.shape == (40, SEEN, SEEN)
    lungs = (batch.label == 1) | (batch.label == 2)
    assert batch.hu[:, 1][lungs].median() < -700  # the clean ones, but for their vessels
    columns = torch.arange(SEEN).expand(40, SEEN, SEEN)
    for draw in range(40):
        right, left = (columns[draw][batch.label[draw] == side].float() for side in (1, 2))
        if len(right) > 500 and len(left) > 500:
            assert right.mean() < left.mean()


def test_draws_repeat_with_their_generator(samples):
    first, second = (
        samples.draw(torch.tensor([0, 5]), torch.Generator().manual_seed(7)) for _ in range(2)
    )
    torch.testing.assert_close(first.hu, second.hu)
    torch.testing.assert_close(first.label, second.label)
