from __future__ import annotations

import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_vaemed.data.progress import finish
from napari_vaemed.io.checkpoints import constructor_arguments, read_model, write_model
from napari_vaemed.models import VAES
from napari_vaemed.models.backbones import Images
from napari_vaemed.models.protocols import Batch, DigitBatch, NoduleVAE, Surveyor
from napari_vaemed.training.fit import fit
from napari_vaemed.training.samples import NoduleSamples

EACH = pytest.mark.parametrize("cls", VAES, ids=lambda cls: cls.__name__)
LOOKS_AT_DIGITS = [cls for cls in VAES if "images" in inspect.signature(cls).parameters]
DIGITS = pytest.mark.parametrize("cls", LOOKS_AT_DIGITS, ids=lambda cls: cls.__name__)
CLUSTERERS = pytest.mark.parametrize(
    "cls",
    [cls for cls in VAES if hasattr(cls, "class_probabilities")],
    ids=lambda cls: cls.__name__,
)
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


def _small(cls: type, **arguments: object) -> torch.nn.Module:
    """As small as it goes, its weights always the same."""
    least = {"encoder_width": 8, "decoder_width": 8, "clusters": 2, "latent_dims": 12}
    known = inspect.signature(cls).parameters
    torch.manual_seed(0)
    return cls(**{name: value for name, value in least.items() if name in known}, **arguments)


@pytest.fixture(scope="module")
def samples(batch) -> NoduleSamples:
    """The same balls, four equal looks each."""
    hu = (batch.target[:, 0] * 1400 - 1000).to(torch.int16)
    return NoduleSamples(
        views=hu[:, None, 14:18].repeat(1, 4, 1, 1, 1),
        target=hu,
        measured=batch.measured[:, 0],
        mask=batch.mask[:, 0],
        ratings=batch.ratings,
        log_volume=batch.log_volume,
    )


@EACH
@pytest.mark.parametrize("stopped", [1, 3])
def test_a_resumed_training_ends_where_an_unbroken_one_does(cls, stopped, samples):
    how = {"epochs": 4, "batch": 4, "seed": 1}
    unbroken = finish(fit(_small(cls), samples, **how))
    run = fit(_small(cls), samples, **how)
    for _ in range(stopped):
        state = {name: value.clone() for name, value in next(run).state.items()}
    run.close()
    resumed = finish(fit(_small(cls), samples, resume=state, **how))
    for name, value in unbroken.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


@DIGITS
def test_a_vae_of_digits_draws_digits_and_learns_from_them(cls):
    module = _small(cls, images="digit")
    assert inspect.signature(cls, eval_str=True).parameters["images"].annotation == Images
    pictures = torch.rand(3, 6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    batch = DigitBatch(*pictures, label=torch.tensor([0, 1, -1, -1, 0, 1]))
    mean, _ = module.posterior(batch.view)
    picture, ink = module.decode(mean)
    assert picture.shape == ink.shape == (6, 1, 28, 28)
    torch.testing.assert_close(torch.sigmoid(ink), picture)
    terms = module.losses(batch, progress=0.0, generator=torch.Generator().manual_seed(0))
    sum(terms.values()).backward()
    with pytest.raises(ValueError, match="images='nodule'"):
        module.posterior(torch.rand(2, 1, 32, 32, 32))


@CLUSTERERS
def test_classes_have_chances_and_codes(cls, batch):
    module = _small(cls).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        if isinstance(module, Surveyor):
            module.survey([batch], progress=1.0, generator=generator)
        chances = module.class_probabilities(batch.view)
        codes = module.class_codes(5, generator)
        picture, _ = module.decode(codes.flatten(0, 1))
    assert chances.shape == (8, module.clusters)
    assert (chances >= 0).all()
    torch.testing.assert_close(chances.sum(1), torch.ones(8))
    assert codes.shape == (module.clusters, 5, module.latent_dims)
    assert picture.isfinite().all()


TOY = """
from napari_vaemed.models.vae.autoencoder import Autoencoder

class ToyVAE(Autoencoder):
    'A toy.'
"""
ADDED = """
import json, sys
from pathlib import Path
import napari_vaemed.models as models
from toy import ToyVAE
models.VAES = (*models.VAES, ToyVAE)  # the one line
from napari_vaemed.io.checkpoints import read_model, write_model
from napari_vaemed.workflow.bench_codes import entrants
from napari_vaemed.workflow.own_model import model_forms
from napari_vaemed.workflow.train import new_module
path = Path(sys.argv[1]) / "toy.safetensors"
write_model(path, new_module("ToyVAE", {"latent_dims": 5}, 0), {})
read = read_model(path, "cpu")
print(json.dumps({
    "form": model_forms()[-1].name,
    "bench": any(entrant.model == "ToyVAE" for entrant in entrants()),
    "read": [read.name, read.module.latent_dims],
}))
"""


def test_a_new_vae_takes_one_file_and_one_line(tmp_path):
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "added.py").write_text(ADDED)
    done = subprocess.run(
        [sys.executable, tmp_path / "added.py", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"form": "ToyVAE", "bench": True, "read": ["ToyVAE", 5]}
