from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import torch

from napari_vaemed.io.checkpoints import constructor_arguments, read_model, write_model
from napari_vaemed.models import LUNG_SEGMENTERS
from napari_vaemed.models.protocols import LungBatch, LungSegmenter

EACH = pytest.mark.parametrize("cls", LUNG_SEGMENTERS, ids=lambda cls: cls.__name__)
BYTES = 10_000_000
SMALL = {"width": 8, "fine_width": 4}


@pytest.fixture(scope="module")
def batch() -> LungBatch:
    """Two chests of discs: lungs of air, one of them dense; a windpipe; an unknown strip."""
    y, x = np.indices((64, 64)) - 31.5
    label = np.zeros((2, 64, 64), np.int64)
    for number, centre in ((1, -14), (2, 14)):
        label[:, y**2 / 2 + (x - centre) ** 2 < 100] = number
    label[:, y**2 + x**2 < 9] = 3
    hu = np.where(label == 0, 40, np.where(label == 3, -980, -850)).astype(np.float32)
    hu[:, y**2 / 2 + x**2 / 2 > 31**2] = -1000
    hu[1][label[1] == 1] = 20
    label[:, -4:] = 255
    rng = np.random.default_rng(0)
    planes = np.repeat(hu[:, None], 3, axis=1) + rng.normal(0, 15, (2, 3, 64, 64))
    return LungBatch(torch.from_numpy(planes.astype(np.float32)), torch.from_numpy(label))


@EACH
def test_a_lung_segmenter_keeps_its_protocol_and_its_size(cls):
    module = cls()
    assert isinstance(module, LungSegmenter)
    assert sum(value.numel() * 4 for value in module.state_dict().values()) <= BYTES


@EACH
def test_constructor_arguments_are_keyword_only_and_fit_in_json(cls):
    for parameter in inspect.signature(cls).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
    module = cls()
    assert json.loads(json.dumps(constructor_arguments(module))) == constructor_arguments(module)


@EACH
def test_a_lung_segmenter_learns_two_lungs_from_nothing(cls, batch):
    torch.manual_seed(0)
    module = cls(**SMALL)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for step in range(100):
        terms = module.losses(batch, progress=step / 100, generator=generator)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    with torch.inference_mode():
        found = module(batch.hu).argmax(1)
    known = batch.label != 255
    assert (found == batch.label)[known].float().mean() > 0.97


@EACH
def test_what_is_not_known_does_not_count(cls, batch):
    module = cls(**SMALL).eval()

    def losses(label):
        with torch.inference_mode():
            terms = module.losses(LungBatch(batch.hu, label), progress=0.0, generator=None)
        return {name: float(value) for name, value in terms.items()}

    nothing = torch.full_like(batch.label, 255)
    assert losses(nothing) == {"border": 0.0, "overlap": 0.0}
    one = nothing.clone()
    one[0, 32, 32] = batch.label[0, 32, 32]
    other = one.clone()
    other[0, 32, 32] = 0
    with torch.inference_mode():
        logits = module(batch.hu)[0, :, 32, 32]
    for label in (one, other):
        wanted = -float(logits.log_softmax(0)[label[0, 32, 32]])
        assert losses(label)["border"] == pytest.approx(wanted, rel=1e-5)


@EACH
def test_a_lung_segmenter_survives_save_and_load(cls, batch, tmp_path):
    module = cls(**SMALL).eval()
    write_model(tmp_path / "net.safetensors", module, {"use": "test"})
    again = read_model(tmp_path / "net.safetensors", "cpu").module
    with torch.inference_mode():
        torch.testing.assert_close(module(batch.hu), again(batch.hu))
