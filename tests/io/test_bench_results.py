from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.bench import Codes
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.io.bench_results import read_clicks, read_codes, write_clicks, write_codes

SETTINGS = {"model": "GaussianVAE", "seed": 1, "arguments": {"beta": 4.0}}


@pytest.fixture
def codes() -> Codes:
    rng = np.random.default_rng(0)
    mean, sd, centred = rng.normal(size=(3, 5, 2)).astype(np.float32)
    return Codes(Posterior(mean, np.abs(sd)), centred, {"seconds": 1.5, "elbo": None})


def test_codes_come_back_as_they_were_written(codes, tmp_path):
    path = tmp_path / "a.safetensors"
    assert read_codes(path, SETTINGS) is None
    write_codes(path, codes, SETTINGS)
    read = read_codes(path, SETTINGS)
    np.testing.assert_array_equal(read.clicked.mean, codes.clicked.mean)
    np.testing.assert_array_equal(read.clicked.sd, codes.clicked.sd)
    np.testing.assert_array_equal(read.centred, codes.centred)
    assert read.facts == codes.facts
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_codes_of_other_settings_are_refused(codes, tmp_path):
    write_codes(tmp_path / "a.safetensors", codes, SETTINGS)
    with pytest.raises(ValueError, match="asked for is"):
        read_codes(tmp_path / "a.safetensors", {**SETTINGS, "seed": 2})


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"a\.safetensors is damaged"):
        read_codes(tmp_path / "a.safetensors", SETTINGS)


def test_clicks_are_kept_for_the_same_nodules_only(tmp_path):
    patches = np.arange(2 * 8, dtype=np.int16).reshape(2, 2, 2, 2)
    write_clicks(tmp_path / "clicks.safetensors", ["P1", "P2"], patches)
    again = read_clicks(tmp_path / "clicks.safetensors", ["P1", "P2"])
    np.testing.assert_array_equal(again, patches)
    assert read_clicks(tmp_path / "clicks.safetensors", ["P1", "P3"]) is None
    assert read_clicks(tmp_path / "none.safetensors", ["P1", "P2"]) is None
