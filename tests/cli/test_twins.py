"""`vaemed neighbours --figure` and `vaemed calibrate`, run as a user runs them."""

from __future__ import annotations

import numpy as np
import pytest
from imageio.v3 import imread

from napari_vaemed.cli import main
from napari_vaemed.data.bench import Codes
from napari_vaemed.data.index import NoduleIndex
from napari_vaemed.data.nodule import NoduleRecord
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.io.bench_results import write_codes
from napari_vaemed.io.indexes import write_index
from napari_vaemed.io.vote_calibration import calibration_beside


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_several_nodules_of_the_index_make_a_figure(capsys, tmp_path):
    path = tmp_path / "twins.png"
    ids = ("--id", "LIDC-IDRI-0001_R_1", "--id", "LIDC-IDRI-0003_R_3")
    assert run("neighbours", *ids, "--figure", path) == 0
    assert imread(path).shape[0] > 200
    said = capsys.readouterr().err
    assert said.count("malignant") >= 2
    assert "n = 499 held out" in said
    assert "has learned from this patient" in said


def test_a_figure_that_cannot_be_written_is_refused_before_anything_is_read(capsys, tmp_path):
    one = ("neighbours", "--id", "LIDC-IDRI-0001_R_1")
    assert run(*one, "--figure", tmp_path / "twins.jpg") == 2
    assert run(*one, "--figure", tmp_path / "nowhere" / "twins.png") == 2
    assert run(*one, "--id", "LIDC-IDRI-0003_R_3") == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 3
    assert ".png" in said[0]
    assert "no folder" in said[1]
    assert "--figure" in said[2]


@pytest.fixture
def bench_of_an_index(tmp_path):
    rng = np.random.default_rng(0)
    n = 90
    malignant = rng.random(n) < 0.5
    records = tuple(
        NoduleRecord(f"N{i}", f"P{i}", "1", (0.0, 0.0, 0.0), 5.0 + 10 * rng.random(),
                     {"malignancy": 5.0 if malignant[i] else 1.0})
        for i in range(n)
    )  # fmt: skip
    mean = np.stack([malignant + 0.5 * rng.normal(size=n), rng.normal(size=n)], 1)
    posterior = Posterior(mean.astype(np.float32), np.full((n, 2), 0.3, np.float32))
    index = tmp_path / "nodules.safetensors"
    write_index(index, NoduleIndex(records, posterior, "a" * 64, "made here"))
    (tmp_path / "bench" / "codes").mkdir(parents=True)
    for fold in range(3):
        write_codes(
            tmp_path / "bench" / "codes" / f"GaussianVAE-seed0-fold{fold}.safetensors",
            Codes(posterior, posterior.mean, {}),
            {"folds": 3, "fold": fold, "seed": 0},
        )
    return tmp_path / "bench", index


def test_the_calibration_lands_where_the_index_s_users_look(capsys, bench_of_an_index):
    bench, index = bench_of_an_index
    assert run("calibrate", bench, "--index", index) == 0
    said = capsys.readouterr().out
    assert "90 held-out nodules" in said
    assert "1 seed" in said
    assert "wasserstein2" in said
    found = calibration_beside(index, "a" * 64)
    assert found.nodules == 90
    assert f"{found.curves['wasserstein2'].error.value:.3f}" in said


def test_a_folder_that_is_no_bench_is_refused_in_a_line(capsys, bench_of_an_index, tmp_path):
    _, index = bench_of_an_index
    assert run("calibrate", tmp_path, "--index", index) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
