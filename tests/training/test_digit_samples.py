"""Pictures of digits as they are drawn for training."""

import numpy as np
import pytest
import torch

from napari_vaemed.models.augmentation import warped
from napari_vaemed.training.digit_samples import LITTLE, UNKNOWN, digit_samples


@pytest.fixture
def pictures() -> np.ndarray:
    """A bright square, in another place in each of 100 pictures."""
    made = np.zeros((100, 28, 28), np.uint8)
    for number, picture in enumerate(made):
        y, x = 8 + number // 10, 8 + number % 10
        picture[y : y + 4, x : x + 4] = 255
    return made


def test_a_picture_is_drawn_as_it_is_and_in_two_looks_of_its_own(pictures):
    samples = digit_samples(pictures, np.arange(100) % 10)
    batch = samples.draw(torch.tensor([3, 50]), torch.Generator().manual_seed(0))
    assert torch.equal(batch.target[:, 0] * 255, torch.from_numpy(pictures[[3, 50]]).float())
    assert batch.view.shape == batch.other.shape == (2, 1, 28, 28)
    assert batch.label.tolist() == [3, 0]
    assert not torch.equal(batch.view, batch.other)
    assert 0 <= batch.view.min() < batch.view.max() <= 1


def test_a_look_moves_the_ink_by_little(pictures):
    picture = torch.from_numpy(pictures)[:, None].float() / 255
    looked = warped(picture, torch.Generator().manual_seed(0), LITTLE)
    at = torch.arange(28.0)
    for axis in (1, 2):

        def centre(x, axis=axis):
            ink = x[:, 0].sum(3 - axis)
            return (ink * at).sum(1) / ink.sum(1)

        moved = (centre(looked) - centre(picture)).abs()
        assert 0.5 < moved.mean() < 3
        assert moved.max() < 8


def test_every_class_keeps_the_same_share_of_its_labels(pictures):
    labels = np.arange(100) % 10
    samples = digit_samples(pictures, labels, share=0.2, seed=1)
    known = samples.label != UNKNOWN
    assert torch.bincount(samples.label[known]).tolist() == [2] * 10
    assert torch.equal(samples.label[known], torch.from_numpy(labels)[known])
    other = digit_samples(pictures, labels, share=0.2, seed=2)
    assert not torch.equal(samples.label, other.label)
    assert (digit_samples(pictures, labels, share=0.0).label == UNKNOWN).all()
    assert torch.equal(digit_samples(pictures, labels).label, torch.from_numpy(labels))


def test_a_share_beyond_one_is_refused(pictures):
    with pytest.raises(ValueError, match=r"from 0 to 1; got 10"):
        digit_samples(pictures, np.arange(100), share=10)
