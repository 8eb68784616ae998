from __future__ import annotations

import numpy as np

from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.nodule_set import NoduleSet
from napari_vaemed.data.volume import Volume
from napari_vaemed.workflow.bench import _figures, _Scored, crop_heights


def test_a_perfect_vote_has_area_one_and_a_class_alone_has_none():
    scored = _Scored(
        rows=np.array([0, 2, 3, 5]),
        positive=np.array([True, False, True, False]),
        small=np.array([True, False, True, False]),
    )
    vote = np.array([0.9, np.nan, 0.2, 0.8, np.nan, 0.1])
    figures = _figures({"latent": vote}, scored, {"seed": 0})
    assert figures["latent"] == {"auc": 1.0, "auc_6_to_10_mm": None}
    assert (figures["n"], figures["n_6_to_10_mm"], figures["seed"]) == (4, 2, 0)


def test_the_height_of_a_crop_counts_on_both_sides_of_the_centre():
    volume = Volume(np.zeros((6, 4, 4), np.int16), (2.0, 1.0, 1.0))
    record = NoduleRecord("N", "P", "1.2", (1.0, 1.0, 1.0), 8.0, {"malignancy": 3.0})
    mask = np.ones(volume.shape, bool)
    nodules = NoduleSet((record,), (volume,), (mask,), (mask,), "made here")
    np.testing.assert_allclose(crop_heights(nodules, within_mm=np.inf), 10.0)
    np.testing.assert_allclose(crop_heights(nodules, within_mm=1.5), 2.5)
