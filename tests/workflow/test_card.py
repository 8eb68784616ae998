from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from napari_vaemed.cli import main
from napari_vaemed.data.bench import BenchRow, Codes
from napari_vaemed.data.interval import Interval
from napari_vaemed.data.posterior import Posterior
from napari_vaemed.data.run_settings import RunSettings
from napari_vaemed.io.bench_report import read_bench, write_bench
from napari_vaemed.io.bench_results import write_codes
from napari_vaemed.io.checkpoints import read_about, read_model
from napari_vaemed.io.weights import shipped_click_net_path, shipped_model_path
from napari_vaemed.workflow.bench_codes import Entrant, made_by
from napari_vaemed.workflow.card import Made, card_figures, model_card, remade_card

ABOUT = {"n": 499, "malignant": 199, "n_6_to_10_mm": 145, "patients": 328, "seeds": 3, "folds": 5,
         "epochs": 66}  # fmt: skip


def _row(entrant: str, distance: str, auc: float, **more) -> BenchRow:
    strata = {"6–10 mm": Interval(0.8, 0.7, 0.9), "solid": None}
    area = Interval(auc, auc - 0.03, auc + 0.02)
    return BenchRow(entrant, distance, 3, area, strata["6–10 mm"], strata=strata, **more)


ROWS = (
    _row("GaussianVAE", "20-NN with mask features", 0.94, p_mask=0.02),
    _row("mask features", "20-NN", 0.93),
    _row("GaussianVAE", "Euclidean", 0.92),
    _row("GaussianVAE", "2-Wasserstein", 0.91, calibration_error=Interval(0.03, 0.02, 0.06)),
    _row("log volume", "itself", 0.9),
    _row("Autoencoder", "Euclidean", 0.8),
    _row("random", "2-Wasserstein", 0.7),
)


@pytest.fixture
def shipped(tmp_path):
    """A copy of the shipped model, and a bench of its recipe."""
    for path in (shipped_model_path(), shipped_model_path().with_suffix(".json")):
        shutil.copy(path, tmp_path)
    (tmp_path / "bench" / "codes").mkdir(parents=True)
    write_bench(tmp_path / "bench", ROWS, ABOUT, {})
    return tmp_path / shipped_model_path().name


def test_a_bench_is_read_as_it_was_written(shipped):
    about, rows = read_bench(shipped.parent / "bench" / "bench.json")
    assert about == ABOUT
    assert [asdict(row) for row in rows] == [asdict(row) for row in ROWS]


def test_a_card_made_anew_keeps_the_weights_their_checksum_and_their_training(shipped):
    before, weights = read_about(shipped), shipped.read_bytes()
    card = remade_card(shipped, shipped.parent / "bench")
    after = read_about(shipped)
    assert {k: after[k] for k in ("class", "arguments", "sha256")} == {
        k: before[k] for k in ("class", "arguments", "sha256")
    }
    assert shipped.read_bytes() == weights
    model = read_model(shipped, "cpu")
    assert model.card == card == after["card"]
    for kept in ("data", "licence", "nodules", "patients", "training"):
        assert card[kept] == before["card"][kept]
    assert "Research only" in card["use"]
    assert card["limits"]


def test_the_figures_are_those_of_the_usual_distance_and_of_the_rulers():
    figures = card_figures(ROWS, ABOUT, latent="GaussianVAE")
    told = {name: row["auc"] for name, row in figures.items() if isinstance(row, dict)}
    assert told == {
        "latent 20-NN with mask features": 0.94, "mask features": 0.93, "latent": 0.91,
        "log volume itself": 0.9, "random": 0.7,
    }  # fmt: skip
    latent = figures["latent"]
    assert (latent["from"], latent["to"], latent["auc_6_to_10_mm"]) == (0.88, 0.93, 0.8)
    assert latent["calibration error"] == [0.03, 0.02, 0.06]
    assert latent["strata"] == {"6–10 mm": [0.8, 0.7, 0.9], "solid": None}
    assert (figures["seeds"], figures["n"]) == (3, 499)
    json.dumps(figures, allow_nan=False)


def test_the_command_of_a_card_makes_the_same_model_again():
    made = Made("Autoencoder", {"latent_dims": 12}, 4)
    card = model_card(made, "a folder", 20, 10, {"epochs": 3})
    flags = "--model Autoencoder --set latent_dims=12 --epochs 3"
    assert card["command"] == f"vaemed train FOLDER -o OUT {flags}"


def test_a_bench_of_another_recipe_is_refused(shipped):
    nothing = np.zeros((2, 3), np.float32)
    codes = Codes(Posterior(nothing, nothing), nothing, {})
    run = RunSettings(epochs=66, batch=96)
    place = shipped.parent / "bench" / "codes" / "GaussianVAE-seed0-fold0.safetensors"
    write_codes(place, codes, made_by(Entrant("GaussianVAE", "GaussianVAE"), run))
    remade_card(shipped, shipped.parent / "bench")
    other = Entrant("GaussianVAE", "GaussianVAE", {"beta": 4.0})
    write_codes(place, codes, made_by(other, run))
    with pytest.raises(ValueError, match="with other beta than these weights"):
        remade_card(shipped, shipped.parent / "bench")


def test_a_model_that_no_bench_measures_is_refused(shipped):
    with pytest.raises(ValueError, match="lacks nodules, patients"):
        remade_card(shipped_click_net_path(), shipped.parent / "bench")


def test_the_command_makes_card_and_page_anew(shipped, capsys):
    page = shipped.parent / "page.md"
    assert (
        main(["card", str(shipped), "--bench", str(shipped.parent / "bench"), "-o", str(page)]) == 0
    )
    told = page.read_text(encoding="utf-8")
    assert "| latent | 0.910 [0.880, 0.930] | 0.800 [0.700, 0.900] |" in told
    assert "10.7937/K9/TCIA.2015.LO9QL9SX" in told
    assert read_about(shipped)["sha256"] in told
    capsys.readouterr()
    assert main(["card", str(shipped)]) == 0
    assert capsys.readouterr().out == told
