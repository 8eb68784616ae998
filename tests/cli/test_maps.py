"""`vaemed map`, run as a user runs it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from imageio.v3 import imread

from napari_vaemed.cli import main
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.io.indexes import read_index, write_index
from napari_vaemed.io.weights import shipped_index_path, shipped_nodule_models


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def own_index(tmp_path_factory):
    rng = np.random.default_rng(0)
    far = np.repeat([0.0, 9.0], 20)
    records = tuple(
        NoduleRecord(f"N{i}", f"P{i}", "1", (0.0, 0.0, 0.0), 5.0 + far[i],
                     {"malignancy": 5.0 if far[i] else 1.0})
        for i in range(40)
    )  # fmt: skip
    mean = (rng.normal(size=(40, 3)) + far[:, None]).astype(np.float32)
    path = tmp_path_factory.mktemp("own") / "nodules.safetensors"
    posterior = Posterior(mean, np.full_like(mean, 0.5))
    write_index(path, NoduleIndex(records, posterior, "a" * 64, "made here"))
    return path


def test_the_shipped_nodules_become_table_json_and_picture(capsys, tmp_path):
    paths = [tmp_path / f"map.{ending}" for ending in ("csv", "json", "png")]
    outputs = [word for path in paths for word in ("-o", path)]
    assert run("map", "--clusters", "mixture:2", "--colour", "malignancy", *outputs) == 0
    said = json.loads(capsys.readouterr().out)
    index = read_index(shipped_index_path())
    with paths[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [record.id for record in index.records]
    means = index.posterior.mean.astype(float)
    _, sizes, _ = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    places = np.array([(row["x"], row["y"]) for row in rows], float)
    np.testing.assert_allclose(np.linalg.norm(places, axis=0), sizes[:2], rtol=1e-3)
    assert said["nodules"] == len(rows) == len(json.loads(paths[1].read_text())["places"])
    assert said["model"] == index.model_sha256
    assert "LIDC-IDRI" in said["training_data"]
    assert 0.7 < said["trustworthiness"] < 1.0
    assert 0 < said["clusters"]["agreement"]["with malignancy"]["nmi"] < 1
    assert "not a medical device" in said["warning"]
    assert imread(paths[2]).shape[0] > 800


def test_a_shipped_model_is_called_by_its_name_and_its_index_comes_with_it(capsys):
    assert run("map", "--model", "one-step-vae", "--clusters", "model") == 0
    said = json.loads(capsys.readouterr().out)
    small = shipped_nodule_models()[2]
    assert said["model"] == read_index(small.index).model_sha256
    assert "OneStepVAE's own" in said["clusters"]["told"]
    assert said["training_data"]


def test_clusters_of_one_s_own_index_are_found_and_colour_it(capsys, own_index, tmp_path):
    path = tmp_path / "map.csv"
    assert run("map", "--index", own_index, "--clusters", "k-means:2", "-o", path) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["colour"]["name"] == "clusters"
    assert said["training_data"] is None
    assert said["clusters"]["agreement"]["with malignancy"]["ari"] == 1.0
    with path.open(newline="", encoding="utf-8") as file:
        found = [(row["label"], row["cluster"]) for row in csv.DictReader(file)]
    assert len(set(found)) == 2


def test_the_neighbours_map_is_the_same_twice(capsys, own_index, tmp_path):
    for name in ("one.csv", "two.csv"):
        command = ("map", "--index", own_index, "--method", "tsne", "--seed", "3")
        assert run(*command, "-o", tmp_path / name) == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert '"method": "t-SNE"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "map.svg"), ".png"),
        (("-o", "nowhere/map.csv"), "no folder"),
        (("--clusters", "k-means:many"), "k-means:4"),
        (("--clusters", "ward:2"), "mixture"),
        (("--clusters", "model"), "finds none"),
        (("--colour", "taste"), "malignancy"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(capsys, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert run("map", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert said in error
