from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import torch

from napari_vaemed.io.checkpoints import constructor_arguments, read_model, write_model
from napari_vaemed.models import SLICE_CLASSIFIERS
from napari_vaemed.models.protocols import SliceBatch, SliceClassifier

EACH = pytest.mark.parametrize("cls", SLICE_CLASSIFIERS, ids=lambda cls: cls.__name__)
BYTES = 25_000_000


@pytest.fixture(scope="module")
def batch() -> SliceBatch:
    """Eight pictures; half of them hold a bright patch."""
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0.1, 0.3, (8, 1, 144, 144))
    pictures[4:, 0, 40:90, 40:90] += 0.4
    return SliceBatch(
        torch.from_numpy(pictures).float(), (torch.arange(8) >= 4).float(), torch.ones(8)
    )


@EACH
def test_a_slice_classifier_keeps_its_protocol_and_its_size(cls):
    module = cls()
    assert isinstance(module, SliceClassifier)
    assert sum(value.numel() * 4 for value in module.state_dict().values()) <= BYTES


@EACH
def test_the_arguments_of_a_slice_classifier_are_keyword_only_defaulted_and_json(cls):
    parameters = inspect.signature(cls).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)
    arguments = constructor_arguments(cls())
    assert json.loads(json.dumps(arguments)) == {p.name: p.default for p in parameters}


@EACH
def test_a_slice_classifier_lowers_its_loss_on_one_batch(cls, batch):
    torch.manual_seed(0)
    module = cls(size=144).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    seen = []
    for _ in range(8):
        loss = sum(module.losses(batch, progress=1.0, generator=generator).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert seen[-1] < seen[0] - 0.2


@EACH
def test_a_slice_classifier_survives_save_and_load_with_what_it_finds_unlike(cls, batch, tmp_path):
    torch.manual_seed(0)
    module = cls(size=144).eval()
    with torch.inference_mode():
        features = module.features(module.maps(batch.picture))
    module.learn_unlikeness(features, batch.label, features)
    write_model(tmp_path / "model.safetensors", module, {"use": "test"})
    read = read_model(tmp_path / "model.safetensors", "cpu").module
    with torch.inference_mode():
        again = read.features(read.maps(batch.picture))
        torch.testing.assert_close(again, features, rtol=0, atol=1e-6)
        torch.testing.assert_close(read.logits(again), module.logits(features))
        torch.testing.assert_close(read.unlikeness(again), module.unlikeness(features))
