from __future__ import annotations

import numpy as np

from napari_vaemed.workflow.bench import _figures, _Scored


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
