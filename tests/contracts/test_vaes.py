from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import torch

from napari_vaemed.io.checkpoints import constructor_arguments, read_model, write_model
from napari_vaemed.models import VAES
from napari_vaemed.models.protocols import Batch, NoduleVAE

EACH = pytest.mark.parametrize("cls", VAES, ids=lambda cls: cls.__name__)
PARAMETERS = 2_600_000  # 10 MB of float32


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Balls of 4 to 14 mm in lung, clicked a little beside."""
    rng = np.random.default_rng(0)
    n = 8
    radii = np.linspace(2, 7, n)
    at = np.indices((32, 32, 32)) - 15.5
    masks = np.stack([np.linalg.norm(at, axis=0) <= r for r in radii])
    beside = np.stack(
        [np.linalg.norm(at - rng.uniform(-1, 1, (3, 1, 1, 1)), axis=0) <= r for r in radii]
    )
    malignancy = np.clip(np.round(radii - 2), 1, 5)

    def grey(mask: np.ndarray) -> torch.Tensor:
        noise = rng.normal(0, 0.01, mask.shape)
        return torch.tensor(np.where(mask, 0.75, 0.1) + noise, dtype=torch.float32)[:, None]

    return Batch(
        view=grey(masks),
        other=grey(beside),
        target=grey(masks),
        measured=torch.ones(n, 1, 32, 32, 32, dtype=torch.bool),
        mask=torch.from_numpy(masks)[:, None],
        ratings=torch.tensor(np.tile(malignancy[:, None], (1, 9)), dtype=torch.float32),
        log_volume=torch.tensor(np.log(4 / 3 * np.pi * radii**3), dtype=torch.float32),
    )


@EACH
def test_a_vae_keeps_its_protocol_and_its_size(cls):
    module = cls()
    assert isinstance(module, NoduleVAE)
    assert sum(p.numel() for p in module.parameters()) <= PARAMETERS


@EACH
def test_the_arguments_of_a_vae_are_keyword_only_defaulted_and_json(cls):
    parameters = inspect.signature(cls).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)
    arguments = constructor_arguments(cls())
    assert json.loads(json.dumps(arguments)) == {p.name: p.default for p in parameters}


@EACH
def test_a_vae_encodes_and_decodes(cls, batch):
    module = cls().eval()
    with torch.inference_mode():
        mean, sd = module.posterior(batch.target)
        ct, mask = module.decode(mean)
    assert mean.shape == sd.shape == (8, module.latent_dims)
    assert (sd > 0).all() or (sd == 0).all()  # a spread, or points
    assert ct.shape == mask.shape == (8, 1, 32, 32, 32)
    assert ct.min() >= 0
    assert ct.max() <= 1


@EACH
def test_a_vae_lowers_its_loss_on_one_batch(cls, batch):
    torch.manual_seed(0)
    module = cls().train()
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    seen = []
    for _ in range(15):
        loss = sum(module.losses(batch, progress=1.0, generator=generator).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert np.mean(seen[-3:]) < np.mean(seen[:3]) - 50


@EACH
def test_losses_stay_in_full_precision_under_autocast(cls, batch):
    torch.manual_seed(0)
    module = cls()

    def terms() -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        return module.losses(batch, progress=1.0, generator=generator)

    with torch.no_grad():
        exact = terms()
        with torch.autocast("cpu", torch.bfloat16):
            half = terms()
    for name, value in half.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(exact[name].item(), rel=0.05, abs=0.5)


@EACH
def test_a_vae_survives_save_and_load(cls, batch, tmp_path):
    module = cls().eval()
    written = write_model(tmp_path / "model.safetensors", module, {"use": "test"})
    read = read_model(tmp_path / "model.safetensors", "cpu")
    assert (read.name, read.sha256) == (cls.__name__, written.sha256)
    with torch.inference_mode():
        for before, after in zip(
            module.posterior(batch.view), read.module.posterior(batch.view), strict=True
        ):
            torch.testing.assert_close(after, before, rtol=0, atol=0)
