"""A Dirichlet model from training to traversal, by the same functions as any other."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_vaemed.cli import main
from napari_vaemed.data.bench import Codes
from napari_vaemed.data.posterior import DirichletPosterior
from napari_vaemed.data.progress import finish
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.distances import DIRICHLET_DISTANCES, DISTANCES, dirichlet
from napari_vaemed.io.bench_results import read_codes, write_codes
from napari_vaemed.io.indexes import write_index
from napari_vaemed.io.nodules import read_nodule_set
from napari_vaemed.workflow.compare import neighbours, query_of_record
from napari_vaemed.workflow.examine import describe, load_expert, mark, traverse
from napari_vaemed.workflow.index import build_index
from napari_vaemed.workflow.train import MODEL_FILE, train

SMALL = {"latent_dims": 5, "encoder_width": 8, "decoder_width": 8}


@pytest.fixture(scope="module")
def made(nodule_folder, tmp_path_factory):
    """Paths of a model trained for an epoch and of the index made with it."""
    out = tmp_path_factory.mktemp("dirichlet")
    run = RunSettings(epochs=1, batch=5, device="cpu")
    work = train(nodule_folder, out, model="DirichletVAE", arguments=SMALL, run=run, bench_epochs=0)
    model = finish(work)
    index = finish(build_index(model, finish(read_nodule_set(nodule_folder))))
    write_index(out / "index.safetensors", index)
    return out / MODEL_FILE, out / "index.safetensors"


@pytest.fixture(scope="module")
def expert(made):
    return load_expert("cpu", *made)


def test_a_model_of_shares_makes_an_index_of_concentrations(expert):
    posterior = expert.index.posterior
    assert isinstance(posterior, DirichletPosterior)
    assert posterior.concentration.shape == (10, 5)
    assert (posterior.concentration > 0).all()
    assert all(axis.corner for axis in expert.axes)


@pytest.mark.parametrize("distance", DIRICHLET_DISTANCES, ids=lambda d: d.__name__)
def test_the_nearest_are_those_of_the_dirichlet_distance(expert, distance):
    query = query_of_record(expert, expert.index.records[3].id)
    found = neighbours(expert, query, k=10, distance=distance.__name__)
    apart = distance(query.posterior, expert.index.posterior)[0]
    assert [n.row for n in found] == np.argsort(apart, kind="stable").tolist()


def test_a_clicked_nodule_is_described_and_walked_to_a_corner(expert, small_phantom):
    volume = small_phantom.volume
    solid = next(n for n in small_phantom.planted if n.kind == "solid" and n.diameter_mm > 8)
    marked = mark(volume, volume.to_voxel(np.array(solid.centre_mm)), small_phantom.lungs)
    said = describe(expert, volume, marked, k=4)
    assert isinstance(said.posterior, DirichletPosterior)
    apart = dirichlet.hellinger(said.posterior, expert.index.posterior)[0]
    assert said.neighbours[0].row == apart.argmin()
    assert 0 < said.neighbours[0].similarity <= 1
    axis = replace(_any_axis(expert), low=0.0, high=1.0)
    walk = traverse(expert, said.posterior.mean, axis, steps=3)
    assert walk.shape == (3, 32, 32, 32)
    assert not np.array_equal(walk[0], walk[-1])


def _any_axis(expert):
    from napari_vaemed.explanation.traversal import LatentAxis

    return expert.axes[0] if expert.axes else LatentAxis(0, 1.0, 0.0, 1.0, "unnamed", corner=True)


def test_the_command_line_takes_model_and_index(made, expert, capsys):
    model, index = map(str, made)
    name = expert.index.records[3].id
    query = ["neighbours", "--id", name, "--model", model, "--index", index, "--json"]
    assert main(query) == 0
    default = json.loads(capsys.readouterr().out)
    assert default[0]["id"] == name
    assert main([*query, "--distance", "hellinger"]) == 0
    assert json.loads(capsys.readouterr().out) == default
    assert main([*query, "--distance", "fisher-rao"]) == 2
    assert "no distance 'fisher-rao' between Dirichlets" in capsys.readouterr().err


def test_codes_of_shares_are_kept_and_judged_by_distances_of_the_same_names(tmp_path):
    from napari_vaemed.distances.families import distances_of

    rng = np.random.default_rng(0)
    posterior = DirichletPosterior(rng.uniform(0.02, 4, (12, 5)).astype(np.float32))
    codes = Codes(posterior, posterior.mean, {"seconds": 1.0})
    write_codes(tmp_path / "c.safetensors", codes, {"a": 1})
    read = read_codes(tmp_path / "c.safetensors", {"a": 1})
    assert isinstance(read.clicked, DirichletPosterior)
    assert np.array_equal(read.clicked.concentration, posterior.concentration)
    shared = {d.__name__ for d in distances_of(posterior)} & {d.__name__ for d in DISTANCES}
    assert shared >= {"kl", "bhattacharyya", "hellinger", "euclidean"}


def test_the_bench_takes_a_model_of_shares(nodule_folder):
    from napari_vaemed.training.samples import nodule_samples
    from napari_vaemed.workflow.bench import knn_bench

    nodules = finish(read_nodule_set(nodule_folder))
    samples = finish(nodule_samples(nodules, views=2))
    figures = finish(
        knn_bench(
            nodules, samples, model="DirichletVAE", arguments=SMALL, epochs=1, folds=2, batch=5
        )
    )
    assert 0 <= figures["latent"]["auc"] <= 1
