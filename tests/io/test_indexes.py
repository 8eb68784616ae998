from __future__ import annotations

import numpy as np
import pytest

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.io.indexes import read_index, write_index


@pytest.fixture
def index() -> NoduleIndex:
    rng = np.random.default_rng(0)
    records = tuple(
        NoduleRecord(
            f"N{i}",
            f"P{i}",
            "1.2.3",
            (1.5, -2.25, 3.125),
            7.5,
            {"malignancy": 4.0},
            i * 9.5 or None,
        )
        for i in range(5)
    )
    mean, sd = rng.normal(size=(2, 5, 3)).astype(np.float32)
    return NoduleIndex(records, Posterior(mean, np.abs(sd)), "abc", "a source – cited")


def test_an_index_comes_back_as_it_was(index, tmp_path):
    write_index(tmp_path / "index.safetensors", index)
    read = read_index(tmp_path / "index.safetensors")
    assert read.records == index.records
    assert (read.model_sha256, read.source) == (index.model_sha256, index.source)
    np.testing.assert_array_equal(read.posterior.mean, index.posterior.mean)
    np.testing.assert_array_equal(read.posterior.sd, index.posterior.sd)


def test_an_index_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="vaemed index"):
        read_index(tmp_path / "index.safetensors")


def test_a_damaged_index_is_refused_in_words(index, tmp_path):
    write_index(tmp_path / "index.safetensors", index)
    (tmp_path / "index.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="Build it again"):
        read_index(tmp_path / "index.safetensors")
