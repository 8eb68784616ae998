from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.latent_map import METHODS
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import DirichletPosterior, Posterior
from napari_vaemed.data.progress import finish
from napari_vaemed.io.checkpoints import write_model
from napari_vaemed.models.networks import to_unit
from napari_vaemed.models.vae.dec import DEC
from napari_vaemed.models.vae.gaussian import GaussianVAE
from napari_vaemed.models.vae.one_step import OneStepVAE
from napari_vaemed.models.vae.vade import VaDE
from napari_vaemed.retrieval import latent_map as layouts
from napari_vaemed.retrieval.latent_map import coordinates
from napari_vaemed.workflow import latent_map as maps
from napari_vaemed.workflow.encode import encode_patches
from napari_vaemed.workflow.latent_map import (
    clusters,
    colouring_named,
    colourings,
    evidence,
    map_rows,
    place,
    project,
)


def _index(mean, sha="a" * 64) -> NoduleIndex:
    rng = np.random.default_rng(5)
    records = tuple(
        NoduleRecord(f"N{i}", f"P{i // 2}", f"1.2.{i // 2}", (0.0, 0.0, 0.0), 4.0 + i % 9,
                     {"malignancy": float(rng.integers(1, 6)), "texture": 5.0})
        for i in range(len(mean))
    )  # fmt: skip
    mean = np.asarray(mean, np.float32)
    return NoduleIndex(records, Posterior(mean, np.full_like(mean, 0.4)), sha, "made here")


@pytest.fixture(scope="module")
def index() -> NoduleIndex:
    """Two groups of 40, apart in every one of five latents."""
    rng = np.random.default_rng(0)
    return _index(rng.normal(size=(80, 5)) + np.repeat([0.0, 7.0], 40)[:, None])


@pytest.fixture(scope="module", params=["PCA", "t-SNE"])
def made(request, index):
    return finish(project(index, request.param))


def test_every_nodule_of_the_index_lies_where_it_is_put_again(index, made):
    for row in (0, 17, 79):
        np.testing.assert_array_equal(place(made, index, index.posterior[row]), made.places[row])
        known = Posterior(index.posterior.mean[row], index.posterior.sd[row])
        np.testing.assert_array_equal(place(made, index, known), made.places[row])


def test_a_new_nodule_comes_among_its_like(index, made):
    new = Posterior(np.full(5, 7.2, np.float32), np.full(5, 0.4, np.float32))
    at = place(made, index, new)
    one, other = made.places[:40].mean(axis=0), made.places[40:].mean(axis=0)
    assert np.linalg.norm(at - other) < 0.3 * np.linalg.norm(at - one)


def test_by_pca_a_new_nodule_is_projected_exactly(index):
    made = finish(project(index))
    new = Posterior(np.arange(5, dtype=np.float32), np.ones(5, np.float32))
    means = index.posterior.mean.astype(float)
    _, _, axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    expected = (np.arange(5) - means.mean(axis=0)) @ axes[:2].T
    np.testing.assert_allclose(np.abs(place(made, index, new)), np.abs(expected), rtol=1e-5)


def test_a_map_tells_what_it_is_worth(index, made):
    assert f"{made.method} of 80 posterior means" in made.told
    assert f"trustworthiness {made.trust:.2f} at 10" in made.told
    assert "aaaaaaaa" in made.told
    assert ("nearest" in made.told) == (made.method == "t-SNE")
    assert 0.5 < made.trust <= 1.0
    assert made.places.dtype == np.float32


def test_shares_are_laid_out_by_their_log_ratios():
    concentration = np.random.default_rng(0).gamma(2.0, size=(30, 4)).astype(np.float32)
    index = replace(_index(np.zeros((30, 4))), posterior=DirichletPosterior(concentration))
    made = finish(project(index))
    assert "centred log-ratios" in made.told
    logs = np.log(concentration)
    logs = logs - logs.mean(axis=1, keepdims=True)
    _, sizes, _ = np.linalg.svd(logs - logs.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.linalg.norm(made.places, axis=0), sizes[:2], rtol=1e-4)
    scaled = DirichletPosterior(concentration[4] * 3)  # the same shares
    np.testing.assert_allclose(place(made, index, scaled), made.places[4], atol=1e-4)


def test_of_too_many_nodules_some_are_laid_out_and_the_others_put_among_them(index, monkeypatch):
    monkeypatch.setitem(layouts.LAID_OUT, "t-SNE", 60)
    made = finish(project(index, "t-SNE"))
    assert "60 of them laid out" in made.told
    rows = layouts.drawn(80, 60, 0)
    rest = np.setdiff1d(np.arange(80), rows)
    points = coordinates(index.posterior)
    expected = layouts.among(points[rows], made.places[rows].astype(float), points[rest])
    np.testing.assert_allclose(made.places[rest], expected, atol=1e-4)


def test_a_map_is_laid_out_in_the_thread_that_asks_so_that_none_outlives_its_job(
    index, monkeypatch
):
    lay_out, threads = layouts.stochastic_neighbours, []

    def noted(points, seed):
        threads.append(threading.get_ident())
        return lay_out(points, seed)

    monkeypatch.setattr(layouts, "stochastic_neighbours", noted)
    finish(project(index, "t-SNE"))
    assert threads == [threading.get_ident()]


@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_umap_is_the_same_for_a_seed_and_takes_new_nodules_in(index):
    pytest.importorskip("umap", exc_type=ImportError)
    made, again = (finish(project(index, "UMAP")) for _ in range(2))
    np.testing.assert_array_equal(made.places, again.places)
    test_every_nodule_of_the_index_lies_where_it_is_put_again(index, made)
    test_a_new_nodule_comes_among_its_like(index, made)


def test_what_cannot_be_mapped_is_refused(index):
    with pytest.raises(ValueError, match=", ".join(METHODS)):
        finish(project(index, "isomap"))
    with pytest.raises(ValueError, match="3 nodules at least"):
        finish(project(replace(index, records=index.records[:2], posterior=index.posterior[:2])))


def test_a_nodule_of_another_model_has_no_place(index):
    made = finish(project(index))
    with pytest.raises(ValueError, match="another index"):
        place(made, replace(index, model_sha256="b" * 64), index.posterior[0])
    with pytest.raises(ValueError, match="5 numbers"):
        place(made, index, Posterior(np.zeros(4, np.float32), np.ones(4, np.float32)))
    with pytest.raises(ValueError, match="DirichletPosterior"):
        place(made, index, DirichletPosterior(np.ones(5, np.float32)))


def test_colourings_hold_what_is_known_and_every_latent_that_tells(index):
    found = colourings(index)
    names = [each.name for each in found]
    assert names[0] == "malignancy"
    assert {"texture", "diameter", "log volume", "patient"} <= set(names)
    assert sum(name.startswith("z") for name in names) == 5
    assert all(len(each.known) == len(index) for each in found)
    latent = colouring_named(found, "z3")
    np.testing.assert_array_equal(latent.values, index.posterior.mean[:, 3])
    assert colouring_named(found, "log_volume").unit == "log mm³"
    with pytest.raises(ValueError, match="malignancy, "):
        colouring_named(found, "taste")


@pytest.mark.parametrize("method", ["k-means", "mixture"])
def test_two_planted_groups_are_found_and_told(index, method):
    found = finish(clusters(index, method, 2))
    assert len(set(found.labels[:40])) == len(set(found.labels[40:])) == 1
    assert found.labels[0] != found.labels[79]
    assert method in found.told
    assert "with malignancy NMI" in found.told


@pytest.mark.parametrize(
    ("cls", "extra"),
    [(VaDE, {}), (OneStepVAE, {}), (DEC, {}), (DEC, {"distance": "bhattacharyya"})],
)
def test_a_model_s_classes_are_those_it_finds_in_the_pictures(cls, extra, tmp_path):
    torch.manual_seed(0)
    module = cls(clusters=3, latent_dims=4, encoder_width=8, decoder_width=8, **extra).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model = write_model(tmp_path / "model.safetensors", module, {})
    rng = np.random.default_rng(0)
    levels = rng.uniform(-1000, 400, (24, 1, 1, 1))
    patches = (levels + rng.normal(0, 150, (24, 32, 32, 32))).astype(np.int16)
    with torch.inference_mode():
        expected = module.class_probabilities(to_unit(torch.from_numpy(patches)[:, None].float()))
    posterior = encode_patches(model, patches)
    index = replace(_index(posterior.mean, model.sha256), posterior=posterior)
    found = finish(clusters(index, "model", model=model))
    classes = [int(found.names[label].split()[1]) for label in found.labels]
    assert classes == expected.argmax(1).tolist()
    assert f"{cls.__name__}'s own 3 classes" in found.told


def test_a_model_without_classes_or_of_another_index_is_refused(index, tmp_path):
    small = {"latent_dims": 5, "encoder_width": 8, "decoder_width": 8}
    plain = write_model(tmp_path / "plain.safetensors", GaussianVAE(**small), {})
    other = write_model(tmp_path / "other.safetensors", VaDE(**small), {})
    for model, said in ((None, "no model"), (plain, "GaussianVAE finds none"), (other, "index is")):
        with pytest.raises(ValueError, match=said):
            finish(clusters(index, "model", model=model))


def test_rows_and_evidence_tell_everything_a_reader_needs(index):
    made, found = finish(project(index)), finish(clusters(index, "k-means", 2))
    rows = map_rows(made, index, found)
    assert [row["id"] for row in rows] == [record.id for record in index.records]
    np.testing.assert_allclose([(row["x"], row["y"]) for row in rows], made.places, atol=1e-4)
    assert {row["cluster"] for row in rows} == {"cluster 1", "cluster 2"}
    assert rows[0]["texture"] == 5.0
    assert rows[0]["spiculation"] is None
    said = evidence(made, index, colouring_named(colourings(index), "malignancy"), found)
    assert said["nodules"] == 80
    assert said["patients"] == 40
    assert said["model"] == "a" * 64
    assert said["clusters"]["agreement"] == found.figures
    assert said["notes"] == [maps.IN_SAMPLE]
