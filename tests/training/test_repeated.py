"""Labelled samples that come more often than others."""

import numpy as np
import pytest
import torch

from napari_vaemed.training.digit_samples import digit_samples
from napari_vaemed.training.repeated import repeated
from napari_vaemed.training.samples import NoduleSamples


def test_each_labelled_picture_comes_so_often_and_others_once():
    numbers = np.arange(20, dtype=np.uint8)
    pictures = np.broadcast_to(numbers[:, None, None], (20, 28, 28))
    samples = digit_samples(pictures, np.arange(20) % 2, share=0.3)
    often = repeated(samples, 4)
    counts = torch.bincount(often.picture[:, 0, 0].long(), minlength=20)
    assert torch.equal(counts, torch.where(samples.label >= 0, 4, 1))
    assert torch.equal(often.label >= 0, counts[often.picture[:, 0, 0].long()] == 4)
    assert repeated(samples, 1) is samples
    with pytest.raises(ValueError, match="at least once"):
        repeated(samples, 0)


def test_undecided_nodules_and_those_with_hidden_ratings_come_once():
    score = torch.tensor([1.0, 3.0, 5.0, torch.nan])
    cube = torch.zeros(4, 4, 4, 4)
    samples = NoduleSamples(
        views=cube[:, None], target=cube, measured=cube.bool(), mask=cube.bool(),
        ratings=score[:, None].repeat(1, 9), log_volume=torch.arange(4.0),
    )  # fmt: skip
    often = repeated(samples, 3)
    assert sorted(often.log_volume.tolist()) == [0, 0, 0, 1, 2, 2, 2, 3]
