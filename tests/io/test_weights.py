from __future__ import annotations

import numpy as np

from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.weights import shipped_index_path, shipped_model_path


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
