from __future__ import annotations

import pytest
import torch

from napari_vaemed.data.progress import finish
from napari_vaemed.models.classifiers.resnet import SliceResNet
from napari_vaemed.training.fit import fit
from napari_vaemed.training.slice_samples import SliceSamples
from napari_vaemed.training.steps import NotANumber


@pytest.fixture
def samples() -> SliceSamples:
    """Sixteen pictures, bright or dark."""
    label = torch.arange(16) % 2
    picture = (40 + 150 * label)[:, None, None].repeat(1, 24, 24).to(torch.uint8)
    return SliceSamples(picture, label.float(), torch.ones(16))


def _classifier() -> SliceResNet:
    torch.manual_seed(0)
    return SliceResNet(size=24, width=4, blocks=1, dropout=0.0)


def test_two_processes_learn_from_halves_of_each_batch(samples):
    epochs = []
    settings = {"epochs": 3, "batch": 8, "lr": 0.02, "held_out": samples, "patience": 3}
    module = finish(fit(_classifier(), samples, devices=2, **settings), epochs.append)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert sum(epochs[-1].held_out.values()) < sum(epochs[0].held_out.values())
    best = {k.removeprefix("best."): v for k, v in epochs[-1].state.items() if k[:5] == "best."}
    assert all(torch.equal(value, best[name]) for name, value in module.state_dict().items())


def test_a_bad_loss_in_one_process_ends_all_and_names_its_batch(samples):
    samples.weight[3] = torch.nan
    with pytest.raises(NotANumber) as met:
        finish(fit(_classifier(), samples, devices=2, epochs=1, batch=8))
    assert 3 in met.value.batch["rows"]
    assert len(met.value.batch["rows"]) == 4


def test_a_batch_smaller_than_the_devices_is_refused(samples):
    with pytest.raises(ValueError, match="2 devices cannot share a batch of 1"):
        next(fit(_classifier(), samples, devices=2, batch=1))
