from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from napari_vaemed.cli import main
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.progress import finish
from napari_vaemed.io.checkpoints import read_model
from napari_vaemed.io.indexes import read_index
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.io.weights import shipped_index_path, shipped_model_path
from napari_vaemed.retrieval.neighbours import nearest
from napari_vaemed.workflow.bench_shipped import shipped_bench
from napari_vaemed.workflow.encode import encode_patches
from napari_vaemed.workflow.index import click_all


def test_the_shipped_encoder_is_scored_on_any_folder_of_that_layout(nodule_folder, capsys):
    assert main(["bench", "--shipped", "--test", str(nodule_folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["n"], told["malignant"], told["patients_in_index"]) == (10, 5, 0)
    low, high = told["auc_interval"]
    assert low <= told["auc"] <= high
    assert told["auc_log_volume"] == 1.0  # the larger, the worse
    assert told["auc_6_10mm"] is told["auc_6_10mm_interval"] is None  # all benign


def test_its_votes_are_those_of_the_search_for_neighbours(nodule_folder):
    """The same figure by the path that a click in the window takes."""
    model, index = read_model(shipped_model_path(), "cpu"), read_index(shipped_index_path())
    nodules = finish(read_nodule_set(nodule_folder))
    posterior = encode_patches(model, finish(click_all(nodules)).patches)
    weights = 1.0 / (np.arange(20) + 5.0 + 1.0)
    votes = []
    for row in range(len(nodules)):
        query = Posterior(posterior.mean[row], posterior.sd[row])
        clear = [n.record.malignancy for n in nearest(index, query, k=200)]
        clear = [score for score in clear if score != 3][:20]
        votes.append(weights @ (np.array(clear) > 3))
    positive = [record.malignancy > 3 for record in nodules.records]
    told = finish(shipped_bench(nodule_folder, device="cpu"))
    assert told["auc"] == pytest.approx(roc_auc_score(positive, votes))


def test_a_bench_says_what_it_lacks(capsys):
    assert main(["bench", "--shipped"]) == 2
    assert "--shipped needs --test DIR" in capsys.readouterr().err
    assert main(["bench"]) == 2
    assert "needs a folder of nodules and -o OUT" in capsys.readouterr().err
