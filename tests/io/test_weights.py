from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.weights import (
    model_files,
    shipped_index_path,
    shipped_model_path,
    shipped_nodule_models,
)


def test_the_shipped_model_is_small_and_says_what_it_is():
    model = read_model(shipped_model_path(), "cpu")
    assert shipped_model_path().stat().st_size <= 10e6
    assert "Research only" in model.card["use"]
    assert "10.7937/K9/TCIA.2015.LO9QL9SX" in model.card["data"]
    assert "CC BY 3.0" in model.card["data"]
    figures = model.card["figures"]
    assert figures["n"] == 499
    assert {"auc", "auc_6_to_10_mm"} <= set(figures["latent"]) & set(figures["log volume"])


def test_the_shipped_index_belongs_to_the_shipped_model():
    index = read_index(shipped_index_path())
    assert index.model_sha256 == read_model(shipped_model_path(), "cpu").sha256
    assert len(index) == 795
    assert np.isfinite(index.posterior.mean).all()
    assert (index.posterior.sd > 0).all()
    assert "10.7937/K9/TCIA.2015.LO9QL9SX" in index.source


@pytest.mark.parametrize("shipped", shipped_nodule_models()[1:], ids=lambda shipped: shipped.name)
def test_the_models_to_explore_are_small_and_have_their_index_and_figures(shipped):
    model, index = read_model(shipped.model, "cpu"), read_index(shipped.index)
    assert shipped.model.stat().st_size <= 3e6
    assert index.model_sha256 == model.sha256
    assert len(index) == 795
    assert "Research only" in model.card["use"]
    assert "10.7937/K9/TCIA.2015.LO9QL9SX" in model.card["data"]
    assert {"latent", "log volume itself", "n"} <= set(model.card["figures"])


def test_a_shipped_model_is_called_by_its_name_and_brings_its_index(tmp_path):
    first, small = shipped_nodule_models()[:2]
    own, index = tmp_path / "own.safetensors", tmp_path / "index.safetensors"
    assert model_files(None, None) == (first.model, first.index)
    assert model_files(Path(small.name), None) == (small.model, small.index)
    assert model_files(Path(small.name), index) == (small.model, index)
    assert model_files(own, index) == (own, index)
