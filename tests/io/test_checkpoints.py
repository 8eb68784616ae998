from __future__ import annotations

import json

import pytest
import torch

from napari_vaemed.io.checkpoints import (
    read_model,
    read_training,
    write_model,
    write_training,
)
from napari_vaemed.models.vae.gaussian import GaussianVAE

SMALL = {"latent_dims": 4, "encoder_width": 8, "decoder_width": 8}


@pytest.fixture
def path(tmp_path):
    """A small model on disk."""
    write_model(tmp_path / "small.safetensors", GaussianVAE(**SMALL), {"use": "test only"})
    return tmp_path / "small.safetensors"


def test_a_model_comes_back_with_its_make_and_card(path):
    model = read_model(path, "cpu")
    assert model.name == "GaussianVAE"
    assert model.module.latent_dims == 4
    assert not model.module.training
    assert model.card == {"use": "test only"}
    assert model.device == "cpu"


def test_the_checksum_is_that_of_the_weights_file(path):
    import hashlib

    assert read_model(path, "cpu").sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_nothing_but_the_two_files_is_left(path):
    assert sorted(p.name for p in path.parent.iterdir()) == ["small.json", "small.safetensors"]


def test_weights_that_were_changed_are_refused(path):
    path.write_bytes(path.read_bytes()[:-4] + b"\0\1\2\3")
    with pytest.raises(ValueError, match="checksum"):
        read_model(path, "cpu")


def test_a_missing_half_is_named(path):
    path.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match=r"small\.json"):
        read_model(path, "cpu")


def test_a_model_of_an_unknown_class_is_refused_in_words(path):
    about = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**about, "class": "OtherVAE"}))
    with pytest.raises(ValueError, match="holds a OtherVAE; this version knows GaussianVAE"):
        read_model(path, "cpu")


def test_a_model_of_other_arguments_is_refused_in_words(path):
    about = json.loads(path.with_suffix(".json").read_text())
    about["arguments"]["latent_dims"] = 5
    path.with_suffix(".json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match="do not fit GaussianVAE"):
        read_model(path, "cpu")


def test_a_training_state_comes_back(tmp_path):
    state = {"module.a": torch.randn(3, 2), "epoch": torch.tensor(7)}
    record = {"epochs": [{"number": 7, "losses": {"far": 0.1}}]}
    write_training(tmp_path / "training.safetensors", state, record)
    read = read_training(tmp_path / "training.safetensors")
    assert set(read.state) == set(state)
    assert all(torch.equal(read.state[name], state[name]) for name in state)
    assert read.record == record


def test_a_file_that_is_no_checkpoint_is_refused_in_words(tmp_path):
    (tmp_path / "training.safetensors").write_bytes(b"not a checkpoint at all")
    with pytest.raises(ValueError, match="Delete them to start anew"):
        read_training(tmp_path / "training.safetensors")


def test_a_training_without_its_record_is_refused_in_words(tmp_path):
    write_training(tmp_path / "training.safetensors", {"epoch": torch.tensor(7)}, {})
    (tmp_path / "training.json").unlink()
    with pytest.raises(ValueError, match="Delete them to start anew"):
        read_training(tmp_path / "training.safetensors")
