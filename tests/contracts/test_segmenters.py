from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import torch

from napari_vaemed.io.checkpoints import constructor_arguments, read_model, write_model
from napari_vaemed.models import SEGMENTERS
from napari_vaemed.models.protocols import ClickBatch, ClickSegmenter

EACH = pytest.mark.parametrize("cls", SEGMENTERS, ids=lambda cls: cls.__name__)
BYTES = 10_000_000


@pytest.fixture(scope="module")
def batch() -> ClickBatch:
    """Two balls in lung and two empty places, one sample in four beyond the scan."""
    at = np.moveaxis(np.indices((32, 32, 32)), 0, -1) - 15.5
    ball = np.linalg.norm(at, axis=-1) < 6
    share = np.stack([ball, ball, 0 * ball, 0 * ball])[:, None].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 20, share.shape).astype(np.float32)
    known = np.ones(share.shape, bool)
    known[:, :, :4] = known[:, :, -4:] = False
    return ClickBatch(
        hu=torch.from_numpy(-850 + 880 * share + noise),
        measured=torch.from_numpy(known),
        step=torch.tensor([0.5, 1.0, 0.5, 1.0]),
        share=torch.from_numpy(share * known),
        known=torch.from_numpy(known),
        nodule=torch.tensor([1.0, 1.0, 0.0, 0.0]),
    )


@EACH
def test_a_segmenter_keeps_its_protocol_and_its_size(cls):
    module = cls()
    assert isinstance(module, ClickSegmenter)
    assert sum(value.numel() * 4 for value in module.state_dict().values()) <= BYTES


@EACH
def test_constructor_arguments_are_keyword_only_and_fit_in_json(cls):
    for parameter in inspect.signature(cls).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
    module = cls()
    assert json.loads(json.dumps(constructor_arguments(module))) == constructor_arguments(module)


@EACH
def test_a_segmenter_learns_a_ball_from_nothing(cls, batch):
    torch.manual_seed(0)
    module = cls()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for step in range(14):
        terms = module.losses(batch, progress=step / 14, generator=generator)
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    with torch.inference_mode():
        mask, presence = module.look(batch.hu, batch.measured, batch.step)
    assert mask.shape == batch.hu.shape
    assert (presence[:2] > 0).all()
    assert (presence[2:] < 0).all()


@EACH
def test_what_is_not_known_does_not_count(cls, batch):
    module = cls().eval()
    generator = torch.Generator().manual_seed(0)
    wrong = ClickBatch(**{**vars(batch), "share": torch.where(batch.known, batch.share, 1.0)})
    with torch.inference_mode():
        right, other = (
            module.losses(b, progress=0.0, generator=generator)["border"] for b in (batch, wrong)
        )
    assert float(right) == float(other)


@EACH
def test_a_segmenter_survives_save_and_load(cls, batch, tmp_path):
    module = cls().eval()
    write_model(tmp_path / "net.safetensors", module, {"use": "test"})
    again = read_model(tmp_path / "net.safetensors", "cpu").module
    with torch.inference_mode():
        first, second = (m.look(batch.hu, batch.measured, batch.step)[0] for m in (module, again))
    torch.testing.assert_close(first, second)
